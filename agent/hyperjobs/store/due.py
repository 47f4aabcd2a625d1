"""Which finished jobs are past their time: the rule as SQL, and the jobs it finds, page by page."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hyperjobs.store import instant
from hyperjobs.store.cells import RawText
from hyperjobs.store.flavour import COLUMNS
from hyperjobs.store.instant import EPOCH
from hyperjobs.store.models import FINISHED
from hyperjobs.store.pins import TABLE, has_pins
from hyperjobs.store.query import MICROS, cell, micros_of, text_range

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import apsw

    from hyperjobs.store.connection import Connection
    from hyperjobs.store.retention import Cutoffs

_ENDED: Final = ",".join(f"hyperjobs_micros({cell(name)})" for name in ("completed_at", "started_at", "created_at"))
ENDED: Final = f"coalesce({_ENDED})"
"""When a finished job ended, microseconds since 1970; a cell that cannot be read counts as unset."""
PLACE: Final = "CASE typeof(created_at) WHEN 'text' THEN CAST(created_at AS BLOB) END"
"""Where a row stands in the index on created_at, as far as a page can go on from there."""

_NO_LIMIT: Final = 2**62
_HOUR_MICROS: Final = 3_600_000_000
_PAGE_ROWS: Final = 5_000
"""Looked at in one snapshot, some 30 ms: one for a million rows would keep the writers' -wal from being reset."""
_COMPLETED, _STARTED, _CREATED = (COLUMNS.index(name) for name in ("completed_at", "started_at", "created_at"))
_FINISHED: Final = tuple(sorted(str(status) for status in FINISHED))


@dataclass(frozen=True, slots=True)
class Rule:
    """What makes a job due.

    A finished job is due when it ended before the cutoff of its provider and status, was not created after it, and is
    not pinned. One without an id is not: nothing could bring it back.

    Attributes:
        cutoffs: the instants.
        below: microseconds since 1970; what ended then or later stays in any case.
    """

    cutoffs: Cutoffs
    below: int = _NO_LIMIT

    def limited(self, below: int) -> Rule:
        """The same rule, with whatever ended at that instant or later kept."""
        return replace(self, below=min(self.below, below))

    def condition(self, *, has_pins: bool) -> tuple[str, tuple[Any, ...]]:
        """Return the rule as SQL that uses no index, and its bindings."""
        statuses = self.cutoffs.statuses
        values: list[Any] = [*statuses]
        cases: list[str] = []
        for status in statuses:
            overrides = [(name, ages[status]) for name, ages in self.cutoffs.providers.items()]
            values.append(status)
            for provider, at in overrides:
                values += (provider, _micros(at))
            values.append(_micros(self.cutoffs.general[status]))
            whens = " WHEN ? THEN ?" * len(overrides)
            cases.append(f"WHEN ? THEN CASE provider{whens} ELSE ? END" if whens else "WHEN ? THEN ?")
        limit = f"min(CASE status {' '.join(cases)} END,?)" if cases else "?"
        values.append(self.below)
        marks = ",".join("?" * len(statuses))
        # min() of a cutoff that is NULL, which is never, is NULL, and nothing is less than that
        parts = [f"+status IN ({marks})", "id IS NOT NULL", f"{ENDED}<{limit}"]
        # What was created later did not end before: its times contradict each other, and so it stays. Asked last,
        # since nearly every row that gets so far is due.
        parts.append(f"ifnull({MICROS},{-_NO_LIMIT})<{limit}")
        values += values[len(statuses) :]
        if has_pins:
            parts.append(f"id NOT IN (SELECT job_id FROM {TABLE})")  # noqa: S608 - ours
        return " AND ".join(parts), tuple(values)

    def ranges(self) -> list[Range]:
        """Return the parts of the index on created_at that can lead to a job that is due.

        The texts up to the newest cutoff, widened by every zone, hold all but the rows whose created_at is no readable
        text: numbers sort before every text, words and blobs after every digit.
        """
        newest = self.cutoffs.newest
        if newest is None:
            return []
        high = text_range(None, newest)[1]
        return [
            Range("created_at<''"),
            Range("created_at>=CAST(? AS TEXT) AND created_at<?", b"", (high,)),
            Range("created_at>=CAST(? AS TEXT)", b":", goes_on=False),
        ]


class Range(NamedTuple):
    """A part of the index on created_at.

    Attributes:
        sql: its bounds.
        start: binding of the lower one; ``None`` when it has none.
        rest: further bindings.
        goes_on: whether a page can start where the last one ended.
    """

    sql: str
    start: bytes | None = None
    rest: tuple[Any, ...] = ()
    goes_on: bool = True

    def bindings(self, place: bytes | None) -> tuple[Any, ...]:
        """Return the bindings of a page from this place on."""
        if self.start is None:
            return self.rest
        return (place if place is not None and self.goes_on else self.start, *self.rest)

    def after(self, place: bytes | None, last: bytes | None) -> bytes | None:
        """Return where the next page starts when this one did at ``place`` and ended with ``last``."""
        return last if last is not None else place


class DueJob(NamedTuple):
    """A job that is due."""

    ended: int
    job_id: str
    status: str
    provider: str

    @property
    def ended_at(self) -> datetime:
        """When it ended."""
        return instant_of(self.ended)


@dataclass(slots=True)
class Survey:
    """The jobs that are due, added up.

    Attributes:
        jobs: (status, provider) → jobs.
        hours: whole hours since 1970 of their ends → jobs.
        oldest: which ended first; ``None`` when nothing is due.
        newest: which ended last.
    """

    jobs: Counter[tuple[str, str]] = field(default_factory=Counter)
    hours: Counter[int] = field(default_factory=Counter)
    oldest: DueJob | None = None
    newest: DueJob | None = None

    @property
    def total(self) -> int:
        """How many."""
        return self.jobs.total()

    def add(self, job: DueJob) -> None:
        """Count one."""
        self.jobs[job.status, job.provider] += 1
        self.hours[job.ended // _HOUR_MICROS] += 1
        if self.oldest is None or job.ended < self.oldest.ended:
            self.oldest = job
        if self.newest is None or job.ended >= self.newest.ended:
            self.newest = job

    def through(self, most: int) -> int:
        """The end of the hour in which the ``most``-th oldest of them ended, in microseconds since 1970."""
        left = most
        for hour in sorted(self.hours):
            left -= self.hours[hour]
            if left <= 0:
                return (hour + 1) * _HOUR_MICROS
        return _NO_LIMIT


def instant_of(micros: int) -> datetime:
    """The instant so many microseconds from 1970."""
    return EPOCH + timedelta(microseconds=micros)


def survey(connection: Connection, rule: Rule) -> Survey:
    """Add up what is due now."""
    found = Survey()
    for job in due_jobs(connection, rule):
        found.add(job)
    return found


def due_jobs(connection: Connection, rule: Rule) -> Iterator[DueJob]:
    """Yield what is due, in the order of creation; each page of it is a snapshot of its own."""
    for part in rule.ranges():
        place: bytes | None = part.start
        while True:
            jobs, place = connection.read(lambda db, part=part, place=place: _page(db, rule, part, place))  # type: ignore[misc]
            yield from jobs
            if place is None:
                break


def _page(db: apsw.Connection, rule: Rule, part: Range, place: bytes | None) -> tuple[list[DueJob], bytes | None]:
    """Return some jobs, and where to go on: before the first of another created_at, so that none comes twice."""
    condition, values = rule.condition(has_pins=has_pins(db))
    # text as bytes: it may be no UTF-8, and status is one of ours
    sql = (
        f"SELECT {ENDED},CAST(id AS BLOB),status,CAST(provider AS BLOB),{PLACE} FROM jobs"  # noqa: S608 - ours
        f" WHERE {part.sql} AND {condition} ORDER BY created_at"
    )
    jobs: list[DueJob] = []
    last: bytes | None = None
    cursor = db.execute(sql, (*part.bindings(place), *values))
    for ended, job_id, status, provider, at in cursor:
        if len(jobs) >= _PAGE_ROWS and part.goes_on and at is not None and at != last:
            cursor.close()
            return jobs, at
        last = at
        jobs.append(DueJob(ended, job_id.decode(errors="replace"), status, provider.decode(errors="replace")))
    return jobs, None


def newest_kept(connection: Connection, cutoffs: Cutoffs, keep: int) -> int:
    """The end of the ``keep``-th newest finished job, in microseconds since 1970; what ended then or later stays.

    Without so many it is before every instant, so that all stay. A store with as many that are not due anyhow costs a
    look at those alone; any other is read whole.
    """
    newest = cutoffs.newest
    if keep <= 0 or newest is None:
        return _NO_LIMIT
    marks = ",".join("?" * len(_FINISHED))
    recent = connection.value(
        f"SELECT count(*) FROM (SELECT 1 FROM jobs WHERE created_at>=? AND +status IN ({marks}) AND {ENDED}>=? LIMIT ?)",  # noqa: S608 - ours
        (text_range(newest, None)[0], *_FINISHED, micros_of(newest), keep),
    )
    if recent >= keep:
        return _NO_LIMIT
    found: int | None = connection.value(
        f"SELECT {ENDED} AS ended FROM jobs WHERE status IN ({marks}) AND ended IS NOT NULL"  # noqa: S608 - ours
        " ORDER BY ended DESC LIMIT 1 OFFSET ?",
        (*_FINISHED, keep - 1),
    )
    return -_NO_LIMIT if found is None else found


def _micros(at: datetime | None) -> int | None:
    return None if at is None else micros_of(at)


def ended_of(cells: Sequence[Any]) -> datetime | None:
    """When the job of a whole row ended, by the same rule as ``ENDED``."""
    for value in cells[_COMPLETED], cells[_STARTED], cells[_CREATED]:
        at = instant.parse(value.decode(errors="replace") if type(value) is RawText else value)
        if at is not None:
            return at
    return None
