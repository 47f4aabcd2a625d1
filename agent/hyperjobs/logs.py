"""The log: one line an event on standard error, JSON or for people, that nothing in a job's name can forge.

Events are named ``area.thing_happened`` in fixed words; whatever varies is a key. Lines of the standard library's
loggers and Python's warnings take the same way. A log that cannot be written is counted and never stops the work.
"""

from __future__ import annotations

import json
import logging
import math
import os
import re
import sys
from dataclasses import dataclass, field
from datetime import UTC, date, timedelta
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TextIO

import structlog

from hyperjobs.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from structlog.typing import FilteringBoundLogger

    from hyperjobs.clock import Clock

_MAX_TEXT = 16_384
_MAX_ITEMS = 100
_MAX_DEPTH = 5
_MAX_BITS = 64  # what readers of JSON can hold; Python refuses to print much larger ones
_TELLTALES = ("apprise", "boto3", "botocore", "requests", "s3transfer", "urllib3")
"""Libraries that log addresses and headers, and with them tokens; what goes wrong there they raise as well."""
_WORD = re.compile(r"[A-Za-z0-9_./:@%+-]+")


def configure_logs(
    level: str = "info",
    log_format: str = "auto",
    *,
    stream: TextIO | None = None,
    clock: Clock | None = None,
) -> LogSink:
    """Send every log line of this process to one stream; call it again to change how, also for loggers in use.

    Args:
        level: ``debug``, ``info``, ``warning`` or ``error``: the least serious lines to write.
        log_format: ``json``, ``console``, or ``auto``: console on a terminal, else json.
        stream: standard error when ``None``.
        clock: what stamps the lines.

    Returns:
        Where lines go; it counts those that were lost.
    """
    sink = LogSink(sys.stderr if stream is None else stream)
    _OUTPUT.sink, _OUTPUT.clock = sink, clock or SystemClock()
    _OUTPUT.level = logging.getLevelNamesMapping()[level.upper()]
    _OUTPUT.is_json = log_format == "json" or (log_format == "auto" and not sink.is_terminal)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            _OUTPUT.drop_below_level,
            _OUTPUT.stamp,
            structlog.processors.format_exc_info,
            _OUTPUT.render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.NOTSET),
        logger_factory=_OUTPUT.logger,
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_Forward()], level=_OUTPUT.level, force=True)
    for name in _TELLTALES:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    logging.captureWarnings(capture=True)
    return sink


def get_logger(**bound: object) -> FilteringBoundLogger:
    """A logger whose lines carry these keys."""
    logger: FilteringBoundLogger = structlog.get_logger(**bound)
    return logger


class LogSink:
    """A stream that takes whole lines and never raises.

    Attributes:
        lost: how many lines could not be written (a full disk, a closed terminal).
    """

    def __init__(self, stream: TextIO | None) -> None:
        self.lost = 0
        # Python has no stderr when it started with descriptor 2 closed; that number may now be another file's.
        self._stream = stream
        self._descriptor = _descriptor(stream)
        self._is_torn = False

    @property
    def is_terminal(self) -> bool:
        """Whether a person is looking."""
        return self._descriptor is not None and os.isatty(self._descriptor)

    def write(self, line: str) -> None:
        """Write the line and its end, or count it as lost."""
        try:
            if self._descriptor is not None:
                self._write_bytes(f"{line}\n".encode("utf-8", "backslashreplace"))
            elif self._stream is not None:
                self._stream.write(f"{line}\n")
                self._stream.flush()
            else:
                self.lost += 1
        except (OSError, ValueError):
            self.lost += 1

    def _write_bytes(self, data: bytes) -> None:
        # One system call a line: lines of several processes do not mix, and nothing is left in a buffer that
        # would fail once more when the interpreter ends.
        if self._is_torn:
            data = b"\n" + data
        written = os.write(self._descriptor or 0, data)
        self._is_torn = written < len(data)
        if self._is_torn:
            self.lost += 1


@dataclass(slots=True)
class _Output:
    """How lines are made; shared by all loggers, so that a reload reaches those bound long ago."""

    sink: LogSink = field(default_factory=lambda: LogSink(None))
    clock: Clock = field(default_factory=SystemClock)
    level: int = logging.INFO
    is_json: bool = True

    def logger(self, *_: object) -> _Writer:
        return _Writer()

    def drop_below_level(self, _: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if logging.getLevelNamesMapping().get(method.upper(), logging.ERROR) < self.level:
            raise structlog.DropEvent
        return event

    def stamp(self, _: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        at = self.clock.now().astimezone(UTC).isoformat(timespec="milliseconds")
        event["timestamp"] = at.removesuffix("+00:00") + "Z"
        return event

    def render(self, _: object, __: str, event: MutableMapping[str, Any]) -> str:
        first = {key: event.pop(key, None) for key in ("timestamp", "level", "event")}
        values = {str(key): _plain(value) for key, value in (first | dict(event)).items()}
        return json.dumps(values) if self.is_json else _console(values)


class _Writer:
    """What structlog hands the finished line to."""

    def msg(self, line: str) -> None:
        _OUTPUT.sink.write(line)

    debug = info = warning = warn = error = critical = fatal = exception = log = msg


class _Forward(logging.Handler):
    """Passes the standard library's records on to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except (TypeError, ValueError, LookupError):
            message = str(record.msg)  # its arguments do not fit; the text is still worth having
        level = min(max(record.levelno // 10 * 10, logging.DEBUG), logging.CRITICAL)
        fields = {"exc_info": record.exc_info} if record.exc_info else {}
        get_logger().log(level, message, logger=record.name, **fields)


def _descriptor(stream: TextIO | None) -> int | None:
    if stream is None:
        return None
    try:
        return stream.fileno()
    except (OSError, ValueError, AttributeError):
        return None


def _plain(value: object, depth: int = 0) -> Any:
    """The value as JSON can hold it: bounded in size and depth, finite, nothing that raises."""
    plain: Any
    match value:
        case str():
            plain = value if len(value) <= _MAX_TEXT else f"{value[:_MAX_TEXT]}… ({len(value)} characters)"
        case None | bool():
            plain = value
        case int():
            plain = value if value.bit_length() <= _MAX_BITS else hex(value)[:_MAX_TEXT]
        case float():
            plain = value if math.isfinite(value) else str(value)
        case timedelta():
            plain = value.total_seconds()
        case date():
            plain = value.isoformat()
        case dict() if depth < _MAX_DEPTH:
            plain = {str(key): _plain(item, depth + 1) for key, item in list(value.items())[:_MAX_ITEMS]}
        case list() | tuple() | set() | frozenset() if depth < _MAX_DEPTH:
            plain = [_plain(item, depth + 1) for item in list(value)[:_MAX_ITEMS]]
        case _:
            plain = _described(value)
    return plain


def _described(value: object) -> str:
    try:
        text = str(value) if isinstance(value, PurePath | BaseException) else repr(value)
    except Exception:  # noqa: BLE001 - a foreign object's repr may do anything, and a log line must not stop the work
        return f"<{type(value).__name__}>"
    return text[:_MAX_TEXT]


def _console(values: dict[str, Any]) -> str:
    """``time level event key=value …``; a traceback follows on indented lines."""
    exception = values.pop("exception", None)
    head = f"{values.pop('timestamp')} {values.pop('level'):<7} {_escape(str(values.pop('event')))}"
    line = " ".join([head, *(f"{_escape(key)}={_word(value)}" for key, value in values.items())])
    for part in str(exception).splitlines() if exception else ():
        line += f"\n    {_escape(part)}"
    return line


def _word(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    if not isinstance(value, str):
        return text
    return text if _WORD.fullmatch(text) else json.dumps(text, ensure_ascii=not text.isprintable())


def _escape(text: str) -> str:
    return text if text.isprintable() else json.dumps(text)[1:-1]


_OUTPUT = _Output()
