"""Putting jobs from elsewhere into a store beside writers that go on, such that a second time changes nothing.

They are rows that come *back*: in a store with a ledger they move the gauges and not the counters, see
:mod:`hyperjobs.store.returning`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from hyperjobs.store import instant
from hyperjobs.store.cells import Cells, RawText, by_id, id_of, insert_many, is_same, read_cells
from hyperjobs.store.flavour import COLUMNS
from hyperjobs.store.query import micros_of
from hyperjobs.store.returning import bracket
from hyperjobs.store.wal_length import WalLength

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import apsw

    from hyperjobs.store.connection import Connection

_BATCH_ROWS: Final = 250
"""As a prune deletes: some milliseconds of the write lock."""
_ALONE_ROWS: Final = 4_000
"""While nobody else is seen to write: half the work a job, since jobs of one batch share the pages they touch."""
_ALONE_S: Final = 0.1
"""And so long at most it should then keep the lock: on a slow disk it is fewer jobs."""
_BATCH_BYTES: Final = 4 * 1024 * 1024
"""At most so much of them but for the first row: a text can be a hundred megabytes long."""
_CACHE_KIB: Final = 16 * 1024
"""Ids are random, so that each job touches pages all over six trees."""
_ALONE_SHARE: Final = 0.1
"""Of the time of batches is rested while nobody else is seen to write."""
_RETRY_S: Final = 0.11
"""SQLite looks for the lock once in 0.1 s, so that a writer who comes meanwhile can miss any number of shorter rests."""
_COMPANY_S: Final = 5.0
"""After another's commit was seen, transactions are short, and we rest as long as we work."""
_FIRST_S: Final = 1.0
"""So long at the start too, for it is not known yet who is there."""

_TIMES: Final = tuple(COLUMNS.index(name) for name in ("created_at", "started_at", "completed_at"))
_SEEN: Final = "temp.hyperjobs_seen"


class Policy(StrEnum):
    """What becomes of a job whose id is in the store."""

    SKIP = "skip"
    """It stays as it is."""
    NEWER = "newer"
    """It is replaced when the last thing that happened to the other one is later: created, started or completed."""
    REPLACE = "replace"
    """It is replaced."""


@dataclass(slots=True)
class Merged:
    """What became of some jobs.

    Attributes:
        inserted: those that were not there.
        replaced: those that took the place of another.
        skipped: those whose id was there; that job stayed.
        same: those that were there already, to the bit.
    """

    inserted: int = 0
    replaced: int = 0
    skipped: int = 0
    same: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.inserted + self.replaced + self.skipped + self.same

    def add(self, other: Merged) -> None:
        """Count those, too."""
        self.inserted += other.inserted
        self.replaced += other.replaced
        self.skipped += other.skipped
        self.same += other.same


def merge(
    connection: Connection,
    rows: Iterable[Cells],
    *,
    policy: Policy = Policy.SKIP,
    pause: Callable[[float], object] = lambda _seconds: None,
    is_dry: bool = False,
) -> Iterator[Merged]:
    """Put jobs into the store, batch by batch; yields what became of each batch, once it is committed.

    Jobs without an id, which SQLite lets be there, are told apart by all that they hold.

    Args:
        connection: of which each batch is a transaction.
        rows: the jobs as they shall lie in the file.
        policy: for those whose id is there.
        pause: called between two batches with the seconds to leave to the writers. ``True`` ends it.
        is_dry: write nothing, and say what would become of them, also of two with one id.

    Raises:
        StoreError: the store could not do it; batches that were committed stay so.
    """
    if is_dry:
        connection.rows(f"CREATE TABLE IF NOT EXISTS {_SEEN}(id PRIMARY KEY,at,digest) WITHOUT ROWID")
        for batch in _batches(rows):
            yield connection.read(lambda db, batch=batch: _foresee(db, batch, policy))  # type: ignore[misc]
            if pause(0.0):
                return
        return
    kept = connection.value("PRAGMA wal_autocheckpoint")
    connection.rows(f"PRAGMA cache_size=-{_CACHE_KIB}")
    connection.rows("PRAGMA wal_autocheckpoint=0")  # it would checkpoint within the commit, and everybody waits
    try:
        yield from _merge_all(connection, rows, policy, pause)
    finally:
        connection.rows(f"PRAGMA wal_autocheckpoint={kept}")


def _merge_all(
    connection: Connection, rows: Iterable[Cells], policy: Policy, pause: Callable[[float], object]
) -> Iterator[Merged]:
    clock, length, company = connection.clock, WalLength(connection, pause), _Company(connection)
    for batch in _batches(rows, company.batch_rows):
        began_s = clock.monotonic()
        done: Merged = connection.write(lambda db, batch=batch: _merge(db, batch, policy))  # type: ignore[misc]
        took_s = clock.monotonic() - began_s
        yield done
        company.look()
        company.took(len(batch), took_s)
        # alone, a page that several batches touch is moved once for all of them
        if company.is_there() or length.is_long():
            length.keep_short()
        if pause(company.rest_s(took_s)):
            return


class _Company:
    """Whether others write to the store, as the commits that are seen there tell."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._version = self._read()
        self._until_s = connection.clock.monotonic() + _FIRST_S
        self._alone_rows = _BATCH_ROWS
        self._owed_s = 0.0

    def look(self) -> None:
        """Notice a commit of another since the last look."""
        version = self._read()
        if version != self._version:
            self._version, self._until_s = version, self._connection.clock.monotonic() + _COMPANY_S

    def is_there(self) -> bool:
        """Whether one was seen a short while ago."""
        return self._connection.clock.monotonic() < self._until_s

    def batch_rows(self) -> int:
        """How many jobs to put in at once."""
        return _BATCH_ROWS if self.is_there() else self._alone_rows

    def took(self, rows: int, seconds: float) -> None:
        """Learn from the last batch how many jobs the next one may have."""
        held = int(rows * _ALONE_S / max(seconds, 1e-6))
        self._alone_rows = min(max(held, _BATCH_ROWS), 2 * self._alone_rows, _ALONE_ROWS)

    def rest_s(self, took_s: float) -> float:
        """How long to rest after a batch: alone seldom, and then so long that whoever waits for the lock gets it."""
        if self.is_there():
            self._owed_s = 0.0
            return took_s
        self._owed_s += took_s * _ALONE_SHARE
        if self._owed_s < _RETRY_S:
            return 0.0
        rest_s, self._owed_s = self._owed_s, 0.0
        return rest_s

    def _read(self) -> int:
        return int(self._connection.value("PRAGMA data_version"))


def last_moment(cells: Cells) -> int:
    """Microseconds since 1970 of the last thing that is known to have happened to a job; the least of all for none."""
    found = [at for at in (instant.parse(_text(cells[place])) for place in _TIMES) if at is not None]
    return micros_of(max(found)) if found else -(2**63)


def _merge(db: apsw.Connection, batch: list[Cells], policy: Policy) -> Merged:
    done = Merged()
    new: list[Cells] = []
    old: list[Any] = []
    known = _known(db, batch)
    ids: set[Any] = set(map(id_of, batch))
    if not known and len(ids) == len(batch) and {*map(type, ids)} == {str}:  # as in a store that is new
        _write(db, old, batch)
        done.inserted = len(batch)
        return done
    ids.clear()
    for cells in batch:
        key = _key(cells)
        # a second one of the batch must see the first in the table
        if key in ids:
            _write(db, old, new)
            new, old, ids = [], [], set()
            known.add(id_of(cells))
        there = _there(db, cells) if type(id_of(cells)) is not str or id_of(cells) in known else None
        if there is None:
            done.inserted += 1
        elif is_same(there, cells):
            done.same += 1
            continue
        elif policy is Policy.SKIP or (policy is Policy.NEWER and last_moment(cells) <= last_moment(there)):
            done.skipped += 1
            continue
        else:
            done.replaced += 1
            old.append(id_of(there))
        new.append(cells)
        ids.add(key)
    _write(db, old, new)
    return done


def _known(db: apsw.Connection, batch: list[Cells]) -> set[Any]:
    """The ids of these jobs that the store has, as far as they are texts; one statement is a third of many."""
    ids = [job_id for job_id in map(id_of, batch) if type(job_id) is str]
    marks = ",".join("?" * len(ids))
    return {job_id for (job_id,) in db.execute(f"SELECT id FROM jobs WHERE id IN ({marks})", ids)}  # noqa: S608 - ours


def _write(db: apsw.Connection, old: list[Any], new: list[Cells]) -> None:
    # several brackets where they are many: the agent folds one at once, in a transaction of its own
    for start in range(0, len(new), _BATCH_ROWS):
        with bracket(db):
            for job_id in old if start == 0 else ():
                condition, values = by_id(job_id)
                db.execute(f"DELETE FROM jobs WHERE {condition}", values)  # noqa: S608 - ours
            insert_many(db, new[start : start + _BATCH_ROWS])


def _foresee(db: apsw.Connection, batch: list[Cells], policy: Policy) -> Merged:
    done = Merged()
    for cells in batch:
        key, at, digest = repr(_key(cells)), last_moment(cells), repr(_held(cells))
        seen: list[Any] = db.execute(f"SELECT at,digest FROM {_SEEN} WHERE id=?", (key,)).fetchall()  # noqa: S608 - ours
        there = None if seen else _there(db, cells)
        if there is not None:
            seen = [(last_moment(there), repr(_held(there)))]
        if not seen:
            done.inserted += 1
        elif seen[0][1] == digest:
            done.same += 1
            continue
        elif policy is Policy.SKIP or (policy is Policy.NEWER and at <= seen[0][0]):
            done.skipped += 1
            continue
        else:
            done.replaced += 1
        db.execute(f"INSERT OR REPLACE INTO {_SEEN} VALUES(?,?,?)", (key, at, digest))
    return done


def _there(db: apsw.Connection, cells: Cells) -> Cells | None:
    """The job of the store with this one's id."""
    job_id = id_of(cells)
    if job_id is None:
        return next((row for (_, row) in read_cells(db, "WHERE id IS NULL") if is_same(row, cells)), None)
    condition, values = by_id(job_id)
    found = read_cells(db, f"WHERE {condition}", values)
    return found[0][-1] if found else None


def _key(cells: Cells) -> Any:
    job_id = id_of(cells)
    return ("all", repr(_held(cells))) if job_id is None else (type(job_id) is RawText, job_id)


def _held(cells: Cells) -> tuple[Any, ...]:
    """The cells with their types: 1 is not 1.0 here."""
    return tuple((type(cell).__name__, cell) for cell in cells)


def _text(cell: Any) -> Any:
    return cell.decode(errors="replace") if type(cell) is RawText else cell


def _batches(rows: Iterable[Cells], most: Callable[[], int] = lambda: _BATCH_ROWS) -> Iterator[list[Cells]]:
    left = iter(rows)
    while first := list(itertools.islice(left, 1)):
        batch, size, length = first, _size(first[0]), most()
        while len(batch) < length and size < _BATCH_BYTES and (more := next(left, None)) is not None:
            batch.append(more)
            size += _size(more)
        yield batch


def _size(cells: Cells) -> int:
    return sum([len(cell) for cell in cells if cell.__class__ is str or cell.__class__ is bytes])
