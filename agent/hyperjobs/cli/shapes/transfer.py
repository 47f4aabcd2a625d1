"""What is told of exports, imports and the audit log."""

from typing import NotRequired, TypedDict

from hyperjobs.cli.shapes.kinds import Time


class ExportShape(TypedDict):
    """A file that was written.

    Attributes:
        bytes: of the format, before any compression.
    """

    path: str
    jobs: int
    bytes: int


class RejectedShape(TypedDict):
    """Rows that were not taken, by reason.

    Attributes:
        first_line: where the first of them is.
    """

    reason: str
    rows: int
    first_line: int


class _Put(TypedDict):
    dry_run: bool
    rows: int
    inserted: int
    replaced: int
    skipped: int
    same: int
    rejected: int
    reasons: list[RejectedShape]


class ImportShape(_Put):
    """Jobs of a file that were put into a store.

    Attributes:
        rows: in the file.
        skipped: their id was there, and the policy left it.
        same: were there already, to the bit.
        rejected: are no jobs.
    """

    file: str


class CopyShape(_Put):
    """Jobs of a store that were put into another.

    Attributes:
        rows: of the first that fit.
        skipped: their id was there, and the policy left it.
        same: were there already, to the bit.
        rejected: are no jobs.
    """

    source: str
    target: str


class PieceShape(TypedDict):
    """A piece that a store was made again from.

    Attributes:
        kind: what it is; ``null`` where nobody can tell.
        rows: of it that were read.
        changes: of the audit log, or of a history, that were read.
        message: what is wrong with it; empty where nothing is.
    """

    path: str
    kind: str | None
    state: str
    rows: int
    changes: int
    message: str


class RebuiltIdsShape(TypedDict):
    """Ids of jobs by where they are from, the first hundred of each."""

    moved: list[str]
    audit: list[str]
    pruned: list[str]
    deleted: list[str]


class DifferingShape(TypedDict):
    """A job of which pieces have different rows.

    Attributes:
        versions: so many different rows.
        won: the piece whose row was taken; ``null`` where none was.
    """

    id: str
    versions: int
    won: str | None


class RebuildShape(TypedDict):
    """A store that was made again.

    Attributes:
        jobs: in it.
        row: as a piece has them.
        moved: as a piece has them, moved on by the audit log.
        audit: from the audit log alone.
        pruned: left out, for a prune deleted them.
        deleted: left out, for they were deleted.
        differ: so many jobs have different rows in the pieces; the first hundred are in ``differing``.
        changes: of status that are in its history.
        pins: that it has.
        bytes: of the file; 0 where none was made.
    """

    target: str
    dry_run: bool
    jobs: int
    row: int
    moved: int
    audit: int
    pruned: int
    deleted: int
    ids: RebuiltIdsShape
    differ: int
    differing: list[DifferingShape]
    changes: int
    pins: int
    bytes: int
    sources: list[PieceShape]


class AuditLineShape(TypedDict):
    """A line of the audit log, as it lies there.

    Attributes:
        n: its number.
        job: the id; ``null`` for a note.
        old: the status before; ``null`` for a new job.
        new: the status after; ``null`` for a deleted job.
        source: ``change``, or what kind of note it is.
        store: which store it was in.
        seq: of the store's own log.
        prev: the hash of the line before.
        mac: its code; only where the log has a key.
    """

    n: int
    at: Time
    job: str | None
    provider: str | None
    old: str | None
    new: str | None
    source: str
    store: str
    seq: int
    prev: str
    mac: NotRequired[str]


class AuditFaultShape(TypedDict):
    """Something wrong with an audit log.

    Attributes:
        line: of the file; 0 for the file as a whole.
    """

    path: str
    line: int
    message: str


class AuditShape(TypedDict):
    """What the proof of an audit log found.

    Attributes:
        anchored: its ends were compared with what the store remembers, or with ``--head``.
        first: number of the first line, with ``last`` that of the last.
        head: the last line, for ``--head`` of a later verify.
        waiting: changes that wait to be written.
        more: there are more faults than those listed.
    """

    path: str
    whole: bool
    anchored: bool
    files: int
    lines: int
    first: int
    last: int
    head: str
    waiting: int
    faults: list[AuditFaultShape]
    more: bool
