"""Where a command ends: exceptions become one line on standard error and an exit code."""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from typing import TYPE_CHECKING, TextIO

import click

from hyperjobs.cli.setting import Setting
from hyperjobs.cli.stderr import complain, discard, say
from hyperjobs.cli.usage import usage_message
from hyperjobs.errors import ConfigError, HyperjobsError

if TYPE_CHECKING:
    from collections.abc import Sequence

FAILED = 1
USAGE = 2
NO_SPACE = 5
REFUSED = 6
INTERRUPTED = 128 + signal.SIGINT
BROKEN_PIPE = 128 + signal.SIGPIPE

EXIT_CODES = {
    0: "ok",
    FAILED: "failed",
    USAGE: "usage or configuration",
    3: "damage found",
    4: "busy",
    NO_SPACE: "no space",
    REFUSED: "refused for safety",
    7: "not found or not a job store",
    INTERRUPTED: "ended by Ctrl-C",
    BROKEN_PIPE: "ended by a closed pipe",
    128 + signal.SIGTERM: "ended by SIGTERM",
}
"""Exit code → what it says; no other is used."""

_CODES = {errno.ENOSPC: NO_SPACE, errno.EDQUOT: NO_SPACE, errno.EACCES: REFUSED, errno.EPERM: REFUSED}
_USAGE_REASON, _FAILED_REASON = "usage", "failed"
_REASONS = {NO_SPACE: "no_space", REFUSED: "permission"}


def prepare_streams() -> None:
    """Make the standard streams safe to use, however the process was started.

    A closed descriptor below 3 would be handed to the next file opened, which could be the store; it is filled with
    /dev/null. A character that the terminal's encoding lacks is written as an escape instead of ending the command.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free descriptor is this one
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 - lives as long as the process
        else:
            stream.reconfigure(errors="backslashreplace")


def answer(program: click.Command, arguments: Sequence[str]) -> int:
    """Run ``program`` on ``arguments``; give the exit code, with everything printed."""
    setting = Setting(words=tuple(arguments))
    try:
        code = _invoke(program, arguments, setting)
        _flush(sys.stdout)
    except BrokenPipeError:
        discard(sys.stdout)
        code = BROKEN_PIPE
    except (KeyboardInterrupt, click.Abort):
        code = INTERRUPTED
    except Exception as exc:  # noqa: BLE001 - the last place before the person; -v shows where it came from
        code = _report(exc, setting)
    return code


def _invoke(program: click.Command, arguments: Sequence[str], setting: Setting) -> int:
    try:
        with program.make_context(program.name, list(arguments), obj=setting) as context:
            result = program.invoke(context)
    except click.exceptions.Exit as exc:
        return exc.exit_code
    except click.exceptions.NoArgsIsHelpError as exc:  # a group alone: what there is in it, and still a usage error
        say(exc.message)
        return USAGE
    return result if isinstance(result, int) else 0


def _report(exc: Exception, setting: Setting) -> int:
    """Say on standard error what went wrong; give the exit code."""
    if setting.verbose:
        say("".join(traceback.format_exception(exc)).rstrip())
    message, reason, code = _explain(exc)
    # words that cannot be read keep an option after them from being heard
    as_json = setting.as_json or (reason == _USAGE_REASON and "--json" in setting.words)
    lines = message.splitlines() if isinstance(exc, ConfigError) else [message]  # one line a mistake
    for line in lines:
        complain(line, reason=reason, exit_code=code, as_json=as_json)
    if isinstance(exc, OSError):
        discard(sys.stdout)  # what could not be written must not be tried again at exit
    return code


def _explain(exc: Exception) -> tuple[str, str, int]:
    """The line to say about an error, its fixed word, and its exit code."""
    match exc:
        case HyperjobsError():
            return str(exc), exc.reason, exc.exit_code
        case click.UsageError():
            where = exc.ctx.command_path if exc.ctx else "hyperjobs"
            return f"{usage_message(exc)} (see '{where} --help')", _USAGE_REASON, USAGE
        case click.ClickException():
            return exc.format_message(), _FAILED_REASON, exc.exit_code
        case OSError():
            where = "standard output" if exc.filename is None else str(exc.filename)
            code = _CODES.get(exc.errno or 0, FAILED)
            return f"{where}: {exc.strerror or exc}", _REASONS.get(code, _FAILED_REASON), code
        case _:
            said = f"unexpected {type(exc).__name__}: {exc} (-v shows where; please report it)"
            return said, "unexpected", FAILED


def _flush(stream: TextIO) -> None:
    """Write out what is buffered, so that a full disk is an error and not a note at exit."""
    stream.flush()
