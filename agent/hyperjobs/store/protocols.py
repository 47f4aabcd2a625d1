"""What a job store promises, whatever keeps the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, Self, overload

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager
    from datetime import datetime, timedelta

    from hyperjobs.store.models import Job, JobEvent, JobFilter, JobStats, JobStatus

Grouping = Literal["provider", "user", "day"]


class JobStore(Protocol):
    """Jobs that outlive their process. Every method may be called from any thread.

    All methods raise StoreBusyError, StoreClosedError, StoreFullError and their kin; see ``hyperjobs.errors``.
    """

    def save_job(self, job: Job) -> None:
        """Write a job, replacing the one with its id; ``created_at=None`` becomes the clock's now.

        Raises:
            InvalidJobError: a value that the row cannot hold.
        """
        ...

    def save_jobs(self, jobs: Iterable[Job]) -> int:
        """Write many jobs, all or none; return how many.

        Raises:
            InvalidJobError: one of them has a value that the row cannot hold.
        """
        ...

    def load_job(self, job_id: str) -> Job:
        """Return the job with this id.

        Raises:
            JobNotFoundError: there is none.
        """
        ...

    def update_job_status(self, job_id: str, status: JobStatus | str) -> None:
        """Set the status; the first move to running stamps ``started_at``, to a finished one ``completed_at``.

        Raises:
            JobNotFoundError: there is no such job.
            InvalidJobError: no such status.
        """
        ...

    def transition(
        self,
        job_id: str,
        to: JobStatus | str,
        *,
        expected: Job | JobStatus | str | None = None,
        error: str | None = None,
        force: bool = False,
    ) -> Job:
        """Move a job to another status, if it may go there and still is what was expected; return it as it is then.

        The rules stand in ``hyperjobs.store.transition``: pending may become running or cancelled; running may become
        completed, failed or cancelled; failed and cancelled may become pending, which is a retry: the times, the
        error, the progress and the sizes of the attempt before are gone then. A job that has the status already is
        left alone. No process that works on the job is stopped by it.

        Args:
            job_id: which.
            to: the status it gets.
            expected: the job as it was looked at, of which status, times and error are compared, or its status alone.
            error: what the row of a failed job says; ``None`` keeps what is there.
            force: also where the rules do not allow it.

        Raises:
            JobNotFoundError: there is no such job.
            JobChangedError: it is not what was expected any more; nothing was written.
            TransitionRefusedError: it may not become that.
            InvalidJobError: no such status, or an error that the row cannot hold.
        """
        ...

    def update_job_progress(self, job_id: str, percent: float) -> None:
        """Set the progress, 0 to 100.

        Raises:
            JobNotFoundError: there is no such job.
            InvalidJobError: no finite number from 0 to 100.
        """
        ...

    def list_jobs(self, filter: JobFilter = ...) -> list[Job]:  # noqa: A002 - what it is
        """Return the jobs that fit, of one moment: newest first by instant, equal ones by id, largest first.

        Jobs whose ``created_at`` cannot be read come last, and never within ``since`` or ``until``.
        """
        ...

    def iter_jobs(self, filter: JobFilter = ...) -> Iterator[Job]:  # noqa: A002 - what it is
        """Yield what :meth:`list_jobs` returns, in memory that does not grow with the store.

        It reads page by page and holds nothing open in between. A job that is there the whole time is yielded once,
        as its page found it; one that is added or deleted meanwhile may be seen or not.
        """
        ...

    def count_jobs(self, filter: JobFilter = ...) -> int:  # noqa: A002 - what it is
        """Return how many jobs fit; ``limit``, ``offset`` and ``after`` do not matter."""
        ...

    def delete_job(self, job_id: str) -> None:
        """Delete the job.

        Raises:
            JobNotFoundError: there is none.
        """
        ...

    @overload
    def get_job_stats(
        self,
        by: None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        sizes: bool = True,
    ) -> JobStats: ...
    @overload
    def get_job_stats(
        self,
        by: Grouping,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        sizes: bool = True,
    ) -> list[JobStats]: ...
    def get_job_stats(
        self,
        by: Grouping | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        sizes: bool = True,
    ) -> JobStats | list[JobStats]:
        """Return the numbers of the whole store, or a list by provider, user or day (UTC) in that order.

        With ``since`` or ``until``: of the jobs that finished in the period. A store with a ledger answers from
        it, by the whole hour and the same before and after a prune, but not by user.

        Args:
            by: what to group by; ``None`` for one answer.
            since: the first instant of the period.
            until: the first instant past it.
            sizes: ``False`` leaves ``total_size`` at 0, which spares reading every row: 40 ms instead of a second
                for a million jobs.
        """
        ...

    def prune(self, older_than: timedelta) -> int:
        """Delete the finished jobs that ended before so long ago, in small batches; return how many.

        A job without ``completed_at`` is aged by ``started_at``, else by ``created_at``; one that ended exactly so
        long ago stays, and so does one whose times cannot be read. Pending and running jobs stay whatever their age.

        Raises:
            StoreRefusedError: strange triggers sit on the table and could do anything.
            TransactionError: inside a transaction, which a prune would make hold the lock for long.
        """
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """Make the calls of this thread within ``with`` one unit: all of them are kept, or on an error none.

        Raises:
            TransactionError: this thread is in one already.
        """
        ...

    def job_history(self, job_id: str) -> list[JobEvent]:
        """Return the changes of a job's status, oldest first, also of a deleted job if a ledger saw them.

        Raises:
            JobNotFoundError: no job and no event has this id.
        """
        ...

    def close(self) -> None:
        """Let go of the store; closing again does nothing."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc_info: object) -> None: ...
