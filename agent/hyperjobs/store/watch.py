"""Looking at the running jobs again and again, with a short read each time and nothing held between."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from hyperjobs.errors import JobNotFoundError, StoreError
from hyperjobs.store.connection import Connection
from hyperjobs.store.models import FINISHED, JobStatus
from hyperjobs.store.pace import Pace
from hyperjobs.store.sqlite import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from hyperjobs.clock import Clock
    from hyperjobs.store.models import Job, JobFilter
    from hyperjobs.store.sqlite import SQLiteJobStore

MOST_RUNNING: Final = 500
MOST_ENDED: Final = 20
_LOCK_WAIT_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Running:
    """A running job and how it goes on.

    Attributes:
        stood_s: for how long its progress is known to have stood.
    """

    job: Job
    percent_per_s: float | None
    bytes_per_s: float | None
    left_s: float | None
    stood_s: float


@dataclass(slots=True)
class Sight:
    """What one look found.

    Attributes:
        running: newest first; at most 500.
        started: ids that were not running at the look before.
        moved: ids whose progress changed since.
        ended: jobs that were running then and are not now, as they are now.
        gone: ids that were running then and are in the store no more.
        trouble: why the store could not be read; then the rest is of the look before.
    """

    running: list[Running] = field(default_factory=list)
    started: set[str] = field(default_factory=set)
    moved: set[str] = field(default_factory=set)
    ended: list[Job] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    trouble: StoreError | None = None


class Watch:
    """The running jobs of a store that fit a filter.

    Each look opens the store and lets it go, so that one that was restored, moved or locked in between is seen as
    soon as it can be.

    Args:
        path: of the store.
        filter: which jobs; its status does not matter.
        clock: says how long it is from one look to the next.
        state: the agent's file about the store, which knows for how long jobs have stood; it need not be there.
    """

    def __init__(self, path: Path, filter: JobFilter, *, clock: Clock, state: Path | None = None) -> None:  # noqa: A002 - what it is
        self._path = path
        self._running = replace(filter, status=JobStatus.RUNNING, limit=MOST_RUNNING)
        self._finished = replace(filter, status=sorted(FINISHED), limit=MOST_ENDED)
        self._clock = clock
        self._state = state
        self._paces: dict[str, Pace] = {}
        self._last: dict[str, Running] = {}

    def newest_ended(self) -> list[Job]:
        """The finished jobs that were created last, newest first.

        Raises:
            StoreError: the store cannot be read.
        """
        with open_store(self._path, read_only=True, busy_timeout_s=_LOCK_WAIT_S, clock=self._clock) as store:
            return store.list_jobs(self._finished)

    def look(self) -> Sight:
        """Look once."""
        before = set(self._last)
        try:
            with open_store(self._path, read_only=True, busy_timeout_s=_LOCK_WAIT_S, clock=self._clock) as store:
                jobs = store.list_jobs(self._running)
                missing = before - {job.id for job in jobs}
                found = {job_id: _loaded(store, job_id) for job_id in missing}
        except StoreError as exc:
            return Sight(running=list(self._last.values()), trouble=exc)
        at_s = self._clock.monotonic()
        stood = self._known_since(at_s) if any(job.id not in self._paces for job in jobs) else {}
        running = [self._paced(job, at_s, stood) for job in jobs]
        sight = Sight(
            running=running,
            started={job.id for job in jobs} - before,
            moved={each.job.id for each in running if self._has_moved(each)},
            ended=[job for jobs_found in found.values() for job in jobs_found if job.status != JobStatus.RUNNING],
            gone=[job_id for job_id, jobs_found in found.items() if not jobs_found],
        )
        self._last = {each.job.id: each for each in running}
        self._paces = {job_id: pace for job_id, pace in self._paces.items() if job_id in self._last}
        return sight

    def _paced(self, job: Job, at_s: float, stood: dict[str, tuple[float, float]]) -> Running:
        pace = self._paces.get(job.id)
        if pace is None:
            progress, since_s = stood.get(job.id, (None, None))
            pace = self._paces[job.id] = Pace(since_s if progress == job.progress else None)
        pace.look(job, at_s)
        return Running(job, pace.percent_per_s, pace.bytes_per_s, pace.left_s, pace.stood_s(at_s))

    def _has_moved(self, each: Running) -> bool:
        before = self._last.get(each.job.id)
        return before is not None and before.job.progress != each.job.progress

    def _known_since(self, at_s: float) -> dict[str, tuple[float, float]]:
        """What the agent remembers: id → progress, and since when, by the clock of the looks."""
        if self._state is None or not self._state.exists():
            return {}
        try:
            connection = Connection(self._state, read_only=True, busy_timeout_s=_LOCK_WAIT_S)
            try:
                rows = connection.rows("SELECT job_id,progress,since FROM progress")
            finally:
                connection.close()
        except StoreError:
            return {}  # it is the agent's; without it, a job stands since it is watched
        now_s = self._clock.now().timestamp()
        return {job_id: (progress, at_s - (now_s - since_s)) for job_id, progress, since_s in rows}


def _loaded(store: SQLiteJobStore, job_id: str) -> list[Job]:
    try:
        return [store.load_job(job_id)]
    except JobNotFoundError:
        return []
