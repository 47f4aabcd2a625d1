"""What the status page shows and the API answers, as values. Names are only ever added; docs/api.md describes them.

Times are aware, lengths of time in seconds, sizes in bytes; ``success_rate`` is in percent, as in the library.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


class Level(StrEnum):
    """How much a notice matters, from nothing to at once."""

    OK = "ok"
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something that a person should know.

    Attributes:
        id: a fixed word, for programs.
        text: what is the matter, one sentence without its full stop.
        remedy: what to do, one sentence without its full stop; empty when nothing is to be done.
    """

    id: str
    level: Level
    text: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """The store as it could be read.

    Attributes:
        is_readable: whether it was, just now.
        reason: a fixed word for why not; the words of ``hyperjobs_store_errors_total``.
        message: the same in a sentence.
        read_at: when the numbers of jobs were read; ``None`` when never.
        numbers: ``ledger``, ``scan``, or ``counting`` while the first count is not in.
        unfolded_rows: changes that the ledger has not added up yet; they are in the numbers up to 10,000 of them.
        size_bytes: of its files by name (main, wal, shm); empty when they cannot be seen.
        freelist_bytes: what a vacuum would give back.
        is_whole: what the newest integrity check found; ``None`` before one.
        anomalies: kind → rows that a check found impossible; ``None`` before one.
    """

    path: str
    is_readable: bool
    reason: str | None = None
    message: str | None = None
    read_at: datetime | None = None
    flavour: str | None = None
    numbers: str | None = None
    unfolded_rows: int = 0
    size_bytes: Mapping[str, int] = field(default_factory=dict)
    freelist_bytes: int | None = None
    filesystem_avail_bytes: int | None = None
    filesystem_size_bytes: int | None = None
    is_whole: bool | None = None
    anomalies: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Jobs by status; ``provider`` is ``None`` for all of them."""

    provider: str | None = None
    total: int = 0
    pending: int = 0
    running: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    other: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Success:
    """How well the jobs went that finished within a window; cancelled ones do not count.

    Attributes:
        window: ``24h`` or ``7d``: the current hour and those before it.
        success_rate: completed of completed and failed, percent; ``None`` when none finished.
    """

    window: str
    completed: int
    failed: int
    success_rate: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """Jobs that finished within one hour, by how."""

    at: datetime
    completed: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.completed + self.failed + self.cancelled


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A job that runs.

    Attributes:
        progress: percent.
        running_seconds: since it started; ``None`` when that cannot be read.
        remaining_seconds: if it goes on as fast as so far; ``None`` when that tells nothing.
        stalled_seconds: for how long its progress has not moved, once that is long; else ``None``.
    """

    id: str
    name: str
    vm_name: str
    provider: str
    user: str
    started_at: datetime | None
    progress: float
    running_seconds: float | None
    remaining_seconds: float | None
    stalled_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Failed jobs of one kind.

    Attributes:
        kind: the error without ids, numbers, hosts, paths and sizes; empty for no error text.
        is_new: none of it is older than a day, among jobs that are.
        example_id: the newest job of the kind, cut to 512 characters.
        example: its error, cut to 2,000 characters.
    """

    kind: str
    jobs: int
    jobs_24h: int
    is_new: bool
    first_at: datetime | None
    last_at: datetime | None
    providers: tuple[str, ...]
    example_id: str
    example: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of a maintenance task, or one thing that was done beside them.

    Attributes:
        run: its number; ``None`` of an event.
        outcome: ``None`` while it goes on.
        kind: ``run``, or ``event`` for what a person or a doubt did: a restore, an edit of jobs, a freeze, a pause.
        by: who did it; empty of a run.
    """

    run: int | None
    task: str
    slot: str | None
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None
    reason: str
    summary: str
    detail: Mapping[str, Any]
    host: str
    version: str
    kind: str = "run"
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """When a task runs next and how it stands.

    Attributes:
        next_at: ``None`` when never by itself.
        local: the same in the schedule's own zone, with its offset.
        interval_seconds: between two runs.
        last_success_at: until there is one, when the task was first scheduled.
        last_outcome: of the newest run that ended; ``None`` before one.
        overdue_seconds: how long past its time, when it is a half of its interval or more; else ``None``.
    """

    task: str
    schedule: str
    zone: str
    next_at: datetime | None
    local: str | None
    interval_seconds: float | None
    last_success_at: datetime | None
    last_outcome: str | None
    is_running: bool
    overdue_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A backup in the directory they are made in."""

    name: str
    at: datetime
    state: str
    bytes: int
    jobs: int | None
    is_pinned: bool
    found: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A place of backups; of all but ``local`` what was last heard.

    Attributes:
        newest_verified_at: of the newest verified backup there; ``None`` when there is none.
        bytes: of all there; ``None`` where nobody counts.
    """

    name: str
    verified: int
    unverified: int
    failed: int
    damaged: int
    newest_verified_at: datetime | None
    bytes: int | None
    avail_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """The newest restore drill; ``rto_seconds`` is how long a restore took, ``rpo_seconds`` how old its data was."""

    at: datetime
    is_ok: bool
    summary: str
    rto_seconds: float | None
    rpo_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """What keeps maintenance: ``kind`` is ``frozen``, ``paused`` or ``distrust`` (of a backup: rotation alone)."""

    kind: str
    reason: str
    message: str
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """All of it, at one moment.

    Attributes:
        notices: the gravest first; none when all is well.
        jobs: of all providers; ``None`` while nobody has counted them.
        failures_read: how many of the newest failed jobs ``failures`` was made of.
        runs: the newest of each task, newest first.
        has_jobs: whether ids, names and errors may be shown; without it ``running`` and ``failures`` are empty.
    """

    at: datetime
    version: str
    store: Store
    notices: tuple[Notice, ...] = ()
    jobs: Counts | None = None
    providers: tuple[Counts, ...] = ()
    success: tuple[Success, ...] = ()
    hours: tuple[Hour, ...] = ()
    running: tuple[Running, ...] = ()
    failures: tuple[Failure, ...] = ()
    failures_read: int = 0
    stalled_jobs: int | None = None
    holds: tuple[Hold, ...] = ()
    runs: tuple[Run, ...] = ()
    tasks: tuple[Task, ...] = ()
    backups: tuple[Backup, ...] = ()
    destinations: tuple[Destination, ...] = ()
    drill: Drill | None = None
    has_jobs: bool = True

    @property
    def level(self) -> Level:
        """The gravest of its notices."""
        return self.notices[0].level if self.notices else Level.OK
