"""What is said beside the answer, on standard error: lines for a person, or with ``--json`` an object a line."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

import click

from hyperjobs.cli.setting import setting_of
from hyperjobs.cli.text import json_line, printable

if TYPE_CHECKING:
    from typing import TextIO

    from hyperjobs.errors import HyperjobsError


def note(text: str) -> None:
    """Say something beside the answer, after what was written of it when both go to one place."""
    sys.stdout.flush()
    say(json_line({"note": {"message": text}}) if _is_json() else printable(text))


def complain(message: str, *, reason: str, exit_code: int, as_json: bool | None = None) -> None:
    """Say what went wrong, on one line.

    Args:
        message: what, which path, why, and what to do.
        reason: the same as a fixed word.
        exit_code: what the process answers, were this all.
        as_json: as an object; by default when the command line asks for JSON.
    """
    if _is_json() if as_json is None else as_json:
        say(json_line({"error": {"reason": reason, "message": message, "exit_code": exit_code}}))
    else:
        say(f"hyperjobs: {printable(message)}")


def complain_of(error: HyperjobsError) -> None:
    """Say an error that does not end the command."""
    complain(str(error), reason=error.reason, exit_code=error.exit_code)


def say(line: str) -> None:
    """Write one line to standard error; where nobody listens, nowhere."""
    try:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()
    except OSError:
        discard(sys.stderr)  # the exit code still tells


def discard(stream: TextIO) -> None:
    """Send what is buffered, and all that follows, nowhere."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(null, stream.fileno())
        finally:
            os.close(null)


def _is_json() -> bool:
    context = click.get_current_context(silent=True)
    return context is not None and setting_of(context).as_json
