"""What the commands about the schedule share: their options, and the tasks of the configuration."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from hyperjobs.cli.selection import View

if TYPE_CHECKING:
    from datetime import datetime

    from hyperjobs.maintenance.timetable import TimetableEntry


def view_at(now: datetime, *, as_json: bool) -> View:
    """How to show an answer: a table if a person looks."""
    return View(as_json=as_json, as_table=not as_json and sys.stdout.isatty(), utc=False, now=now)


def configured_entries(file: str | None) -> list[TimetableEntry]:
    """The tasks of the configuration, in the order in which they run."""
    from hyperjobs.config import load_config  # noqa: PLC0415 - pydantic only where a configuration is read

    # By name, like the program's own commands: the agent's parts are for this answer only.
    timetable = import_module("hyperjobs.agent.timetable")
    config = load_config(Path(file) if file else None, environ=os.environ)
    return list(timetable.entries(config))


def show_minute(at: datetime) -> str:
    """``2026-09-01 03:00``, by the clock that the instant is in."""
    return at.strftime("%Y-%m-%d %H:%M")
