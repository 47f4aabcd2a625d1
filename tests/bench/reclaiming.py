"""Giving free pages back beside a writer: in steps, and by a VACUUM that writes the store anew."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw

from bench.child import call
from bench.report import Table, ms
from bench.writers import steady
from hyperjobs.clock import SystemClock
from hyperjobs.maintenance.task import Turn
from hyperjobs.maintenance.vacuum.task import VacuumTask

if TYPE_CHECKING:
    from bench.run import Bench

_SHARE = 0.47
"""Of the jobs, the oldest, that were pruned: some 170 MB of a million."""


def make_room(path: str, kind: str) -> None:
    """Let a store be of this kind of auto_vacuum, and delete its oldest jobs."""
    db = apsw.Connection(path)
    db.execute("PRAGMA synchronous=OFF").fetchall()
    db.execute(f"PRAGMA auto_vacuum={kind}").fetchall()
    db.execute("VACUUM").fetchall()
    jobs = db.execute("SELECT count(*) FROM jobs").fetchall()[0][0]
    db.execute("DELETE FROM jobs WHERE rowid IN (SELECT rowid FROM jobs ORDER BY rowid LIMIT ?)", (int(jobs * _SHARE),))
    db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    db.close()


def reclaim(path: str) -> dict[str, Any]:
    """Run the task as the agent does; what it reports."""
    clock = SystemClock()
    turn = Turn(now=datetime.now(UTC), clock=clock, wait=threading.Event().wait)
    started_s = clock.monotonic()
    report = VacuumTask(Path(path), min_free=0.0, longest_block_s=60.0, longest_write_back_s=60.0).run(turn)
    return {**report.detail, "took_s": clock.monotonic() - started_s, "skipped": report.skipped}


def figure(bench: Bench) -> Table:
    """Beside a writer of 500 statements a second, on disk and in memory."""
    jobs = 100_000 if bench.is_quick else 1_000_000
    columns = ["", "Given back", "Time", "No stop for", "-wal after", "Writer p99", "Writer's longest"]
    table = Table("reclaiming", columns)
    template = bench.directory.template(jobs)
    for place, directory in (("on disk", bench.directory), ("in memory", bench.calm)):
        for kind, name in (("INCREMENTAL", "in steps"), ("NONE", "VACUUM")):
            with directory.copy(template) as store:
                call("bench.reclaiming:make_room", path=store, kind=kind)
                with steady(store) as waits:
                    done = call("bench.reclaiming:reclaim", path=store)
            assert done["skipped"] is None, done
            late = ms(done["write_back_seconds"]) if "write_back_seconds" in done else "a step"
            wal = f"{done['wal_bytes'] / 1e6:.0f} MB"
            sizes = (f"{done['reclaimed_bytes'] / 1e6:.0f} MB", ms(done["took_s"]), late, wal)
            table.add(f"{name}, {place}", *sizes, ms(waits.p99), ms(waits.longest))
    table.notes.append(
        f"A store of {jobs:,} jobs whose oldest {_SHARE:.0%} were pruned. In memory (tmpfs) a writer waits for the task"
        " alone, never for a disk. No stop is heeded while a VACUUM writes its copy back."
    )
    return table
