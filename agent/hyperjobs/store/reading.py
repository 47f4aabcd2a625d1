"""Jobs, their history and their numbers, each found in one read snapshot; the library and the agent's API read alike."""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING, Final

from hyperjobs.store import listing, statistics
from hyperjobs.store.history import inferred_events
from hyperjobs.store.models import JobCursor
from hyperjobs.store.query import cursor_of
from hyperjobs.store.rows import COLUMN_LIST, RAW_COLUMN_LIST, job_of, job_of_raw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    import apsw

    from hyperjobs.store.models import Job, JobEvent, JobFilter, JobStats
    from hyperjobs.store.query import Condition

_Page = tuple["list[Job]", "JobCursor | None", int]

_NEVER: Final = 2**62
_LOAD: Final = f"SELECT {COLUMN_LIST} FROM jobs WHERE id=?"  # noqa: S608 - our own columns
_LOAD_RAW: Final = f"SELECT {RAW_COLUMN_LIST} FROM jobs WHERE id=?"  # noqa: S608 - as above


def load(db: apsw.Connection, job_id: str) -> list[Job]:
    """The job with an id, or nothing."""
    try:
        return [job_of(row) for row in db.execute(_LOAD, (job_id,)).fetchall()]
    except UnicodeDecodeError:
        return [job_of_raw(row) for row in db.execute(_LOAD_RAW, (job_id,)).fetchall()]


def jobs(
    read: Callable[[Callable[[apsw.Connection], _Page]], _Page],
    condition: Condition,
    asked: JobFilter,
    page_rows: int,
) -> Iterator[Job]:
    """Yield the jobs of a list page by page; ``read`` says what each page is a snapshot of."""
    after, skip = cursor_of(asked.after), asked.offset
    left = _NEVER if asked.limit is None else asked.limit
    while left > 0:
        size = min(page_rows, left + skip)
        found, after, length = read(functools.partial(_page, condition=condition, after=after, size=size, skip=skip))
        yield from found
        if length < size:
            return
        skip = max(skip - length, 0)
        left -= len(found)


def history(db: apsw.Connection, job_id: str) -> list[JobEvent]:
    """The changes of a job's status, oldest first: what a ledger saw, else what its times tell."""
    events: list[JobEvent] = []
    if db.execute("SELECT 1 FROM sqlite_schema WHERE name='hyperjobs_history'").fetchall():
        from hyperjobs.store.ledger.history import job_events  # noqa: PLC0415 - only where a ledger is

        events = job_events(db, job_id)
    return events or list(itertools.chain.from_iterable(map(inferred_events, load(db, job_id))))


def finished(
    db: apsw.Connection, by: str | None, since: datetime | None, until: datetime | None, *, now: datetime
) -> list[JobStats]:
    """The numbers of the jobs that finished in a period: by the ledger, where there is one, else by their rows.

    Raises:
        InvalidJobError: the ledger does not keep what is asked.
    """
    if db.execute("SELECT 1 FROM sqlite_schema WHERE name='hyperjobs_hour'").fetchall():
        from hyperjobs.store.ledger.rollup import has_counts, period_stats  # noqa: PLC0415 - only where a ledger is

        # While the first count is not in, the rows are what there is; a ledger's refusal does not wait for it.
        if by == "user" or has_counts(db):
            # it takes the whole hour a moment is in, and the end does not belong to the period
            return period_stats(db, since, statistics.just_before(until), by, now=now)
    return statistics.count_finished(db, by, since, until)


def _page(db: apsw.Connection, *, condition: Condition, after: JobCursor | None, size: int, skip: int) -> _Page:
    keys = listing.page(db, condition, after, size)
    last = JobCursor(keys[-1][0], keys[-1][1]) if keys else after
    return listing.fetch(db, [key[2] for key in keys[skip:]]), last, len(keys)
