"""All that a page about the store shows, found in one read snapshot by queries that a large store does not lengthen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from hyperjobs.store.error_kind import kind_of
from hyperjobs.store.facts import read_store_facts
from hyperjobs.store.failures import Failures, ended_at, plain_text
from hyperjobs.store.flavour import Flavour
from hyperjobs.store.instant import EPOCH, parse
from hyperjobs.store.ledger.hours import read_hours
from hyperjobs.store.ledger.select import fetch
from hyperjobs.store.ledger.view import read_view
from hyperjobs.store.ledger.window import WINDOWS

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import apsw

    from hyperjobs.store.facts import StoreFacts
    from hyperjobs.store.ledger.hours import HourlyJobs
    from hyperjobs.store.ledger.options import LedgerOptions
    from hyperjobs.store.ledger.view import LedgerView
    from hyperjobs.store.ledger.window import PastHours

HOURS: Final = max(WINDOWS.values())
"""So many hours back, the current one among them, the finished jobs are told by the hour."""
MOST_RUNNING: Final = 200
MOST_FAILED: Final = 1_000
"""Rows looked at: some 5 µs each to find, and 20 µs to tell the kind of an error that was not seen before."""
_HOUR_S: Final = 3600
_LONGEST: Final = 512
"""Characters of an id or name that are read, and 2,000 of an error: whoever writes a job decides how long they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningJob:
    """A job that runs; texts are cut to 512 characters.

    Attributes:
        since: when it started, or was created where nobody says; ``None`` when that cannot be read.
        progress: percent, 0 to 100.
    """

    id: str
    name: str
    vm_name: str
    provider: str
    user: str
    since: datetime | None
    progress: float


@dataclass(slots=True, kw_only=True)
class FailureKind(Failures):
    """Those of one kind among the newest, how many of them are of the last day, and whose they are."""

    jobs_24h: int = 0
    providers: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreOverview:
    """The store at one moment.

    Attributes:
        running: the longest of them first; at most 200, and none of hypersdk's daemon, which keeps no progress.
        failures: kinds of the newest failed jobs, most of the last day first.
        failures_read: how many failed jobs those are of; at most 1,000.
    """

    view: LedgerView
    facts: StoreFacts
    flavour: str
    hours: HourlyJobs
    running: list[RunningJob]
    failures: list[FailureKind]
    failures_read: int


def read_overview(  # noqa: PLR0913 - what is to be read, and by what, each by name
    db: apsw.Connection,
    flavour: str,
    options: LedgerOptions,
    *,
    now: datetime,
    past: PastHours,
    scanned: Callable[[], LedgerView | None],
) -> StoreOverview:
    """Read it in the caller's snapshot; ``scanned`` gives the numbers of a store without a ledger, else ``None``."""
    hour = int(now.timestamp()) // _HOUR_S
    view = scanned()
    if view is None:
        view = read_view(db, options, now=now, past=past)
        hours = read_hours(db, options, first=hour - HOURS + 1, now=now) if view.is_ready else {}
    else:
        hours = view.hours
    has_jobs = flavour == Flavour.HYPERSDK
    failures, count = _read_failures(db, now) if has_jobs else ([], 0)
    return StoreOverview(
        view=view,
        facts=read_store_facts(db),
        flavour=flavour,
        hours=hours,
        running=_read_running(db, now) if has_jobs else [],
        failures=failures,
        failures_read=count,
    )


def _read_running(db: apsw.Connection, now: datetime) -> list[RunningJob]:
    """By idx_status, which holds the newest rows last."""
    columns = (*(f"substr({name},1,{_LONGEST})" for name in ("id", "name", "vm_name", "provider", "user")),)
    rest = "FROM jobs WHERE status='running' ORDER BY rowid DESC LIMIT ?"
    found = [
        RunningJob(
            id=plain_text(row[0]),
            name=plain_text(row[1]),
            vm_name=plain_text(row[2]),
            provider=plain_text(row[3]),
            user=plain_text(row[4]),
            since=parse(row[5]) or parse(row[6]),
            progress=min(max(float(row[7]), 0.0), 100.0) if isinstance(row[7], int | float) else 0.0,
        )
        for row in fetch(db, (*columns, "started_at", "created_at", "progress"), rest, (MOST_RUNNING,))
    ]
    return sorted(found, key=lambda job: (job.since is None, job.since or now, job.id))


def _read_failures(db: apsw.Connection, now: datetime) -> tuple[list[FailureKind], int]:
    columns = (
        f"substr(id,1,{_LONGEST})",
        "substr(provider,1,128)",
        "substr(error,1,2000)",
        "completed_at",
        "started_at",
        "created_at",
    )
    rest = "FROM jobs WHERE status='failed' ORDER BY rowid DESC LIMIT ?"
    kinds: dict[str, FailureKind] = {}
    rows = fetch(db, columns, rest, (MOST_FAILED,))
    for job_id, provider, error, *times in reversed(rows):
        text, at = plain_text(error), ended_at(*times)
        kind = kinds.setdefault(name := kind_of(text), FailureKind(kind=name))
        kind.add(at, plain_text(job_id), text)
        kind.providers.add(plain_text(provider))
        kind.jobs_24h += at is not None and (now - at).total_seconds() < 24 * _HOUR_S
    order = sorted(kinds.values(), key=lambda kind: kind.last_at or EPOCH, reverse=True)
    return sorted(order, key=lambda kind: (-kind.jobs_24h, -kind.jobs)), len(rows)
