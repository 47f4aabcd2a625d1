"""What changes of jobs add up to: gauges, counters, hours, history. Pure.

The counting rules, which docs/metrics.md repeats for its readers:

* *created*: a job appears; a REPLACE of a job that is there does not count, a delete and a new insert does.
* *finished*: a job enters a finished status from another status or from absence.
* *duration*: once for a finished status, when both of its times can first be read.
* *queue wait*: once, when ``started_at`` can first be read.
* *bytes*, *files*: by how much the size grew while finished.
* A delete moves the gauge only.
"""

from __future__ import annotations

import calendar
import json
import re
from collections import defaultdict
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from hyperjobs.store.instant import parse
from hyperjobs.store.ledger.buckets import DEFAULT_BUCKETS, bucket_of
from hyperjobs.store.ledger.label import OTHER, Providers, status_label
from hyperjobs.store.models import FINISHED, JobStatus

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from hyperjobs.store.ledger.replay import Change, Row

GaugeKey = tuple[str, str]
TotalKey = tuple[str, str, str, int]
HourKey = tuple[int, str, str]
Audited = tuple[int, Any, Any, str | None, str | None, str]
"""Epoch seconds, job id, provider, old status, new status, and where the change came from."""

CREATED, FINISHED_JOBS, BYTES, FILES = "created", "finished", "bytes", "files"
DURATION, DURATION_MICROS = "duration", "duration_micros"
WAIT, WAIT_MICROS = "wait", "wait_micros"
SKIPPED, OVERFLOW = "skipped", "overflow"

_HOUR_S = 3600
LARGEST_SUM = 2**62 - 1
"""Where sums stop. Sizes and times that make no sense (Go's zero time is the year 1) could else add up to more than
SQLite's integers hold, and two of these still fit."""
_STAMP = re.compile(r"(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)\Z")


class Tally:
    """Sums to add to the rollups.

    Attributes:
        gauges: (provider, status) → jobs.
        totals: (metric, provider, status, bucket) → how much more; never negative.
        hours: (hour, provider, status) → [jobs, microseconds, bytes, files].
        latest: provider → epoch seconds of its newest completion.
        history: (job id, epoch seconds, old status, new status, ids), in order; with ids, a JSON array, there is no
            job id.
        audited: the same changes for the audit log, one a job; kept when asked for.
        hidden: whether a change may have removed a job unseen; the gauge then wants a recount.
    """

    def __init__(
        self,
        providers: Providers,
        *,
        bounds: tuple[float, ...] = DEFAULT_BUCKETS,
        now: datetime,
        is_audited: bool = False,
    ) -> None:
        """``now`` stands in for the time of a log row that has none."""
        self.gauges: dict[GaugeKey, int] = defaultdict(int)
        self.totals: dict[TotalKey, int] = defaultdict(int)
        self.hours: dict[HourKey, list[int]] = {}
        self.latest: dict[str, int] = {}
        self.history: list[tuple[Any, int, str | None, str | None, str | None]] = []
        self.audited: list[Audited] = []
        self.hidden = False
        self._is_audited = is_audited
        self._providers = providers
        self._bounds = bounds
        self._now_s = int(now.timestamp())

    def add_all(self, changes: Iterable[Change]) -> None:
        """Count these changes, in order."""
        for change in changes:
            self.add(change)

    def add(self, change: Change) -> None:
        """Count one change."""
        before, after = change.before, change.after
        if before is not None:
            self.gauges[self._providers.label(before.provider), status_label(before.status)] -= change.jobs
        if after is not None:
            provider = self._providers.label(after.provider)
            self.gauges[provider, status_label(after.status)] += 1
        at_s = self._written_at(change.at)
        old, new = before and before.status, after and after.status
        if old != new:
            self.history.append((change.job_id, at_s, _word(old), _word(new), change.ids))
            if self._is_audited:
                self._audit(change, at_s)
        self.hidden = self.hidden or change.hidden
        if after is not None and change.counted:
            self._count(provider, before, after, at_s)

    def _audit(self, change: Change, at_s: int) -> None:
        row = change.after or change.before
        assert row is not None  # noqa: S101 - a change has one of the two
        source = "prune" if change.ids is not None else "writer" if change.counted else "returned"
        old, new = (_word(each and each.status) for each in (change.before, change.after))
        ids = json.loads(change.ids) if change.ids is not None else (change.job_id,)
        self.audited += ((at_s, job_id, row.provider, old, new, source) for job_id in ids)

    def count_row(self, row: Row, at_s: int) -> None:
        """Count a job found in the table, as one that appeared: what a baseline is made of."""
        provider = self._providers.label(row.provider)
        self.gauges[provider, status_label(row.status)] += 1
        self._count(provider, None, row, at_s)

    def _written_at(self, at: Any) -> int:
        stamped = _stamp_seconds(at) if isinstance(at, str) else None
        return self._now_s if stamped is None else stamped

    def _count(self, provider: str, before: Row | None, after: Row, at_s: int) -> None:
        if provider == OTHER:
            self.totals[OVERFLOW, "", "", 0] += 1
        if before is None:
            self.totals[CREATED, provider, "", 0] += 1
        started = parse(after.started_at) if after.started_at is not None else None
        if started is not None and (before is None or _unread(before.started_at)):
            self._observe_wait(provider, after, started)
        if after.status in FINISHED:
            self._count_finish(provider, before, after, at_s)

    def _count_finish(self, provider: str, before: Row | None, after: Row, at_s: int) -> None:
        """Count what is new about a finished job."""
        status = after.status
        started, completed = parse(after.started_at), parse(after.completed_at)
        cell = self.hours.setdefault((self._hour_of(completed, at_s), provider, status), [0, 0, 0, 0])
        is_entry = before is None or before.status != status
        if is_entry:
            self.totals[FINISHED_JOBS, provider, status, 0] += 1
            cell[0] += 1
            if status == JobStatus.COMPLETED:
                self._note_completion(provider, completed, at_s)
        if started is not None and completed is not None and (before is None or is_entry or not _is_timed(before)):
            cell[1] += self._observe_duration(provider, status, started, completed)
        # Only what was counted is taken off: a job that was not finished before brought nothing yet.
        old = before if before is not None and before.status in FINISHED else None
        for metric, index, size, was in (
            (BYTES, 2, after.total_size, old and old.total_size),
            (FILES, 3, after.files_count, old and old.files_count),
        ):
            grown = _size(size) - _size(was)
            if grown > 0:
                self.totals[metric, provider, "", 0] += grown
                cell[index] += grown

    def _hour_of(self, completed: datetime | None, at_s: int) -> int:
        """A finish belongs to the hour it claims, unless that is unreadable or in the future by over an hour."""
        if completed is not None:
            completed_s = int(completed.timestamp())
            if completed_s <= at_s + _HOUR_S:
                return completed_s // _HOUR_S
        return at_s // _HOUR_S

    def _note_completion(self, provider: str, completed: datetime | None, at_s: int) -> None:
        completed_s = int(completed.timestamp()) if completed is not None else at_s
        if completed_s > at_s + _HOUR_S:
            completed_s = at_s
        self.latest[provider] = max(self.latest.get(provider, completed_s), completed_s)

    def _observe_wait(self, provider: str, row: Row, started: datetime) -> None:
        created = parse(row.created_at)
        if created is not None:
            micros = self._micros(created, started)
            self.totals[WAIT, provider, "", bucket_of(micros, self._bounds)] += 1
            self.totals[WAIT_MICROS, provider, "", 0] += micros

    def _observe_duration(self, provider: str, status: str, started: datetime, completed: datetime) -> int:
        micros = self._micros(started, completed)
        self.totals[DURATION, provider, status, bucket_of(micros, self._bounds)] += 1
        self.totals[DURATION_MICROS, provider, status, 0] += micros
        return micros

    def _micros(self, start: datetime, end: datetime) -> int:
        span = end - start
        micros = (span.days * 86400 + span.seconds) * 1_000_000 + span.microseconds
        if micros < 0:
            self.totals[SKIPPED, "", "negative_duration", 0] += 1
            return 0
        return micros


@lru_cache(maxsize=16)  # rows of one second follow each other
def _stamp_seconds(at: str) -> int | None:
    found = _STAMP.match(at)
    return None if found is None else calendar.timegm(tuple(map(int, found.groups())))


def _unread(value: Any) -> bool:
    return value is None or parse(value) is None


def _is_timed(row: Row) -> bool:
    return parse(row.started_at) is not None and parse(row.completed_at) is not None


def _size(value: Any) -> int:
    return value if isinstance(value, int) and 0 <= value <= LARGEST_SUM else 0


def _word(status: Any) -> str | None:
    """A status for the history: text stays, anything else is shown as SQLite would write it."""
    if status is None or isinstance(status, str):
        return status
    return repr(status)
