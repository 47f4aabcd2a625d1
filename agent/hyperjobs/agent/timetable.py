"""When each task is due, as the configuration says."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from hyperjobs.config.care import INTERVAL
from hyperjobs.cron.every import Every
from hyperjobs.cron.expression import parse_schedule
from hyperjobs.cron.window import parse_window
from hyperjobs.cron.zone import find_zone
from hyperjobs.maintenance.timetable import TimetableEntry

if TYPE_CHECKING:
    from datetime import timedelta

    from hyperjobs.config import Config
    from hyperjobs.config.maintenance import TaskSection


def entries(config: Config) -> list[TimetableEntry]:
    """The scheduled tasks, in the order in which they run when several are due.

    Damage is looked for before the night's backup, and prune comes after it.
    """
    care = config.maintenance
    scheduled: list[tuple[str, str | None, TaskSection]] = [
        ("integrity-quick", care.integrity.quick, care.integrity),
        ("backup", care.backup.schedule, care.backup),
        ("integrity-full", care.integrity.full, care.integrity),
        ("prune", care.prune.schedule, care.prune),
        ("vacuum", care.vacuum.schedule, care.vacuum),
        ("optimize", care.optimize.schedule, care.optimize),
        ("drill", care.drill.schedule, care.drill),
    ]
    found = [
        _entry(config, task, expression, section) for task, expression, section in scheduled if expression is not None
    ]
    every = Every(care.checkpoint.every)
    return [*found, TimetableEntry(task="checkpoint", schedule=every, zone=find_zone(care.timezone), is_light=True)]


def _entry(config: Config, task: str, expression: str, section: TaskSection) -> TimetableEntry:
    zone = section.timezone or config.maintenance.timezone
    # vacuum's window is for the full kind alone, which the task itself looks at
    window = None if section.window is None or task == "vacuum" else parse_window(section.window)
    return TimetableEntry(
        task=task,
        schedule=parse_schedule(expression, zone),
        zone=find_zone(zone),
        jitter=section.jitter,
        seed=socket.gethostname(),
        catch_up=_catch_up(section.catch_up if section.catch_up is not None else config.maintenance.catch_up),
        window=window,
    )


def _catch_up(length: timedelta) -> timedelta | None:
    return None if length == INTERVAL else length
