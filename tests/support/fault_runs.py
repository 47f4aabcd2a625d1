"""Tasks on a failing disk, for :func:`support.faults.sweep_in_child`: each makes a scenario in a directory."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from hyperjobs.errors import HyperjobsError
from hyperjobs.maintenance.checkpoint import CheckpointTask
from hyperjobs.maintenance.vacuum.task import VacuumTask
from hyperjobs.store.connection import Connection
from support.spaces import roomy_store, turn

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hyperjobs.maintenance.task import Task
    from support.faults import Faults, Kind

    Scenario = Callable[[Faults, Kind | None, int, bool], tuple[str | None, str]]

_JOBS = 3000


def full_vacuum(directory: Path) -> Scenario:
    """Writing the whole store anew."""
    return _scenario(directory, lambda store: VacuumTask(store, mode="full"), auto_vacuum="NONE")


def convert(directory: Path) -> Scenario:
    """The same, with the map of pages put in."""
    return _scenario(directory, lambda store: VacuumTask(store, mode="convert"), auto_vacuum="NONE")


def incremental_vacuum(directory: Path) -> Scenario:
    """Freeing pages in steps."""
    return _scenario(directory, VacuumTask, auto_vacuum="INCREMENTAL")


def checkpoint(directory: Path) -> Scenario:
    """Moving the -wal, and emptying it."""
    return _scenario(directory, lambda store: CheckpointTask(store, truncate=lambda _now: True), auto_vacuum="NONE")


def _scenario(directory: Path, make: Callable[[Path], Task], *, auto_vacuum: str) -> Scenario:
    template = roomy_store(directory / "template.db", jobs=_JOBS, auto_vacuum=auto_vacuum)
    number = 0

    def run(faults: Faults, kind: Kind | None, nth: int, is_sticky: bool) -> tuple[str | None, str]:  # noqa: FBT001 - as sweep calls it
        nonlocal number
        number += 1
        store = directory / f"store-{number}.db"
        shutil.copyfile(template, store)
        # the store's user, whose acknowledged rows lie in the -wal; like the daemon he stays connected
        user = Connection(store, synchronous="OFF")
        user.change("UPDATE jobs SET user='acknowledged before' WHERE id>=?", (f"job-{_JOBS - 200:06d}",))
        faults.arm(kind, nth, is_sticky=is_sticky)
        task = make(store)
        error = _error_of(task)
        faults.disarm()
        wrong = _wrong(user, store, error, is_vacuum=task.name == "vacuum")
        for left in directory.glob(f"{store.name}*"):
            left.unlink()
        return error, wrong

    return run


def _error_of(task: Task) -> str | None:
    try:
        task.run(turn())
    except HyperjobsError as exc:
        return type(exc).__name__
    return None


def _wrong(user: Connection, store: Path, error: str | None, *, is_vacuum: bool) -> str:
    """What must hold whatever failed: all rows are there, the pages are sound, and the user can go on."""
    user.change("UPDATE jobs SET user='acknowledged after' WHERE id=?", (f"job-{_JOBS - 1:06d}",))
    through_wal = _look(Connection(store, read_only=True))
    user.close()
    alone = _look(Connection(store))
    if through_wal != alone or alone[:3] != (
        "ok",
        _JOBS // 2,
        [("acknowledged after", 1), ("acknowledged before", 199)],
    ):
        return f"{through_wal} while the user had it open, {alone} after"
    if error is None and is_vacuum and alone[3]:
        return f"said to be done, and {alone[3]} pages are free"
    return ""


def _look(connection: Connection) -> tuple[object, ...]:
    found = (
        connection.value("PRAGMA integrity_check"),
        connection.value("SELECT count(*) FROM jobs"),
        connection.rows("SELECT user,count(*) FROM jobs WHERE user LIKE 'ack%' GROUP BY 1 ORDER BY 1"),
        connection.value("PRAGMA freelist_count"),
    )
    connection.close()
    return found
