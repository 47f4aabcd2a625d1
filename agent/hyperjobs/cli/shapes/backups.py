"""What is told of backups and archives."""

from typing import Any, Literal, TypedDict

from hyperjobs.cli.shapes.kinds import Time


class ManifestShape(TypedDict):
    """What a backup says of itself.

    Attributes:
        sequence: counts up in a directory.
        bytes: of the file.
        sha256: of the file.
        database_bytes: of the database in it, uncompressed.
        pages: of that database.
        digest: of all jobs; empty when the copy did not stand its proof.
        flavour: which of hypersdk's schemas.
        started_at: when the snapshot was taken.
        source_sha256: of the store's path.
        state: ``verified``, or ``damaged``.
        format: of the manifest.
        found: what was wrong; empty when nothing was.
        host: the machine that took it; empty when nobody said.
    """

    name: str
    sequence: int
    bytes: int
    sha256: str
    database_bytes: int
    pages: int
    jobs: int
    digest: str
    flavour: str
    schema_sha256: str
    started_at: Time
    ended_at: Time
    copy_seconds: float
    verify_seconds: float
    sqlite_version: str
    hyperjobs_version: str
    source_sha256: str
    state: str
    format: int
    found: str
    host: str


class MarkedManifestShape(ManifestShape):
    """What a backup says of itself, and how it is marked.

    Attributes:
        state: ``verified``, ``unverified``, ``failed`` or ``damaged``, with what a later verify found.
        pinned: ``null`` at a destination, which has no marks.
        pin_reason: why it is pinned; ``null`` or empty when nobody said.
    """

    pinned: bool | None
    pin_reason: str | None


class BackupShape(TypedDict):
    """A backup in a list.

    Attributes:
        at: when it was taken.
        state: ``verified``, ``unverified``, ``failed`` or ``damaged``; only verified ones count.
        jobs: ``null`` where no manifest says.
        found: what is wrong with it; empty when nothing is known.
        host: the machine that took it; empty when nobody said.
        reasons: why retention keeps it, empty when it does not; ``null`` without ``--reasons``.
    """

    name: str
    at: Time
    state: str
    jobs: int | None
    bytes: int
    pinned: bool
    found: str
    host: str
    reasons: list[str] | None


class ProofShape(TypedDict):
    """What the proof of a backup found.

    Attributes:
        place: the directory, or the destination.
        whole: it is what its manifest says.
        counts: it counts as a backup.
        jobs: with ``bytes`` ``null`` when it is not whole.
        found: what is wrong; empty when it is whole.
    """

    name: str
    place: str
    whole: bool
    counts: bool
    jobs: int | None
    bytes: int | None
    found: str


class BackupDifferenceShape(TypedDict):
    """How two backups, or a backup and the store, differ.

    Attributes:
        a: the name of the first.
        b: the name of the second, or the path of the store.
        only_a: so many jobs are only there.
        changed: so many are in both, and differ.
        ids: ``only_a``, ``only_b`` and ``changed`` → the first ids, as many as ``--ids``.
    """

    a: str
    b: str
    only_a: int
    only_b: int
    changed: int
    same: int
    ids: dict[str, list[str]]


class BackupPinShape(TypedDict):
    """A backup that was pinned, or unpinned.

    Attributes:
        pinned: whether it is now.
        was_pinned: whether it was before.
        reason: as it was given; empty when it was not.
    """

    name: str
    directory: str
    pinned: bool
    was_pinned: bool
    reason: str


class DecisionShape(TypedDict):
    """What retention decides about a backup.

    Attributes:
        reasons: why it stays; empty for one that goes.
    """

    action: Literal["keep", "delete"]
    name: str
    reasons: list[str]


class KeptShape(TypedDict):
    """A backup that is there in the end."""

    at: Time
    reasons: list[str]


class RetentionDayShape(TypedDict):
    """One day of a simulation.

    Attributes:
        backups: that there are after it.
        oldest: when the oldest of them was taken.
        deleted: when those were taken that went.
    """

    at: Time
    backups: int
    oldest: Time
    deleted: list[Time]


class RestoreShape(TypedDict):
    """A restore, done or planned.

    Attributes:
        done: ``false`` for a dry run.
        target: what is restored.
        backup: its file name; ``null`` with ``--file``.
        file: the store of ``--file``; else ``null``.
        taken_at: when the backup was taken; ``null`` with ``--file``.
        how: ``swap`` in the store's place, ``live`` into the open store, ``new`` as a new file, or ``jobs`` of ``--job``.
        jobs: that come back.
        host: the machine that took the backup, when it was another one; else empty.
        replaced: ids of jobs in whose place others came.
        kept: where what was in the store lies now.
        ids: of ``--job``; ``null`` without.
        open_in: of a dry run that would replace the store, the processes that have it open; else ``null``.
    """

    done: bool
    target: str
    backup: str | None
    file: str | None
    taken_at: Time | None
    how: Literal["swap", "live", "new", "jobs"]
    jobs: int
    host: str
    replaced: list[str]
    kept: str | None
    ids: list[str] | None
    open_in: list[int] | None


class LostRangeShape(TypedDict):
    """A piece of the table that could not be read.

    Attributes:
        pages: of the file, as far as they are known.
        why: in words; of several pages what is wrong with the first.
        first_rowid: row numbers from this; ``null`` is open.
        last_rowid: up to this; ``null`` is open.
        saved: jobs of these numbers that are in the new store.
        lost: jobs of these numbers that are not.
        created_after: when the job before it was created, as its row says it; ``null`` where there is none.
        created_before: the same of the job behind it.
    """

    pages: list[int]
    why: str
    first_rowid: int | None
    last_rowid: int | None
    saved: int
    lost: int
    created_after: str | float | None
    created_before: str | float | None


class LostJobShape(TypedDict):
    """A job that is lost."""

    id: str
    rowid: int


class DoubtfulJobShape(TypedDict):
    """A job that was found, may not be right, and was left out.

    Attributes:
        why: the reasons, in words.
    """

    id: str
    rowid: int
    why: list[str]


class FillingShape(TypedDict):
    """What a backup or an archive gave.

    Attributes:
        name: of it.
        place: ``local``, or the name of the destination.
        taken_at: when it was taken.
        jobs: from it.
        confirmed: of these, what was in doubt and is the same to the bit.
        behind: of these, changed since, as the indexes show.
        unvouched: of these, may have been deleted since: nothing says that they were still there.
    """

    kind: Literal["backup", "archive"]
    name: str
    place: str
    taken_at: Time
    jobs: int
    confirmed: int
    behind: int
    unvouched: int


class OtherTableShape(TypedDict):
    """A table beside ``jobs``.

    Attributes:
        rows: brought over.
        whole: all of it could be read.
    """

    name: str
    rows: int
    whole: bool


class SalvageShape(TypedDict):
    """What was got out of a damaged store.

    Attributes:
        done: ``false`` for a dry run.
        store: the damaged one.
        target: the new one; ``null`` for a dry run.
        jobs: in the new one.
        read: of these, from the damaged one.
        filled: of these, from backups and archives.
        lost: that were there and are not in the new one, as far as indexes know them.
        doubtful: found, in doubt, and left out.
        doubtful_included: in doubt, and put in.
        complete: every lost job is known; else there may be more.
        whole: nothing is lost, and the exit code is 0.
        ranges: what could not be read.
        lost_jobs: those whose id an index knows.
        troubles: places and backups that could not be read, in words.
        tables: the others.
        left_out: triggers, views and indexes that were not brought over, by name.
        ledger: whether its sums were kept.
        damaged_indexes: that could not be read whole, and are built anew.
        healed_header: fields of the file's header that were wrong.
        journal: what of the -wal or -journal could not be had, in words; else empty.
        notes: what else a person should know.
        pages: of the damaged store.
        copied_bytes: of it and of what lies beside it.
        unreadable_bytes: that the disk did not give.
        seconds: that it took.
    """

    done: bool
    store: str
    target: str | None
    jobs: int
    read: int
    filled: int
    lost: int
    doubtful: int
    doubtful_included: int
    complete: bool
    whole: bool
    ranges: list[LostRangeShape]
    lost_jobs: list[LostJobShape]
    doubtful_jobs: list[DoubtfulJobShape]
    sources: list[FillingShape]
    troubles: list[str]
    tables: list[OtherTableShape]
    left_out: list[str]
    ledger: Literal["kept", "anew", "none"]
    damaged_indexes: list[str]
    healed_header: list[str]
    journal: str
    notes: list[str]
    pages: int
    copied_bytes: int
    unreadable_bytes: int
    seconds: float


class ArchiveShape(TypedDict):
    """An archive of pruned jobs; without a manifest all but ``run`` and ``state`` is ``null``.

    Attributes:
        run: its name.
        state: ``complete``, ``interrupted``, ``recovered``, ``unfinished`` or ``unreadable``.
        bytes: of the file that count.
        by: status → provider → jobs.
        oldest: end of the job that ended first; with ``newest`` ``null`` when that is not known.
        cutoffs: by which they were due.
        left: ids of jobs in it that were not deleted after all.
        source_sha256: of the store's path.
        format: of the manifest.
    """

    run: str
    state: str
    bytes: int | None
    sha256: str | None
    jobs: int | None
    by: dict[str, dict[str, int]] | None
    oldest: Time | None
    newest: Time | None
    cutoffs: dict[str, Any] | None
    left: list[Any] | None
    started_at: Time | None
    ended_at: Time | None
    source_sha256: str | None
    sqlite_version: str | None
    hyperjobs_version: str | None
    format: int | None


class UndoneShape(TypedDict):
    """What an undo of a prune brought back.

    Attributes:
        run: whose.
        archived: jobs in the archive.
        returned: jobs that came back, or would.
        there: jobs whose id the store has; they were left alone.
    """

    run: str
    archived: int
    returned: int
    there: int
    dry_run: bool
