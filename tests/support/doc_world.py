"""The world that the pages speak of: a store with a past, backups, an archive, channels, and files that the pages name."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw

from hyperjobs.maintenance.backup.create import create_backup
from hyperjobs.maintenance.backup.directory import BackupDirectory
from hyperjobs.store.snapshot import Pace
from hyperjobs.testing import FakeClock
from support.stores import BUSY_MS, insert, script

if TYPE_CHECKING:
    from support.follower import World

WRITER = Path(__file__).parent / "living_writer.py"
DAEMON = "hypervisord"


def _at(age: timedelta) -> str:
    return (datetime.now(UTC) - age).strftime("%Y-%m-%d %H:%M:%S+00:00")


def job(number: str, status: str, age: timedelta, **values: Any) -> dict[str, Any]:
    """A row as the daemon writes it, of a job that was made so long ago."""
    ended = status in {"completed", "failed", "cancelled"}
    row = {
        "id": number,
        "name": f"Export {number}",
        "status": status,
        "created_at": _at(age),
        "started_at": None if status == "pending" else _at(age * 0.9),
        "completed_at": _at(age * 0.8) if ended else None,
        "error": "NFC lease for vm-12 expired after 300s" if status == "failed" else "",
        "progress": {"completed": 100.0, "running": 45.5}.get(status, 0.0),
    }
    return row | values


_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


def rows() -> list[dict[str, Any]]:
    """Some jobs of each status, with the ids that the pages name."""
    named = [
        job("job-1", "completed", 9 * _DAY, metadata='{"format": "ova", "compress": true}'),
        job("job-2", "completed", 8 * _DAY, provider="hyperv"),
        job("job-3", "failed", 3 * _DAY),
        job("job-4", "running", _HOUR),
        job("job-5", "pending", _HOUR / 4),
        job("job-6", "pending", _HOUR / 5),
        job("job-7", "cancelled", 4 * _DAY),
        job("migration-20260818-00000", "failed", 2 * _HOUR),
        job("migration-000042", "completed", 2 * _DAY),
    ]
    return [*named, *old("old", 20), *(job(f"day-{number}", "completed", number * _HOUR) for number in range(1, 40))]


def old(name: str, count: int) -> list[dict[str, Any]]:
    """Jobs that are past any retention."""
    return [job(f"{name}-{number}", "completed", 400 * _DAY, name="Export " * 20) for number in range(count)]


def make_store(path: Path, jobs: list[dict[str, Any]] | None = None) -> Path:
    """A store as hypersdk's daemon makes it, with these jobs or the usual ones."""
    from support.living_writer import SCHEMA  # noqa: PLC0415 - a program of its own otherwise

    path.parent.mkdir(parents=True, exist_ok=True)
    script(path, "PRAGMA journal_mode=WAL", SCHEMA)
    insert(path, *(rows() if jobs is None else jobs))
    return path


def configuration(world: World, **sections: Any) -> Path:
    """The configuration of the world's agent, written where it looks for it; JSON is YAML."""
    text: dict[str, Any] = {
        "store": {"path": str(world.store), "state_dir": str(world.root / "var/lib/hyperjobs")},
        "web": {"listen": [f"127.0.0.1:{world.port}"]},
        "maintenance": {
            "reserve": 0,
            "backup": {"directory": str(world.root / "var/backups/hyperjobs"), "host": "db1"},
            "prune": {"retention": {"completed": "90d", "failed": "180d", "cancelled": "90d"}},
        },
    }
    for name, options in sections.items():
        text[name] = {**text.get(name, {}), **options} if isinstance(options, dict) else options
    file = world.root / "etc/hyperjobs/hyperjobs.yaml"
    file.write_text(json.dumps(text))
    return file


def furnish(world: World, **sections: Any) -> None:
    """A store in use: its agent and its writer can be started, and it has backups and a configuration."""
    make_store(world.store)
    configuration(world, **sections)
    world.add_unit("hyperjobs", [sys.executable, "-m", "hyperjobs", "run"])
    world.add_unit(DAEMON, [sys.executable, WRITER, world.store, world.root / "acknowledged"], "^writing")


def acknowledged(world: World) -> list[str]:
    """The ids of the jobs that the writer was told are written, in their order."""
    log = world.root / "acknowledged"
    return log.read_text().split() if log.exists() else []


def ids(store: Path) -> set[str]:
    """The ids of the jobs in a store, as another program reads them."""
    connection = apsw.Connection(str(store), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_timeout(BUSY_MS)
    try:
        return {row[0] for row in connection.execute("SELECT id FROM jobs")}
    finally:
        connection.close()


def old_backup(world: World, age: timedelta) -> None:
    """A backup of the world's store that was taken so long ago."""
    directory = BackupDirectory(world.root / "var/backups/hyperjobs")
    create_backup(world.store, directory, clock=FakeClock(datetime.now(UTC) - age), pace=Pace(), host="db1")


def backups(world: World) -> list[str]:
    """The names of its backups, the oldest first."""
    return sorted(
        path.name.removesuffix(".json") for path in (world.root / "var/backups/hyperjobs").glob("jobs-*.json")
    )
