"""The ``hyperjobs`` command line: one thin file a command group, each imported when it is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperjobs.cli.signals import prepare_signals

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and give its exit code, as :func:`hyperjobs.cli.program.main` does."""
    prepare_signals()
    from hyperjobs.cli import program  # noqa: PLC0415 - a Ctrl-C meanwhile would be a traceback

    return program.main(arguments)
