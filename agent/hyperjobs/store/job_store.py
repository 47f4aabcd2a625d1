"""A job store in one SQLite file: what a program that works with jobs calls."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Self, overload

from hyperjobs.errors import JobNotFoundError, StoreReadOnlyError, StoreRefusedError, TransactionError
from hyperjobs.store import instant, listing, pruning, reading, statistics
from hyperjobs.store.due import Rule
from hyperjobs.store.flavour import Flavour, recognise
from hyperjobs.store.models import FINISHED, JobFilter, JobStatus
from hyperjobs.store.query import Condition, condition_of, cursor_of
from hyperjobs.store.retention import Cutoffs
from hyperjobs.store.rows import SAVE, checked_percent, row_of, status_word, text_value
from hyperjobs.store.session import Session
from hyperjobs.store.transition import require_move, require_unchanged, update_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime, timedelta
    from pathlib import Path

    import apsw

    from hyperjobs.clock import Clock
    from hyperjobs.store.connection import Connection
    from hyperjobs.store.flavour import Recognition
    from hyperjobs.store.models import Job, JobEvent, JobStats
    from hyperjobs.store.protocols import Grouping, JobStore

_ALL: Final = JobFilter()
_ITER_PAGE_ROWS: Final = 1_000
"""Jobs that iter_jobs reads at once: 10 ms of work and a megabyte or two."""
_LIST_PAGE_ROWS: Final = 5_000

_DELETE: Final = "DELETE FROM jobs WHERE id=?"
_PROGRESS: Final = "UPDATE jobs SET progress=? WHERE id=?"
_PENDING: Final = JobStatus.PENDING.value
_FINISH: Final = "UPDATE jobs SET status=?1,completed_at=coalesce(nullif(completed_at,''),?3) WHERE id=?2"
_STATUS: Final = {
    _PENDING: "UPDATE jobs SET status=?1 WHERE id=?2",
    JobStatus.RUNNING.value: "UPDATE jobs SET status=?1,started_at=coalesce(nullif(started_at,''),?3) WHERE id=?2",
    **{status.value: _FINISH for status in FINISHED},
}


class SQLiteJobStore:
    """A job store in one SQLite file; made by :func:`~hyperjobs.store.sqlite.open_store`.

    Safe to use from many threads and processes. Not to be carried through a fork: open it in the child.
    The contract of each method stands in ``hyperjobs.store.protocols.JobStore``.
    """

    def __init__(
        self,
        first: Connection,
        connect: Callable[[], Connection],
        recognition: Recognition,
        *,
        clock: Clock,
        read_only: bool,
    ) -> None:
        self._path = first.path
        self._session = Session(connect, first)
        self._recognition = recognition
        self._clock = clock
        self._read_only = read_only
        self._is_writable = not read_only and recognition.flavour is Flavour.HYPERSDK
        self._closing = threading.Event()

    @property
    def path(self) -> Path:
        """The real path of the file."""
        return self._path

    @property
    def flavour(self) -> Flavour:
        """Which of the known databases it is, as it was opened."""
        return self._recognition.flavour

    @property
    def unknown_triggers(self) -> tuple[str, ...]:
        """Triggers on ``jobs`` that neither hypersdk nor hyperjobs made, as it was opened; they block prune."""
        return self._recognition.unknown_triggers

    @property
    def is_ledger_installed(self) -> bool:
        """Whether the change log of the agent is in the store now."""
        sql = "SELECT 1 FROM sqlite_schema WHERE type='table' AND name='hyperjobs_log'"
        return bool(self._session.read(lambda db: db.execute(sql).fetchall()))

    def save_job(self, job: Job) -> None:
        """Write a job, replacing the one with its id."""
        self._change(SAVE, row_of(job, self._clock.now()))

    def save_jobs(self, jobs: Iterable[Job]) -> int:
        """Write many jobs, all or none; return how many."""
        # read before the lock is taken: whoever makes the jobs may be slow
        now = self._clock.now()
        rows = [row_of(job, now) for job in jobs]

        def work(db: apsw.Connection) -> int:
            if self._session.joined is None:
                db.executemany(SAVE, rows)
            else:
                with db:  # a savepoint, so that a caller's transaction can go on without these
                    db.executemany(SAVE, rows)
            return len(rows)

        self._check_writable()
        return self._session.write(work)

    def load_job(self, job_id: str) -> Job:
        """Return the job with this id."""
        self._refuse_daemon("load a job")
        jobs = self._session.run(lambda db: reading.load(db, job_id))
        if not jobs:
            raise self._no_job(job_id)
        return jobs[0]

    def update_job_status(self, job_id: str, status: JobStatus | str) -> None:
        """Set the status and, if unset, the time that goes with it."""
        word = status_word(status)
        sql = _STATUS[word]
        stamp = () if word == _PENDING else (instant.format(self._clock.now()),)
        if not self._change(sql, (word, job_id, *stamp)):
            raise self._no_job(job_id)

    def transition(
        self,
        job_id: str,
        to: JobStatus | str,
        *,
        expected: Job | JobStatus | str | None = None,
        error: str | None = None,
        force: bool = False,
    ) -> Job:
        """Move a job to another status by the rules, if it still is what was expected; return it as it is then."""
        status = JobStatus(status_word(to))
        if error is not None:
            text_value(error, "error")

        def work(db: apsw.Connection) -> Job:
            for job in reading.load(db, job_id):
                require_unchanged(job, expected, self._path)
                if job.status == status:
                    return job
                if not force:
                    require_move(job, status, self._path)
                db.execute(*update_of(job_id, status, now=self._clock.now(), error=error))
                return reading.load(db, job_id)[0]
            raise self._no_job(job_id)

        self._check_writable()
        return self._session.write(work)

    def update_job_progress(self, job_id: str, percent: float) -> None:
        """Set the progress, 0 to 100."""
        if not self._change(_PROGRESS, (checked_percent(percent), job_id)):
            raise self._no_job(job_id)

    def delete_job(self, job_id: str) -> None:
        """Delete the job."""
        if not self._change(_DELETE, (job_id,)):
            raise self._no_job(job_id)

    def list_jobs(self, filter: JobFilter = _ALL) -> list[Job]:  # noqa: A002 - what it is
        """Return the jobs that fit, newest first."""
        condition = self._listed(filter)
        return self._session.read(
            lambda db: list(reading.jobs(lambda work: work(db), condition, filter, _LIST_PAGE_ROWS))
        )

    def iter_jobs(self, filter: JobFilter = _ALL) -> Iterator[Job]:  # noqa: A002 - what it is
        """Yield the jobs that fit, newest first, page by page."""
        return reading.jobs(self._session.read, self._listed(filter), filter, _ITER_PAGE_ROWS)

    def count_jobs(self, filter: JobFilter = _ALL) -> int:  # noqa: A002 - what it is
        """Return how many jobs fit."""
        condition = condition_of(filter)
        self._refuse_daemon("count by these conditions")
        return self._session.read(lambda db: listing.count(db, condition))

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
        """Return the numbers of the whole store, or a list by provider, user or day."""
        statistics.check_grouping(by)
        period = condition_of(JobFilter(since=since, until=until))

        def work(db: apsw.Connection) -> list[JobStats]:
            if self.flavour is Flavour.DAEMON:
                if period.has_period:
                    self._refuse_daemon("count a period")
                return statistics.count_daemon(db, by)
            if period.has_period:
                return reading.finished(db, by, since, until, now=self._clock.now())
            return statistics.count_all(db, by, sizes=sizes)

        found = self._session.read(work)
        return found if by else found[0]

    def prune(self, older_than: timedelta) -> int:
        """Delete the finished jobs that ended before so long ago, in small batches; return how many."""
        pruning.check_retention(older_than)
        self._check_writable()
        if self._session.joined is not None:
            raise TransactionError(
                f"{self._path}: prune commits in small batches so that writers need not wait; call it outside transaction()"
            )
        try:
            cutoff = self._clock.now() - older_than
        except OverflowError:
            return 0
        connection = self._session.pool.take()
        try:
            pruning.refuse_triggers(recognise(connection), self._path)
            prune = pruning.Pruning(
                connection, Rule(Cutoffs.before(cutoff)), clock=self._clock, pause=self._closing.wait
            )
            prune.run()
            return prune.done.total
        finally:
            self._session.pool.give(connection)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make the calls of this thread within ``with`` one unit."""
        self._check_writable()
        with self._session.transaction():
            yield

    def job_history(self, job_id: str) -> list[JobEvent]:
        """Return the changes of a job's status, oldest first."""
        self._refuse_daemon("tell a job's history")
        events = self._session.read(lambda db: reading.history(db, job_id))
        if not events:
            raise self._no_job(job_id)
        return events

    def interrupt(self) -> None:
        """End what other threads are running here, with StoreInterruptedError."""
        self._session.pool.interrupt()

    def close(self) -> None:
        """Let go of the store; a running prune ends after its batch."""
        self._closing.set()
        self._session.pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _listed(self, filter: JobFilter) -> Condition:  # noqa: A002 - what it is
        """Return what is asked, checked before the first job is."""
        self._refuse_daemon("list jobs")
        cursor_of(filter.after)
        return condition_of(filter)

    def _change(self, sql: str, bindings: tuple[Any, ...]) -> int:
        """Run one statement that writes; return the rows it changed."""
        if not self._is_writable:
            self._check_writable()
        return self._session.change(sql, bindings)

    def _check_writable(self) -> None:
        if self._read_only:
            raise StoreReadOnlyError(f"{self._path}: opened for reading only; open it without read_only to write")
        if self._recognition.flavour is Flavour.DAEMON:
            raise self._daemon_error("write it")

    def _refuse_daemon(self, what: str) -> None:
        if self._recognition.flavour is Flavour.DAEMON:
            raise self._daemon_error(what)

    def _daemon_error(self, what: str) -> StoreRefusedError:
        return StoreRefusedError(
            f"{self._path}: this is the daemon's own store, whose jobs table has no provider and no user; "
            f"hyperjobs counts it and cannot {what}",
            reason="daemon_store",
        )

    def _no_job(self, job_id: str) -> JobNotFoundError:
        return JobNotFoundError(
            f"{self._path}: no job has the id {job_id!r}; see 'hyperjobs list', or 'hyperjobs show --at TIME ID' for one of before"
        )


if TYPE_CHECKING:
    # held against the contract by the type checker
    _store: type[JobStore] = SQLiteJobStore
