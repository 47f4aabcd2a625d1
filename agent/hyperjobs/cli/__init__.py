"""The ``hyperjobs`` command line: one thin file a command group, each imported when it is called."""

from hyperjobs.cli.program import main

__all__ = ["main"]
