"""A question before something that cannot be taken back by the next command."""

from __future__ import annotations

import sys

import click

from hyperjobs.errors import HyperjobsError


def ask(question: str) -> None:
    """Ask on the terminal; without one, or with another answer than yes, raise."""
    if not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask on; repeat it with --yes, or see --dry-run first")
    sys.stderr.write(question)
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise HyperjobsError("nothing was changed")
