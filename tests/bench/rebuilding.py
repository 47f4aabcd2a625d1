"""A lost store made again by the command line, from each kind of piece and from all: how long, and how much memory."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import apsw

from bench.exporting import _forget, _run
from bench.report import Table
from hyperjobs.maintenance.audit.log import AuditLog, AuditSettings
from hyperjobs.store.ledger.outbox import Entry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.run import Bench

_BATCH = 1_000


def figure(bench: Bench) -> Table:
    """Rebuild from a database, from an export, from an audit log, and from the three together."""
    jobs = 100_000 if bench.is_quick else 1_000_000
    table = Table("rebuilding", [f"{jobs:,} jobs", "Took", "CPU", "A second", "Peak memory", "New store"])
    with bench.directory.copy(bench.directory.template(jobs)) as store:
        export, log = store.parent / "jobs.jsonl.zst", store.parent / "audit.jsonl"
        _run("export", str(export), "--store", str(store))
        lines = _audit(store, log)
        for what, pieces in (
            ("a store's file", [store]),
            ("jobs.jsonl.zst", [export]),
            (f"an audit log of {lines:,} changes", [log]),
            ("all three", [store, export, log]),
        ):
            new = store.parent / "new.db"
            took_s, cpu_s, peak_mb = _run("rebuild", "--to", str(new), *map(str, pieces))
            size = f"{new.stat().st_size / 1e6:.0f} MB"
            table.add(what, f"{took_s:.1f} s", f"{cpu_s:.1f} s", f"{jobs / took_s:,.0f}", f"{peak_mb:.0f} MB", size)
            _forget(new)
    return table


def _audit(store: Path, path: Path) -> int:
    """An audit log of every job's life, in order of time, as the agent would have written it; how many changes."""
    log = AuditLog(AuditSettings(path=path, fsync=False, keep=10_000))
    count = 0
    batch: list[Entry] = []
    for entry in _lives(store):
        batch.append(entry)
        count += 1
        if len(batch) >= _BATCH:
            log.append("00000000", batch, lambda _number: None)
            batch = []
    log.append("00000000", batch, lambda _number: None)
    log.close()
    return count


def _lives(store: Path) -> Iterator[Entry]:
    db = apsw.Connection(str(store), flags=apsw.SQLITE_OPEN_READONLY)
    times = "SELECT created_at,id,provider,NULL,'pending' FROM jobs"
    times += " UNION ALL SELECT started_at,id,provider,'pending','running' FROM jobs WHERE started_at IS NOT NULL"
    times += " UNION ALL SELECT completed_at,id,provider,'running',status FROM jobs WHERE completed_at IS NOT NULL"
    for seq, (at, job_id, provider, old, new) in enumerate(db.execute(f"{times} ORDER BY 1,5"), 1):
        moment = int(datetime.fromisoformat(str(at)).astimezone(UTC).timestamp())
        yield Entry(seq, moment, job_id, provider, old, new, "writer")
    db.close()
