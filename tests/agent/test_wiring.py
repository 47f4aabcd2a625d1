"""Every option of maintenance reaches what the agent makes of it: one that is dropped on the way is found out here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hyperjobs.agent.effect import effect_of
from hyperjobs.agent.options import archive_directory, destinations_of, fixes, host_of
from hyperjobs.agent.roster import make_task
from hyperjobs.agent.timetable import entries
from hyperjobs.agent.workshop import Workshop
from hyperjobs.config import load_config
from hyperjobs.config.model import options
from hyperjobs.maintenance.task import Turn
from hyperjobs.store.state import StateFile
from hyperjobs.testing import FakeClock
from support.backups import store_of

_TASKS = ("integrity-quick", "integrity-full", "backup", "prune", "vacuum", "optimize", "drill", "checkpoint")
_HOURS = [datetime(2026, 6, 1, hour, 30, tzinfo=UTC) for hour in range(24)]

CHANGED: dict[str, Any] = {
    "timezone": "Asia/Tokyo",
    "catch_up": "7h",
    "reserve": "3MiB",
    "reload_max_deletes": "1%",
    "integrity.quick": "1 1 * * *",
    "integrity.full": "1 1 * * sun",
    "backup.directory": "/srv/other",
    "backup.compress": "none",
    "backup.minimum": "5",
    "backup.host": "alpha",
    "backup.keep.last": "31",
    "backup.keep.hourly": "32",
    "backup.keep.daily": "33",
    "backup.keep.weekly": "34",
    "backup.keep.monthly": "35",
    "backup.keep.yearly": "36",
    "backup.keep_replaced": "4d",
    "backup.pause": "77ms",
    "backup.destinations": "[{name: offsite, directory: /srv/offsite}]",
    "prune.retention.completed": "11d",
    "prune.retention.failed": "12d",
    "prune.retention.cancelled": "13d",
    "prune.providers": "{aws: {completed: 14d}}",
    "prune.keep_newest": "7",
    "prune.archive.enabled": "false",
    "prune.archive.keep": "9d",
    "prune.archive.directory": "/srv/archive",
    "prune.max_share": "7%",
    "prune.max_clock_jump": "3d",
    "vacuum.mode": "full",
    "vacuum.min_free": "33%",
    "checkpoint.every": "7m",
    "checkpoint.truncate": "10:00-11:00",
    "keep_fixes": "30d",
    **{f"{task}.schedule": "1 1 * * *" for task in ("backup", "drill", "prune", "vacuum", "optimize")},
    **{
        f"{task}.{name}": value
        for task in ("integrity", "backup", "drill", "prune", "vacuum", "optimize")
        for name, value in (
            ("timezone", "Asia/Tokyo"),
            ("jitter", "8m"),
            ("catch_up", "5h"),
            ("window", "10:00-11:00"),
        )
    },
}

TWICE = {
    "timezone": ("tasks", "entries"),
    "vacuum.timezone": ("tasks", "entries"),
    "backup.host": ("tasks", "host"),
    "backup.destinations": ("tasks", "destinations"),
    "prune.archive.directory": ("tasks", "archive"),
    "prune.max_clock_jump": ("tasks", "timekeeper"),
}
"""Options that more than one part heeds."""


@pytest.fixture
def made(tmp_path):
    """A function that gives all that the agent makes of a configuration, as values that can be compared."""
    store, clock = store_of(tmp_path / "jobs.db"), FakeClock()
    state = StateFile(tmp_path / "state", store, clock=clock)

    def make(option: str = "", value: str = "") -> dict[str, Any]:
        environ = {"HYPERJOBS_STORE__PATH": str(store), "HYPERJOBS_STORE__STATE_DIR": str(tmp_path / "state")}
        overrides = {f"maintenance.{option}": value} if option else {}
        variable = f"HYPERJOBS_MAINTENANCE__{option.upper().replace('.', '__')}"
        config = load_config(environ={**environ, **({variable: value} if overrides else {})})
        shop = Workshop(config, store, state, clock=clock)
        turn = Turn(now=clock.now(), clock=clock)
        return {
            "tasks": {name: shown(make_task(shop, name)) for name in _TASKS},
            "entries": [shown(entry) for entry in entries(config)],
            "gate": effect_of(store, config.maintenance, config.maintenance, turn, archives=store.parent).max_share,
            "host": host_of(config.maintenance),
            "archive": archive_directory(config),
            "fixes": fixes(config),
            "destinations": destinations_of(config.maintenance),
            "timekeeper": shown(shop.timekeeper),
        }

    yield make
    state.close()


def shown(value: Any, depth: int = 4) -> Any:  # noqa: PLR0911 - one a kind of value
    """A value by what it holds; a function of the time by what it says of each hour."""
    if callable(value) and not isinstance(value, type):
        try:
            return [value(hour) for hour in _HOURS]
        except Exception:  # noqa: BLE001 - a function of something else, which holds no option
            return "function"
    if isinstance(value, str | int | float | bool | timedelta | Path | None):
        return value
    if isinstance(value, dict):
        return {key: shown(each, depth - 1) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [shown(each, depth - 1) for each in value]
    names = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
    held = {**getattr(value, "__dict__", {}), **{name: getattr(value, name) for name in names if hasattr(value, name)}}
    if held and depth:
        return {name: shown(each, depth - 1) for name, each in held.items()}
    has_words = type(value).__str__ is not object.__str__  # else it would be an address
    return str(value) if has_words and not held else type(value).__name__


@pytest.mark.parametrize("option", CHANGED)
def test_a_change_of_an_option_changes_what_is_made(made, option):
    before, after = made(), made(option, CHANGED[option])
    changed = {part for part in before if before[part] != after[part]}

    assert changed >= set(TWICE.get(option, ()))
    assert changed


def test_the_same_configuration_makes_the_same(made):
    assert made() == made()


def test_no_option_is_left_out():
    there = {".".join(path[1:]) for path in options() if path[0] == "maintenance"}

    assert there == set(CHANGED)
