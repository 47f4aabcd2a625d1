"""The numbers that tell at a glance how a store is, cheap at any size."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from hyperjobs.store import query, statistics
from hyperjobs.store.flavour import Flavour, recognise, require_job_store
from hyperjobs.store.instant import parse
from hyperjobs.store.ledger.options import LedgerOptions
from hyperjobs.store.ledger.rollup import has_counts, period_stats
from hyperjobs.store.ledger.select import fetch
from hyperjobs.store.ledger.view import read_view
from hyperjobs.store.ledger.window import WINDOWS
from hyperjobs.store.models import JobStats, JobStatus

if TYPE_CHECKING:
    from datetime import datetime

    import apsw

    from hyperjobs.store.connection import Connection

_MOST_SCANNED: Final = 20_000
"""Finished rows whose ends are parsed, 3 µs each; with more of them, and no ledger, a period is not counted."""
_MOST_WAITING: Final = 10_000


@dataclass(slots=True, kw_only=True)
class Glance:
    """A store at one moment.

    Attributes:
        jobs: status → jobs; ``other`` for words that are none of the five.
        success: period → what finished in it; without those that would take long to count.
        oldest_pending_at: since when the job waits that waits longest; ``None`` when there is none.
        oldest_running_at: since when the longest running one runs.
        running: ids of running jobs; at most 10,000.
    """

    flavour: Flavour
    has_ledger: bool
    jobs: dict[str, int]
    success: dict[str, JobStats] = field(default_factory=dict)
    oldest_pending_at: datetime | None = None
    oldest_running_at: datetime | None = None
    running: frozenset[str] = frozenset()


def read_glance(connection: Connection, now: datetime) -> Glance:
    """Look at a store, in one snapshot.

    Raises:
        StoreError: it cannot be read.
    """
    recognition = recognise(connection)
    require_job_store(recognition, connection.path)
    query.register(connection.raw)
    return connection.read(lambda db: _read(db, recognition.flavour, now))


def _read(db: apsw.Connection, flavour: Flavour, now: datetime) -> Glance:
    if flavour is Flavour.DAEMON:
        return Glance(flavour=flavour, has_ledger=False, jobs=_counts(statistics.count_daemon(db, None)[0]))
    view = read_view(db, LedgerOptions(), now=now)
    jobs: Counter[str] = Counter()
    if view.is_ready and view.is_whole:
        for (_, status), count in view.rollup.gauges.items():
            jobs[status] += count
    else:
        jobs.update(_counts(statistics.count_all(db, None, sizes=False)[0]))
    in_order = {name: jobs[name] for name in (*JobStatus, *jobs) if name in jobs}  # of a job's life, as everywhere
    glance = Glance(flavour=flavour, has_ledger=view.is_ready, jobs=in_order)
    has_hours = bool(db.execute("SELECT 1 FROM sqlite_schema WHERE name='hyperjobs_hour'").fetchall())
    finished = sum(jobs[status] for status in JobStatus if status.is_finished)
    hour = now.replace(minute=0, second=0, microsecond=0)
    for name, hours in WINDOWS.items():  # those of the metric and of the status page, so that all three say the same
        since = hour - timedelta(hours=hours - 1)
        if has_hours and has_counts(db):
            glance.success[name] = period_stats(db, since, None, None, now=now)[0]
        elif finished <= _MOST_SCANNED:
            glance.success[name] = statistics.count_finished(db, None, since, None)[0]
    _read_waiting(db, glance)
    return glance


def _read_waiting(db: apsw.Connection, glance: Glance) -> None:
    columns = ("id", "status", "created_at", "started_at")
    running = set()
    for job_id, status, created, started in fetch(
        db, columns, "FROM jobs WHERE status IN ('pending','running') LIMIT ?", (_MOST_WAITING,)
    ):
        if status == JobStatus.RUNNING:
            running.add(str(job_id))
            at = parse(started) or parse(created)
            if at is not None:
                glance.oldest_running_at = min(glance.oldest_running_at or at, at)
        elif (at := parse(created)) is not None:
            glance.oldest_pending_at = min(glance.oldest_pending_at or at, at)
    glance.running = frozenset(running)


def _counts(stats: JobStats) -> dict[str, int]:
    return {name: getattr(stats, name) for name in (*map(str, JobStatus), "other")}
