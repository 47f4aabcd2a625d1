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
        backup: its name; ``null`` of ``--file``.
        file: of ``--file``; else ``null``.
        taken_at: when the backup was taken; ``null`` of ``--file``.
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


class LostRangeShape(TypedDict):
    """A piece of the table that could not be read.

    Attributes:
        pages: of the file; without those whose number nobody knows.
        first_rowid: with ``last_rowid`` the row numbers that were there; ``null`` where that end is open.
        saved: jobs of these that were had all the same, or filled.
        lost: jobs of these that are known to be lost.
        created_after: what the job before it says of when it was created; with ``created_before`` of the job behind it.
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
    rowid: int | None


class DoubtfulJobShape(LostJobShape):
    """A job that was found and may not be right.

    Attributes:
        why: the reasons.
    """

    why: list[str]


class FilledShape(TypedDict):
    """What a backup or an archive gave.

    Attributes:
        place: ``local``, or the destination's name.
        confirmed: were in doubt, and are the same to the bit.
        behind: of these were changed since, as an index shows.
        unvouched: of these no index says that they were there.
    """

    kind: Literal["backup", "archive"]
    name: str
    place: str
    taken_at: Time
    jobs: int
    confirmed: int
    behind: int
    unvouched: int


class SalvagedTableShape(TypedDict):
    """Another table that was brought over.

    Attributes:
        whole: all of it could be read.
    """

    name: str
    rows: int
    whole: bool


class SalvageShape(TypedDict):
    """What was got out of a damaged store.

    Attributes:
        done: ``false`` for a dry run.
        target: the new store; ``null`` for a dry run.
        jobs: in it.
        read: of these, from the damaged store itself.
        filled: of these, from backups and archives.
        lost: were there and are in no source.
        doubtful: were found, may not be right, and were left out; ``doubtful_included`` were put in.
        complete: every lost job is known.
        whole: nothing is lost; the exit code is 0.
        troubles: sources that could not be read, and why.
        left_out: triggers and views that were not brought over.
        damaged_indexes: could not be read whole; they are built anew.
        healed_header: fields of the file's header that were wrong.
        journal: what of the -wal or the -journal could not be had; empty when all was.
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
    sources: list[FilledShape]
    troubles: list[str]
    tables: list[SalvagedTableShape]
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
