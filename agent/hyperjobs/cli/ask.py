"""A question before something that cannot be taken back by the next command."""

from __future__ import annotations

import signal
import sys

import click

from hyperjobs.errors import HyperjobsError


def ask(question: str) -> None:
    """Ask on the terminal; without one, or with another answer than yes, raise."""
    if not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask on; repeat it with --yes, or see --dry-run first")
    sys.stderr.write(question)
    sys.stderr.flush()
    # A command that hears signals as an event would go on waiting for the answer.
    before = {number: signal.signal(number, _leave) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        answer = sys.stdin.readline().strip().lower()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if answer not in {"y", "yes"}:
        raise HyperjobsError("nothing was changed")


def _leave(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)
