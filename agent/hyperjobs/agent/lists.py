"""Lists and counts of one store for the API, on a connection of its own: a long search holds up no status page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from hyperjobs.agent.shaping import run_of
from hyperjobs.errors import StoreClosedError
from hyperjobs.store.lookup import job_with, jobs_that, stats_of
from hyperjobs.store.reader import StoreReader, Troubles

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from hyperjobs.clock import Clock
    from hyperjobs.store.ledger.options import LedgerOptions
    from hyperjobs.store.models import Job, JobFilter, JobStats
    from hyperjobs.store.runs import Runs
    from hyperjobs.web.shapes import Run

T = TypeVar("T")


class Lists:
    """Reads one store; thread-safe. Every method raises StoreError when it cannot by the deadline.

    Deadlines are in the clock's ``monotonic``.
    """

    def __init__(self, path: Path, *, options: LedgerOptions, runs: Runs, clock: Clock) -> None:
        self._path = path
        self._runs = runs
        self._clock = clock
        self._reader = StoreReader(path, options=options, troubles=Troubles(), clock=clock)
        self._is_closed = False

    def interrupt(self) -> None:
        """End what is being read, and read no more."""
        self._is_closed = True
        self._reader.interrupt()

    def close(self) -> None:
        """Let the store go."""
        self._is_closed = True
        self._reader.close()

    def jobs(self, asked: JobFilter, limit: int, deadline_s: float) -> list[Job]:
        """The jobs that fit, newest first, at most ``limit`` of them.

        Raises:
            InvalidJobError: a value that no job can have.
        """
        return self._read(jobs_that(asked, limit), deadline_s)

    def job(self, job_id: str, deadline_s: float) -> Job | None:
        """The job with this id; ``None`` when there is none."""
        return next(iter(self._read(job_with(job_id), deadline_s)), None)

    def stats(
        self, by: str | None, since: datetime | None, until: datetime | None, deadline_s: float
    ) -> list[JobStats]:
        """Counts, one entry without ``by``.

        Raises:
            InvalidJobError: the ledger does not keep what was asked.
        """
        return self._read(stats_of(by, since, until, self._clock.now()), deadline_s)

    def runs(self, task: str | None, limit: int) -> list[Run]:
        """The newest runs of maintenance, newest first."""
        return [run_of(run) for run in self._runs.latest(task, limit)]

    def _read(self, work: Callable[[Any, str], T], deadline_s: float) -> T:
        if not self._is_closed:
            found = self._reader.read(work, deadline_s=deadline_s)
        if self._is_closed:
            self._reader.close()  # it may have been opened again since
            raise StoreClosedError(f"{self._path}: the agent is stopping, or has read its configuration anew")
        return found
