"""A store filled from nothing by whoever alone has its file: quicker than beside writers, and no store until it is whole."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from hyperjobs.store.cells import Cells, insert_many
from hyperjobs.store.connection import Connection
from hyperjobs.store.creation import lay_out, make_file
from hyperjobs.store.ledger.install import install
from hyperjobs.store.models import JobFilter
from hyperjobs.store.pins import write_pins
from hyperjobs.store.query import condition_of
from hyperjobs.store.walk import walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime
    from pathlib import Path

    import apsw

    from hyperjobs.store.pins import Pin

_BATCH_ROWS: Final = 1_000
_CACHE_KIB: Final = 12 * 1024
_MODULUS: Final = 2**256
_HISTORY: Final = "INSERT INTO hyperjobs_history(job_id,at,old,new) VALUES(?,?,?,?)"


class Content:
    """How many jobs there are, and the sum of the hashes of all their values with their types: in any order the same."""

    def __init__(self) -> None:
        self.jobs = 0
        self.digest = 0

    def add(self, cells: Cells) -> None:
        """Count one."""
        self.jobs += 1
        raw = repr([(type(cell).__name__, cell) for cell in cells]).encode(errors="surrogatepass")
        self.digest = (self.digest + int.from_bytes(hashlib.blake2b(raw, digest_size=32).digest())) % _MODULUS

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Content) and (self.jobs, self.digest) == (other.jobs, other.digest)

    __hash__ = None  # type: ignore[assignment]


class NewStore:
    """A store in the making."""

    def __init__(self, path: Path) -> None:
        """Lay it out as hypersdk's own client does; its indexes come at the end."""
        self.content = Content()
        make_file(path)
        self._connection = Connection(path, synchronous="OFF", may_be_remote=True)
        lay_out(self._connection)
        # a kill leaves a file that nobody takes for a store: it has not its name yet
        for pragma in ("journal_mode=MEMORY", "locking_mode=EXCLUSIVE", f"cache_size=-{_CACHE_KIB}"):
            self._connection.rows(f"PRAGMA {pragma}")
        self._indexes = self._connection.rows(
            "SELECT name,sql FROM sqlite_schema WHERE type='index' AND tbl_name='jobs' AND sql IS NOT NULL"
        )
        for name, _ in self._indexes:
            self._connection.rows(f'DROP INDEX "{name}"')

    def add(self, jobs: Sequence[Cells]) -> None:
        """Put jobs in; their ids are met once and in order."""
        for cells in jobs:
            self.content.add(cells)
        self._connection.write(lambda db: insert_many(db, jobs))

    def index(self, told: Callable[[int, int], object]) -> None:
        """Build its indexes; ``told`` how many are built and how many there are."""
        for place, (_, sql) in enumerate(self._indexes):
            told(place, len(self._indexes))
            self._connection.rows(sql)

    def keep_past(
        self,
        changes: Iterable[tuple[str, int, str | None, str | None]],
        *,
        now: datetime,
        bounds: Sequence[float],
        keep_on: Callable[[], None],
    ) -> int:
        """Put a ledger in, as the agent does, with these changes as its history; how many.

        The agent counts the jobs when it comes: the ledger waits for its baseline.
        """
        install(self._connection, now=now, bounds=bounds)
        count = 0
        batch: list[Any] = []

        def write(db: apsw.Connection) -> None:
            db.executemany(_HISTORY, batch)

        for change in changes:
            batch.append(change)
            count += 1
            if len(batch) >= _BATCH_ROWS:
                self._connection.write(write)
                batch.clear()
                keep_on()
        self._connection.write(write)
        return count

    def pin(self, pins: Iterable[Pin]) -> int:
        """Pin those of these that are in it; how many."""
        return self._connection.write(lambda db: write_pins(db, pins))

    def close(self) -> None:
        """Make it a store like any other, and let its file go."""
        try:
            self._connection.rows("PRAGMA locking_mode=NORMAL")
            self._connection.rows("PRAGMA journal_mode=WAL")
        finally:
            self._connection.close()


def content_of(path: Path, told: Callable[[int], object]) -> Content:
    """Read every job of a file that nobody has open; ``told`` how many so far.

    Raises:
        StoreError: it could not be read.
    """
    found = Content()
    connection = Connection(path, immutable=True)
    try:
        for page in walk(connection, condition_of(JobFilter())):
            for cells in page:
                found.add(cells)
            told(found.jobs)
    finally:
        connection.close()
    return found
