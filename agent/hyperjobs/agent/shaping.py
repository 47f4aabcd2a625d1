"""What the parts of the agent know, in the shapes of the status page and the API. Pure."""

from __future__ import annotations

import shutil
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from hyperjobs.maintenance.backup.catalogue import State, newest_verified
from hyperjobs.store.ledger.window import WINDOWS
from hyperjobs.store.models import FINISHED, JobStatus
from hyperjobs.store.overview import HOURS
from hyperjobs.web import shapes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from hyperjobs.maintenance.backup.catalogue import Entry
    from hyperjobs.maintenance.timetable import TimetableEntry
    from hyperjobs.metrics.tasks import Planned
    from hyperjobs.store.events import Event
    from hyperjobs.store.holds import Holds
    from hyperjobs.store.ledger.hours import HourlyJobs
    from hyperjobs.store.ledger.view import LedgerView
    from hyperjobs.store.overview import FailureKind, RunningJob, StoreOverview
    from hyperjobs.store.runs import Run, TaskStatus

LOCAL: Final = "local"
_DAY: Final = timedelta(days=1)
_STATUSES: Final = (*(str(status) for status in JobStatus), "other")
_TELLING_PERCENT, _TELLING_S = 1.0, 60.0
"""Before so much of a job is done, its pace says nothing about its end."""
_OVERDUE: Final = 1.5
_MOST_BACKUPS: Final = 400
_LONG_TEXT: Final = 2_000


def counts_of(view: LedgerView) -> tuple[shapes.Counts, tuple[shapes.Counts, ...]]:
    """Jobs by status: of all, and by provider, the largest first."""
    by_provider: dict[str, dict[str, int]] = defaultdict(dict)
    for (provider, status), jobs in view.rollup.gauges.items():
        by_provider[provider][status] = max(jobs, 0)
    found = [_counts(provider, sums) for provider, sums in by_provider.items()]
    total = {status: sum(getattr(each, status) for each in found) for status in _STATUSES}
    shown = sorted((each for each in found if each.total), key=lambda each: (-each.total, str(each.provider)))
    return _counts(None, total), tuple(shown)


def _counts(provider: str | None, sums: Mapping[str, int]) -> shapes.Counts:
    return shapes.Counts(provider=provider, total=sum(sums.values()), **sums)


def success_of(view: LedgerView) -> tuple[shapes.Success, ...]:
    """How well the jobs of each window went; none before the first count is in."""
    if not view.is_ready:
        return ()
    found = []
    for window in WINDOWS:
        sums = dict.fromkeys(FINISHED, 0)
        for (_, status), jobs in view.windows.get(window, {}).items():
            sums[JobStatus(status)] += jobs
        completed, failed = sums[JobStatus.COMPLETED], sums[JobStatus.FAILED]
        ended = completed + failed
        rate = 100.0 * completed / ended if ended else None
        found.append(shapes.Success(window=window, completed=completed, failed=failed, success_rate=rate))
    return tuple(found)


def hours_of(found: HourlyJobs, now: datetime) -> tuple[shapes.Hour, ...]:
    """Each hour of the last week, the current one last; one without a finished job is there too."""
    last = int(now.timestamp()) // 3600
    return tuple(
        shapes.Hour(
            at=datetime.fromtimestamp(hour * 3600, UTC),
            **{str(status): found.get((hour, str(status)), 0) for status in FINISHED},
        )
        for hour in range(last - HOURS + 1, last + 1)
    )


def running_of(
    job: RunningJob, now: datetime, stood: tuple[float, float] | None, stalled_after_s: float
) -> shapes.Running:
    """A running job with the time it has left, if its pace so far tells.

    Args:
        job: as the store has it.
        now: the current instant.
        stood: the progress last sampled, and the epoch seconds since when it has been that.
        stalled_after_s: from when on it counts as stalled.
    """
    ran_s = (now - job.since).total_seconds() if job.since is not None else None
    still_s = now.timestamp() - stood[1] if stood is not None and stood[0] == job.progress else 0.0
    stalled_s = still_s if still_s >= stalled_after_s else None
    left_s = None
    if ran_s is not None and ran_s >= _TELLING_S and _TELLING_PERCENT <= job.progress < 100 and stalled_s is None:  # noqa: PLR2004 - percent
        left_s = ran_s * (100 - job.progress) / job.progress
    return shapes.Running(
        id=job.id,
        name=job.name,
        vm_name=job.vm_name,
        provider=job.provider,
        user=job.user,
        started_at=job.since,
        progress=job.progress,
        running_seconds=max(ran_s, 0.0) if ran_s is not None else None,
        remaining_seconds=left_s,
        stalled_seconds=stalled_s,
    )


def failure_of(kind: FailureKind, known: StoreOverview, now: datetime) -> shapes.Failure:
    """A kind of failure; it is new when all of it is of the last day, and other failures are older than it."""
    others = [each.first_at for each in known.failures if each.first_at is not None]
    is_new = kind.first_at is not None and now - kind.first_at < _DAY and min(others) <= now - _DAY
    return shapes.Failure(
        kind=kind.kind,
        jobs=kind.jobs,
        jobs_24h=kind.jobs_24h,
        is_new=is_new,
        first_at=kind.first_at,
        last_at=kind.last_at,
        providers=tuple(sorted(kind.providers)),
        example_id=kind.example_id,
        example=kind.example,
    )


def run_of(run: Run) -> shapes.Run:
    """A run of maintenance."""
    return shapes.Run(
        run=run.id,
        task=run.task,
        slot=run.slot,
        started_at=run.started_at,
        ended_at=run.ended_at,
        outcome=run.outcome.value if run.outcome is not None else None,
        reason=run.reason,
        summary=run.summary[:_LONG_TEXT],
        detail=dict(run.detail),
        host=run.host,
        version=run.version,
    )


def event_of(event: Event) -> shapes.Run:
    """What was done beside the runs, by the names of a run."""
    return shapes.Run(
        run=None,
        task=str(event.task),
        slot=None,
        started_at=event.started_at,
        ended_at=event.ended_at,
        outcome=event.outcome.value,
        reason=event.reason,
        summary=event.summary[:_LONG_TEXT],
        detail=dict(event.detail),
        host=event.host,
        version=event.version,
        kind="event",
        by=event.by,
    )


def task_of(  # noqa: PLR0913 - what is known of it, each by name
    entry: TimetableEntry,
    planned: Planned,
    status: TaskStatus | None,
    last: shapes.Run | None,
    now: datetime,
    *,
    is_running: bool,
) -> shapes.Task:
    """A scheduled task; ``last`` is its newest run that ended."""
    success = datetime.fromtimestamp(status.last_success, UTC) if status is not None else None
    late_s = None
    if success is not None and planned.interval_s:
        since_s = (now - success).total_seconds()
        late_s = since_s - planned.interval_s if since_s > _OVERDUE * planned.interval_s else None
    local = planned.next_at.astimezone(entry.zone).isoformat(timespec="seconds") if planned.next_at else None
    return shapes.Task(
        task=entry.task,
        schedule=str(entry.schedule),
        zone=entry.zone.key,
        next_at=planned.next_at,
        local=local,
        interval_seconds=planned.interval_s,
        last_success_at=success,
        last_outcome=last.outcome if last is not None else None,
        is_running=is_running,
        overdue_seconds=late_s,
    )


def backups_of(entries: list[Entry]) -> tuple[shapes.Backup, ...]:
    """The backups of the directory, newest first; the newest 400 of more."""
    return tuple(
        shapes.Backup(
            name=str(entry.name),
            at=entry.name.at,
            state=entry.state.value,
            bytes=entry.bytes,
            jobs=entry.manifest.jobs if entry.manifest else None,
            is_pinned=entry.is_pinned,
            found=entry.found,
        )
        for entry in list(reversed(entries))[:_MOST_BACKUPS]
    )


def destinations_of(
    directory: Path, entries: list[Entry], facts: Iterable[Mapping[str, Any]]
) -> tuple[shapes.Destination, ...]:
    """Where backups are, the directory they are made in first; a directory that is not there has no room either."""
    newest = newest_verified(entries)
    try:
        avail = shutil.disk_usage(directory).free
    except OSError:
        avail = None
    local = shapes.Destination(
        name=LOCAL,
        newest_verified_at=newest.name.at if newest is not None else None,
        bytes=sum(entry.bytes for entry in entries),
        avail_bytes=avail,
        **{state.value: sum(entry.state is state for entry in entries) for state in State},
    )
    return (local, *(_destination(each) for each in facts))


def _destination(facts: Mapping[str, Any]) -> shapes.Destination:
    at_s = facts["newest_at_s"]
    return shapes.Destination(
        name=facts["name"],
        newest_verified_at=None if at_s is None else datetime.fromtimestamp(at_s, UTC),
        bytes=None,
        avail_bytes=None,
        **{state.value: facts[state.value] for state in State},
    )


def drill_of(run: Run | None) -> shapes.Drill | None:
    """The newest drill that ended well or badly."""
    if run is None:
        return None
    return shapes.Drill(
        at=run.ended_at or run.started_at,
        is_ok=run.outcome == "ok",
        summary=run.summary or run.reason,
        rto_seconds=run.detail.get("rto_seconds"),
        rpo_seconds=run.detail.get("rpo_seconds"),
    )


def holds_of(holds: Holds, now: datetime) -> tuple[shapes.Hold, ...]:
    """Freezes first, then a pause, then backups that are not trusted."""
    paused = holds.paused(now)
    found = [
        *(("frozen", held) for held in holds.frozen()),
        *((("paused", paused),) if paused is not None else ()),
        *(("distrust", held) for held in holds.distrusted()),
    ]
    return tuple(
        shapes.Hold(kind=kind, reason=held.reason, message=held.message, since=held.since, until=held.until)
        for kind, held in found
    )
