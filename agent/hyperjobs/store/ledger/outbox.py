"""Changes of status that are still to be written into the audit log: put here by the fold, in its own transaction.

A fold and its entries are one commit, and each entry has a number that never comes again, so whoever writes them
elsewhere can tell what it has by its own last line: each change is there once, whenever it is killed. The table is
made when it is first needed, and goes with the rest of the ledger.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from hyperjobs.store.ledger.rollup import read_meta, write_meta
from hyperjobs.store.ledger.select import fetch, rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import apsw

    from hyperjobs.store.connection import Connection
    from hyperjobs.store.ledger.tally import Audited

TABLE: Final = "hyperjobs_audit"
_CREATE: Final = f"CREATE TABLE IF NOT EXISTS {TABLE}(seq INTEGER PRIMARY KEY,at INTEGER NOT NULL,job_id,provider,old,new,source TEXT NOT NULL)"
MOST: Final = 1_000_000
"""Entries that wait here, some 100 MB; what comes then is taken from the history later, which knows no providers."""
_HISTORY_ROWS: Final = 500

_SEQ, _GENERATION, _HISTORY, _HEAD, _FIRST = (
    "audit_seq",
    "audit_generation",
    "audit_history",
    "audit_head",
    "audit_first",
)
BEGUN, GAP, ROLLED_BACK = "begun", "gap", "rolled_back"
"""Sources of entries that are no change of a job, but say something of the log."""


class Entry(NamedTuple):
    """One change of a job's status, or a note.

    Attributes:
        seq: its number, one more each; of one store.
        at: epoch seconds at which it was written.
        job_id: ``None`` in a note.
        source: ``writer``, ``prune``, ``returned`` (undo, import, copy, restore of one job), ``history`` (taken up
            later); or of a note ``begun``, ``gap`` or ``rolled_back``.
    """

    seq: int
    at: int
    job_id: Any
    provider: Any
    old: str | None
    new: str | None
    source: str


class Audit(Protocol):
    """Empties the outbox between two folds; what goes wrong there is its own to tell, and stops no fold."""

    def settle(self, connection: Connection) -> None:
        """Make the store ready for its next fold."""
        ...

    def write(self, connection: Connection, is_stopping: Callable[[], bool]) -> None:
        """Write what folds have put aside."""
        ...

    def close(self) -> None:
        """Let the log go."""
        ...


class Anchor(NamedTuple):
    """What a store remembers of its audit log.

    Attributes:
        store: which store it is.
        number: of the last line known to be written; 0 before there is one.
        digest: of that line.
        first: number of the oldest line that is kept.
        waiting: entries that are not in the log yet.
    """

    store: str
    number: int
    digest: str
    first: int
    waiting: int


def append(db: apsw.Connection, changes: Iterable[Audited], *, generation: int) -> None:
    """Add the changes of a fold, in its write transaction, after its history.

    Nothing is added after a fold that was not audited, or while too many wait: :func:`settle` takes those up.

    Args:
        db: of the store.
        changes: in order.
        generation: of the rollups before the fold.
    """
    meta = read_meta(db)
    if meta.get(_GENERATION) != generation or _waiting(db) >= MOST:
        return
    _add(db, meta[_SEQ], changes)
    write_meta(db, **{_GENERATION: generation + 1, _HISTORY: _last_history(db)})


def settle(db: apsw.Connection, *, store_seq: int | None, now_s: int) -> bool:
    """Make ready for the next fold; in a write transaction. Returns whether this is to be called again.

    Args:
        db: of the store.
        store_seq: number of the last entry that the log has of this store; ``None`` for none.
        now_s: epoch seconds for notes.
    """
    db.execute(_CREATE)
    meta = read_meta(db)
    if _SEQ not in meta:
        seq = store_seq or 0
        db.execute(f"INSERT INTO {TABLE} VALUES(?,?,NULL,NULL,NULL,NULL,?)", (seq + 1, now_s, BEGUN))
        write_meta(db, **{_SEQ: seq + 1, _GENERATION: meta["generation"], _HISTORY: _last_history(db)})
        return False
    if store_seq is not None and store_seq > meta[_SEQ]:
        renumber(db, store_seq, now_s)
        return False
    if meta[_GENERATION] == meta["generation"] or _waiting(db) >= MOST:
        return False
    return _take_up(db, meta, now_s)


def renumber(db: apsw.Connection, store_seq: int, now_s: int) -> None:
    """Go on after the log's last number, in an older state of the store; in a write transaction.

    What waits in it may be in the log already, and so may what comes: a note says so, and nothing is left out.
    """
    db.execute(f"UPDATE {TABLE} SET seq=-(seq+?)", (store_seq + 1,))  # noqa: S608 - ours; negative, so that none meet
    db.execute(f"UPDATE {TABLE} SET seq=-seq")  # noqa: S608 - ours
    last = rows(db, f"SELECT ifnull(max(seq),0) FROM {TABLE}")[0][0]  # noqa: S608 - ours
    db.execute(f"INSERT INTO {TABLE} VALUES(?,?,NULL,NULL,NULL,NULL,?)", (store_seq + 1, now_s, ROLLED_BACK))
    write_meta(db, **{_SEQ: max(last, store_seq + 1)})


def entry(db: apsw.Connection, seq: int) -> Entry | None:
    """The entry that waits by this number."""
    found = fetch(db, Entry._fields, f"FROM {TABLE} WHERE seq=?", (seq,))
    return Entry(*found[0]) if found else None


def is_settled(db: apsw.Connection, *, store_seq: int | None) -> bool:
    """Whether :func:`settle` has nothing to do; in a read transaction."""
    if not rows(db, "SELECT 1 FROM sqlite_schema WHERE name=?", (TABLE,)):
        return False
    meta = read_meta(db)
    return _SEQ in meta and meta[_GENERATION] == meta["generation"] and (store_seq or 0) <= meta[_SEQ]


def waiting(db: apsw.Connection, *, most: int) -> list[Entry]:
    """The oldest entries, in order."""
    found = fetch(db, Entry._fields, f"FROM {TABLE} ORDER BY seq LIMIT ?", (most,))
    return [Entry(*row) for row in found]


def written(db: apsw.Connection, through: int, *, number: int, digest: str) -> None:
    """Forget the entries that are in the log for good; in a write transaction."""
    db.execute(f"DELETE FROM {TABLE} WHERE seq<=?", (through,))  # noqa: S608 - ours
    write_meta(db, **{_HEAD: f"{number}:{digest}"})


def keep_from(db: apsw.Connection, number: int) -> None:
    """Remember that lines before this one are about to go; in a write transaction."""
    write_meta(db, **{_FIRST: number})


def read_anchor(db: apsw.Connection) -> Anchor | None:
    """What the store remembers of its log; ``None`` when it was never audited."""
    if not rows(db, "SELECT 1 FROM sqlite_schema WHERE name=?", (TABLE,)):
        return None
    meta = read_meta(db)
    number, _, digest = str(meta.get(_HEAD, "0:")).partition(":")
    return Anchor(short(meta["uuid"]), int(number), digest, int(meta.get(_FIRST, 1)), _waiting(db))


def short(store_uuid: str) -> str:
    """What a store is called in its log."""
    return store_uuid[:8]


def _take_up(db: apsw.Connection, meta: dict[str, Any], now_s: int) -> bool:
    """Take changes from the history that were folded without an audit."""
    last = meta[_HISTORY]
    if meta.get("audit_gap") != meta[_GENERATION]:
        _note(db, meta[_SEQ], GAP, now_s)
        write_meta(db, audit_gap=meta[_GENERATION])
        return True
    found = fetch(
        db,
        ("seq", "at", "job_id", "old", "new", "ids"),
        "FROM hyperjobs_history WHERE seq>? ORDER BY seq LIMIT ?",
        (last, _HISTORY_ROWS),
    )
    _add(
        db,
        meta[_SEQ],
        (
            (at, each, None, old, new, "history")
            for _, at, job_id, old, new, ids in found
            for each in (json.loads(ids) if ids is not None else (job_id,))
        ),
    )
    if found:
        write_meta(db, **{_HISTORY: found[-1][0]})
    if len(found) < _HISTORY_ROWS:
        write_meta(db, **{_GENERATION: meta["generation"], _HISTORY: _last_history(db)})
        return False
    return True


def _add(db: apsw.Connection, seq: int, changes: Iterable[Audited]) -> None:
    values = [(number, *change) for number, change in enumerate(changes, seq + 1)]
    db.executemany(f"INSERT INTO {TABLE} VALUES(?,?,?,?,?,?,?)", values)
    if values:
        write_meta(db, **{_SEQ: values[-1][0]})


def _note(db: apsw.Connection, seq: int, source: str, now_s: int) -> None:
    _add(db, seq, [(now_s, None, None, None, None, source)])


def _waiting(db: apsw.Connection) -> int:
    # the numbers follow each other, so this counts them without reading them
    first, last = rows(db, f"SELECT (SELECT min(seq) FROM {TABLE}),(SELECT max(seq) FROM {TABLE})")[0]  # noqa: S608 - ours
    return 0 if first is None else int(last - first + 1)


def _last_history(db: apsw.Connection) -> int:
    return int(rows(db, "SELECT ifnull(max(seq),0) FROM hyperjobs_history")[0][0])
