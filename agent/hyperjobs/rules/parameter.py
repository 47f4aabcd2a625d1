"""One value that a person may set: how its text is read, what makes sense, and how a rule writes it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from hyperjobs.config.values import plain_number, read_boolean, read_duration, read_number, read_whole, read_words
from hyperjobs.duration import format_duration
from hyperjobs.size import parse_size

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hyperjobs.config.document import Raw

_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_MATCHER = r'[a-zA-Z_][a-zA-Z0-9_]*\s*(=~|!~|!=|=)\s*"([^"\\\n]|\\.)*"'
_MATCHERS = re.compile(rf"{_MATCHER}(\s*,\s*{_MATCHER})*")
_URL = re.compile(r"https?://[^\s\"'<>#]+")
_TAKEN = frozenset({"alertname", "severity", "component", "service"})
_SECOND = timedelta(seconds=1)
_LONGEST = timedelta(days=3650)
_PLAIN_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_PLAIN_AMOUNT = re.compile(r"([0-9]+[dhms])+|[0-9]+([KMGT]i)?B")
_WORDS_OF_YAML = frozenset({"y", "yes", "n", "no", "true", "false", "on", "off", "null"})


class Kind(StrEnum):
    """What a value is; each kind has its own way of being read."""

    BOOLEAN = "boolean"
    DURATION = "duration"
    WAIT = "wait"
    RATIO = "ratio"
    NUMBER = "number"
    COUNT = "count"
    BYTES = "bytes"
    LABEL = "label"
    LABELS = "labels"
    MATCHERS = "matchers"
    MAPPING = "mapping"
    LABEL_MAPPING = "label_mapping"
    URL = "url"
    WORDS = "words"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A value by its name.

    Attributes:
        default: as it is written in a values file.
        help: what it does, as a sentence.
        more_than: it must be more than this number.
        above: the name of the value beside it that it must be more than.
    """

    name: str
    kind: Kind
    default: Any
    help: str
    more_than: float = 0.0
    above: str | None = None

    @classmethod
    def of(cls, name: str, entry: Mapping[str, Any]) -> Parameter:
        """The parameter that an entry of a definition describes."""
        return cls(
            name=name,
            kind=Kind(entry["kind"]),
            default=entry["default"],
            help=entry["help"],
            more_than=entry.get("min", 0.0),
            above=entry.get("above"),
        )

    def read(self, raw: Raw) -> Any:
        """The value that a text, list or mapping of texts stands for.

        Raises:
            ValueError: it is none of this kind, or makes no sense; the message reads well after the value's name.
        """
        value = _READERS[self.kind](raw)
        if isinstance(value, int | float) and self.kind in {Kind.NUMBER, Kind.RATIO} and value <= self.more_than:
            raise ValueError(f"must be more than {plain_number(self.more_than)}")
        return value

    @property
    def standard(self) -> Any:
        """The default, read."""
        return self.read(_as_text(self.default))

    @property
    def yaml(self) -> str:
        """The default as a values file has it."""
        return as_yaml(self.default)


def as_yaml(value: Any) -> str:
    """A value on one line, quoted where a reader of YAML could take it for something else."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(as_yaml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{as_yaml(key)}: {as_yaml(item)}' for key, item in value.items())}}}"
    if isinstance(value, str) and not _is_plain(value):
        return "'" + value.replace("'", "''") + "'" if '"' in value else json.dumps(value, ensure_ascii=False)
    return str(value)


def _is_plain(text: str) -> bool:
    is_word = _PLAIN_WORD.fullmatch(text) is not None and text.lower() not in _WORDS_OF_YAML
    return is_word or _PLAIN_AMOUNT.fullmatch(text) is not None


def written(value: Any, form: str = "") -> str:
    """A value as PromQL and people write it.

    Args:
        value: as ``read`` gives it.
        form: ``seconds`` for a duration in seconds, ``percent`` for a ratio in percent.
    """
    if isinstance(value, timedelta):
        return str(value // _SECOND) if form == "seconds" else format_duration(value)
    if form == "percent":
        return f"{plain_number(round(value * 100, 6))}%"
    if isinstance(value, tuple):
        return ", ".join(value)
    return str(plain_number(value)) if isinstance(value, int | float) else str(value)


def _as_text(default: Any) -> Raw:
    if isinstance(default, list):
        return [_as_text(item) for item in default]
    if isinstance(default, dict):
        return {key: _as_text(item) for key, item in default.items()}
    return str(default).lower() if isinstance(default, bool) else str(default)


def _read_wait(raw: Raw) -> timedelta:
    value = read_duration(raw)
    if value % _SECOND:
        raise ValueError("must be whole seconds, for Prometheus counts no less")
    if value > _LONGEST:
        raise ValueError(f"is longer than {format_duration(_LONGEST)}")
    return value


def _read_positive(raw: Raw) -> timedelta:
    value = _read_wait(raw)
    if not value:
        raise ValueError("must be more than 0s")
    return value


def _read_ratio(raw: Raw) -> float:
    value = read_number(raw)
    if not 0 < value < 1:
        raise ValueError("must be between 0 and 1, without them; write 0.2 for 20 %")
    return value


def _read_count(raw: Raw) -> int:
    value = read_whole(raw)
    if value < 1:
        raise ValueError("must be at least 1")
    return value


def _read_bytes(raw: Raw) -> int:
    value = parse_size(read_words(raw))
    if not value:
        raise ValueError("must be more than 0")
    return value


def _read_label(raw: Raw) -> str:
    text = read_words(raw)
    if not _LABEL.fullmatch(text):
        raise ValueError("is no name of a label")
    return text


def _read_labels(raw: Raw) -> tuple[str, ...]:
    if not isinstance(raw, list) or not raw:
        raise ValueError("must be a list of labels, such as [job, instance]")
    labels = tuple(_read_label(item) for item in raw)
    if len(set(labels)) < len(labels):
        raise ValueError("names a label twice")
    return labels


def _read_matchers(raw: Raw) -> str:
    text = read_words(raw)
    if not _MATCHERS.fullmatch(text):
        raise ValueError("must be label matchers, such as 'job=\"hyperjobs\"'")
    return text


def _read_mapping(raw: Raw) -> dict[str, str]:
    if not isinstance(raw, dict):
        raise ValueError("must be a mapping of names to texts, or {}")  # noqa: TRY004 - callers catch one kind of error
    return {read_words(key): read_words(value) for key, value in raw.items()}


def _read_label_mapping(raw: Raw) -> dict[str, str]:
    labels = _read_mapping(raw)
    for label in labels:
        if not _LABEL.fullmatch(label):
            raise ValueError(f"names {label!r}, which is no name of a label")
        if label in _TAKEN:
            raise ValueError(f"names {label}, which every alert has already")
    return labels


def _read_url(raw: Raw) -> str:
    text = read_words(raw)
    if not _URL.fullmatch(text):
        raise ValueError("must be an address that begins with http:// or https://, without an anchor")
    return text.rstrip("/")


_READERS: Mapping[Kind, Callable[[Any], Any]] = {
    Kind.BOOLEAN: read_boolean,
    Kind.DURATION: _read_positive,
    Kind.WAIT: _read_wait,
    Kind.RATIO: _read_ratio,
    Kind.NUMBER: read_number,
    Kind.COUNT: _read_count,
    Kind.BYTES: _read_bytes,
    Kind.LABEL: _read_label,
    Kind.LABELS: _read_labels,
    Kind.MATCHERS: _read_matchers,
    Kind.MAPPING: _read_mapping,
    Kind.LABEL_MAPPING: _read_label_mapping,
    Kind.URL: _read_url,
    Kind.WORDS: read_words,
}
