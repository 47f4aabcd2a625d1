"""Failed jobs by the kind of their error: what a kind comes to, and all kinds of any period."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from hyperjobs.store.error_kind import kind_of
from hyperjobs.store.instant import parse
from hyperjobs.store.ledger.select import fetch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from hyperjobs.store.connection import Connection
    from hyperjobs.store.models import Job

_PAGE_ROWS: Final = 5_000
"""Read at once: 20 ms, and then the snapshot is let go."""
_LONGEST_ERROR: Final = 2_000
_COLUMNS: Final = (
    "rowid",
    "id",
    "provider",
    f"substr(error,1,{_LONGEST_ERROR})",
    "completed_at",
    "started_at",
    "created_at",
)


@dataclass(slots=True, kw_only=True)
class Failures:
    """Failed jobs whose errors are of one kind.

    Attributes:
        kind: the error without ids, numbers, hosts, paths and sizes; empty when there was none.
        first_at: when the earliest of them ended; ``None`` when no time of them can be read.
        last_at: when the newest did.
        example_id: of the newest one.
        example: its error, cut to 2,000 characters.
    """

    kind: str
    jobs: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    example_id: str = ""
    example: str = ""

    def add(self, at: datetime | None, job_id: str, error: str) -> None:
        """Count one more job, which ended at this time; of those that ended together the one added last is the newest."""
        self.jobs += 1
        if at is not None:
            self.first_at = min(self.first_at or at, at)
        if self.last_at is None or (at is not None and at >= self.last_at):
            self.last_at, self.example_id, self.example = at, job_id, error


@dataclass(slots=True, kw_only=True)
class FailureGroup(Failures):
    """Those of one kind, and of one provider when the groups are by provider; else that is ``None``."""

    provider: str | None


def group_failures(  # noqa: PLR0913 - what is asked, each by name
    connection: Connection,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    provider: str | None = None,
    by_provider: bool = False,
    keep_on: Callable[[], None] = lambda: None,
) -> list[FailureGroup]:
    """Group the failed jobs that the store holds, most first.

    A job belongs to a period by when it ended: ``completed_at``, else ``started_at``, else ``created_at``. One without
    a readable time belongs to none. Jobs that were pruned are not in it.

    Args:
        connection: on a store of hypersdk's flavour; it is read page by page, beside writers.
        since: the first instant of the period.
        until: the first instant past it.
        provider: only its jobs.
        by_provider: a group for each provider and kind.
        keep_on: called between two jobs; what it raises ends it.
    """
    groups: dict[tuple[str, str | None], FailureGroup] = {}
    last = -(2**63)
    while True:
        rows = connection.read(
            lambda db, last=last: fetch(  # type: ignore[misc]
                db, _COLUMNS, "FROM jobs WHERE status='failed' AND rowid>? ORDER BY rowid LIMIT ?", (last, _PAGE_ROWS)
            )
        )
        for _, job_id, whose, error, *times in rows:
            keep_on()  # finding the kind of an error takes longer than reading it
            at = ended_at(*times)
            named = plain_text(whose)
            if (provider is not None and named != provider) or not _is_in(at, since, until):
                continue
            text = plain_text(error)
            key = kind_of(text), named if by_provider else None
            groups.setdefault(key, FailureGroup(kind=key[0], provider=key[1])).add(at, plain_text(job_id), text)
        if len(rows) < _PAGE_ROWS:
            break
        last = rows[-1][0]
    return _most_first(groups.values())


def group_jobs(jobs: Iterable[Job]) -> list[FailureGroup]:
    """Group failed jobs that are at hand, newest first, as :func:`group_failures` does; of all providers together."""
    groups: dict[str, FailureGroup] = {}
    for job in jobs:
        at, text = job.completed_at or job.started_at or job.created_at, job.error[:_LONGEST_ERROR]
        group = groups.setdefault(kind := kind_of(text), FailureGroup(kind=kind, provider=None))
        if at is not None and at == group.last_at:
            group.jobs += 1  # it is older than the one that is the newest so far
        else:
            group.add(at, job.id, text)
    return _most_first(groups.values())


def _most_first(groups: Iterable[FailureGroup]) -> list[FailureGroup]:
    return sorted(groups, key=lambda group: (-group.jobs, group.kind, group.provider or ""))


def _is_in(at: datetime | None, since: datetime | None, until: datetime | None) -> bool:
    if at is None:
        return since is None and until is None
    return (since is None or at >= since) and (until is None or at < until)


def ended_at(*times: Any) -> datetime | None:
    """When a job ended: the first of its ``completed_at``, ``started_at`` and ``created_at`` that can be read."""
    return next((found for found in map(parse, times) if found is not None), None)


def plain_text(value: Any) -> str:
    """A value as text, whatever was written there; nothing is empty."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return "" if value is None else str(value)
