"""Lists and counts of one store for the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperjobs.agent.shaping import event_of, run_of
from hyperjobs.store.lookup import job_with, jobs_that, stats_of
from hyperjobs.store.recent import latest
from hyperjobs.store.runs import Run

if TYPE_CHECKING:
    from datetime import datetime

    from hyperjobs.agent.look import Look
    from hyperjobs.clock import Clock
    from hyperjobs.store.events import Events
    from hyperjobs.store.models import Job, JobFilter, JobStats
    from hyperjobs.store.runs import Runs
    from hyperjobs.web import shapes


class Lists:
    """Reads one store; thread-safe. Every method raises StoreError when it cannot by the deadline.

    Its look is its own, so that a long search holds up no status page. Deadlines are in the clock's ``monotonic``.
    """

    def __init__(self, look: Look, *, runs: Runs, events: Events, clock: Clock) -> None:
        self._look = look
        self._runs = runs
        self._events = events
        self._clock = clock

    def jobs(self, asked: JobFilter, limit: int, deadline_s: float) -> list[Job]:
        """The jobs that fit, newest first, at most ``limit`` of them.

        Raises:
            InvalidJobError: a value that no job can have.
        """
        return self._look.read(jobs_that(asked, limit), deadline_s)

    def job(self, job_id: str, deadline_s: float) -> Job | None:
        """The job with this id; ``None`` when there is none."""
        return next(iter(self._look.read(job_with(job_id), deadline_s)), None)

    def stats(
        self, by: str | None, since: datetime | None, until: datetime | None, deadline_s: float
    ) -> list[JobStats]:
        """Counts, one entry without ``by``.

        Raises:
            InvalidJobError: the ledger does not keep what was asked.
        """
        return self._look.read(stats_of(by, since, until, self._clock.now()), deadline_s)

    def runs(self, task: str | None, limit: int) -> list[shapes.Run]:
        """The newest runs of maintenance and what was done beside them, newest first."""
        found = latest(self._runs, self._events, task, limit)
        return [run_of(each) if isinstance(each, Run) else event_of(each) for each in found]
