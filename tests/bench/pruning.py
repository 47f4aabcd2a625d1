"""Half of a store pruned beside a writer, with its archive, and the same rows deleted by one statement."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw

from bench.child import call
from bench.keeping import folding
from bench.report import Table, ms
from bench.writers import steady
from hyperjobs.clock import SystemClock
from hyperjobs.maintenance.prune.task import PruneTask
from hyperjobs.maintenance.task import Turn
from hyperjobs.store.checkpoint import Checkpointer
from hyperjobs.store.retention import Retention

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.run import Bench

_SHARE = 0.49
_AGE = timedelta(days=365 * (1 - _SHARE))
_LOOK_S = 0.01
_ALONE_S = 30.0
"""As long as a prune takes: the longest of more waits is a longer one."""
_SETTLE_S = 2.0


def figure(bench: Bench) -> Table:
    """A writer alone, beside a prune with and without an archive, and beside one DELETE; on disk and in memory."""
    jobs = 100_000 if bench.is_quick else 1_000_000
    template = bench.directory.template(jobs, ledger=True)
    size = pruned = 0
    table = Table("pruning", ["Jobs deleted beside 500 writes/s", "Took", "Writer p99", "Writer longest", "-wal peak"])
    for place, directory in (("on disk", bench.directory), ("in memory", bench.calm)):
        with directory.copy(template) as store, steady(store) as waits:
            time.sleep(_ALONE_S)
        table.add(f"none: the writer alone, {place}", "", ms(waits.p99), ms(waits.longest), "")
        for name, function, archive in (
            ("prune, archived", "prune", "archive"),
            ("prune, not archived", "prune", None),
            ("one DELETE", "delete_at_once", None),
        ):
            with directory.copy(template) as store:
                where = None if archive is None else store.parent / archive
                with steady(store) as waits:
                    found = call(f"bench.pruning:{function}", path=store, archive=where)
            if found["archive_bytes"]:
                size, pruned = found["archive_bytes"], found["jobs"]
            table.add(
                f"{found['jobs']:,}: {name}, {place}",
                f"{found['took_s']:.1f} s",
                ms(waits.p99),
                ms(waits.longest),
                f"{found['wal_bytes'] / 1e6:.0f} MB",
            )
    table.notes.append(f"The archive: {size / 1e6:.1f} MB, {size / pruned:.0f} bytes a job.")
    table.notes.append("In memory (tmpfs) a writer waits for the task alone, never for a disk.")
    return table


def prune(path: str, archive: str | None) -> dict[str, Any]:
    """Prune as the agent does, with its ledger and its checkpoints kept meanwhile."""
    clock = SystemClock()
    waiting = threading.Event()
    task = PruneTask(
        Path(path),
        retention=Retention(dict.fromkeys(("completed", "failed", "cancelled"), _AGE)),
        archive_directory=None if archive is None else Path(archive),
    )
    with folding(path, f"{path}.state"), _checkpointing(Path(path)):
        found = _measured(path, lambda: task.run(Turn(now=clock.now(), clock=clock, wait=waiting.wait)).detail)
    return {**found, "jobs": found["result"]["pruned_jobs"], "archive_bytes": found["result"].get("archive_bytes", 0)}


def delete_at_once(path: str, archive: None) -> dict[str, Any]:  # noqa: ARG001 - called like the other
    """What a cron job with the shell does."""
    cutoff = (SystemClock().now() - _AGE).isoformat(" ")

    def delete() -> int:
        db = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE)
        db.set_busy_timeout(30_000)
        db.execute(
            "DELETE FROM jobs WHERE status IN ('completed','failed','cancelled') AND completed_at<?", (cutoff,)
        ).fetchall()
        deleted = db.changes()
        db.close()
        return deleted

    with folding(path, f"{path}.state"), _checkpointing(Path(path)):
        found = _measured(path, delete)
    return {**found, "jobs": found["result"], "archive_bytes": 0}


def _measured(path: str, work: Callable[[], Any]) -> dict[str, Any]:
    """What the work gives, how long it took, and how large the -wal became."""
    time.sleep(_SETTLE_S)
    wal = Path(f"{path}-wal")
    done = threading.Event()
    sizes = [0]

    def watch() -> None:
        while not done.wait(_LOOK_S):
            sizes.append(wal.stat().st_size)

    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.perf_counter()
    try:
        result = work()
        took_s = time.perf_counter() - began
    finally:
        done.set()
        watcher.join()
    return {"result": result, "took_s": took_s, "wal_bytes": max(sizes)}


@contextmanager
def _checkpointing(path: Path) -> Iterator[None]:
    """The agent's checkpoints, in a thread of their own."""
    stopping = threading.Event()
    checkpointer = Checkpointer(path, clock=SystemClock())

    def work() -> None:
        while not stopping.wait(checkpointer.turn(stopping.is_set)):
            pass

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()
        checkpointer.close()
