"""What is told of jobs."""

from typing import Any, Literal, TypedDict

from hyperjobs.cli.shapes.kinds import Time


class JobShape(TypedDict):
    """A job: the columns of its row, by hypersdk's names.

    Attributes:
        status: ``pending``, ``running``, ``completed``, ``failed``, ``cancelled``, or what another program wrote.
        progress: percent.
        metadata: as the row has it; ``null`` when it has none.
        total_size: bytes.
        flags: what is wrong with the row, as words; empty for a sound one.
        cursor: its place in the list, for ``--after``.
    """

    id: str
    name: str
    vm_name: str
    vm_path: str
    provider: str
    output_dir: str
    status: str
    created_at: Time | None
    started_at: Time | None
    completed_at: Time | None
    progress: float
    error: str
    metadata: Any
    user: str
    total_size: int
    files_count: int
    flags: list[str]
    cursor: str


class JobEventShape(TypedDict):
    """A change of a job's status.

    Attributes:
        old: ``null`` when the job is new.
        new: ``null`` when it was deleted.
        inferred: from the job's own times, since no ledger saw it.
    """

    job_id: str
    at: Time
    old: str | None
    new: str | None
    inferred: bool


WatchEvent = Literal["running", "progress", "stalled", "ended", "gone", "unreadable", "readable"]


class WatchShape(TypedDict):
    """Something that happened to a running job, or to the store.

    Attributes:
        event: ``running``, ``progress`` or ``stalled`` of a job that runs, ``ended``, ``gone`` of one that was deleted;
            ``unreadable`` and ``readable`` of the store.
        id: of the job; ``null`` of the store.
        job: as ``list`` has it; ``null`` of one that is gone, and of the store.
        percent_per_minute: with the next three of a job that runs alone; ``null`` too while nothing tells.
        seconds_left: at that pace.
        stalled: its progress has stood for ``--stalled-after``.
        reason: a fixed word for why the store cannot be read; ``null`` of a job.
        message: the same in a sentence.
    """

    at: Time
    event: WatchEvent
    id: str | None
    job: JobShape | None
    percent_per_minute: float | None
    bytes_per_second: int | None
    seconds_left: int | None
    stalled: bool | None
    reason: str | None
    message: str | None


class StatsShape(TypedDict):
    """Counts of jobs.

    Attributes:
        group: the provider, user or day (UTC) of ``--by``; ``null`` for all of them together.
        total_size: bytes of the completed ones.
        success_rate: completed of completed and failed, percent; ``null`` when there are none.
    """

    group: str | None
    total: int
    pending: int
    running: int
    completed: int
    failed: int
    cancelled: int
    other: int
    total_size: int
    success_rate: float | None


class FailureKindShape(TypedDict):
    """Failed jobs whose errors are of one kind.

    Attributes:
        kind: the error with ``<id>``, ``<n>``, ``<host>``, ``<path>``, ``<size>`` and the like in the place of what
            differs; empty for no error text.
        provider: with ``--by provider``; else ``null``.
        share: of all jobs that failed and fit, percent.
        first_at: when the earliest ended; ``null`` when no time of them can be read.
        example_id: of the one that ended last.
        example: its error, cut to 2,000 characters.
    """

    kind: str
    provider: str | None
    jobs: int
    share: float
    first_at: Time | None
    last_at: Time | None
    example_id: str
    example: str


BecameWord = Literal["changed", "unchanged", "failed"]
EditShape = TypedDict(
    "EditShape",
    {
        "id": str,
        "from": str | None,
        "to": str,
        "outcome": BecameWord,
        "dry_run": bool,
        "reason": str,
        "message": str,
    },
)
EditShape.__doc__ = """What became of one job.

    Attributes:
        from: the status it had; ``null`` when there is no such job.
        to: the status it was to have, or ``deleted``.
        outcome: ``changed``, ``unchanged`` (it was so already) or ``failed``.
        reason: a fixed word for why it failed; else empty.
    """


class PinShape(TypedDict):
    """A job that was pinned, or no longer is.

    Attributes:
        at: since when; with the next two ``null`` for one that is not pinned any more.
        by: the user who pinned it.
    """

    id: str
    pinned: bool
    at: Time | None
    by: str | None
    reason: str | None


class PinnedShape(TypedDict):
    """A pinned job.

    Attributes:
        at: since when; ``null`` when that cannot be read.
        is_there: whether the store has a job of that id now.
    """

    id: str
    at: Time | None
    by: str
    is_there: bool
    reason: str


class DifferenceShape(TypedDict):
    """How two stores or backups differ.

    Attributes:
        a: the first, with ``b`` the second: a backup's name, or the path of the store.
        only_a: so many jobs are only there.
        changed: so many are in both, and differ.
        ids: ``only_a``, ``only_b`` and ``changed`` → the first ids, as many as ``--ids``.
        fields: id of a changed job → column → its value in A and in B.
    """

    a: str
    b: str
    only_a: int
    only_b: int
    changed: int
    same: int
    ids: dict[str, list[str]]
    fields: dict[str, dict[str, list[Any]]]
