"""The new store that what was saved is put into, row by row, with the rowids that they had."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import apsw

from hyperjobs.store.cells import Cells, RawText, is_same, read_cells
from hyperjobs.store.connection import Connection
from hyperjobs.store.failure import translate
from hyperjobs.store.ledger.baseline import take_baseline
from hyperjobs.store.ledger.install import install
from hyperjobs.store.rows import COLUMN_LIST
from hyperjobs.store.salvage.layout import standard_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hyperjobs.clock import Clock
    from hyperjobs.store.ledger.options import LedgerOptions
    from hyperjobs.store.salvage.layout import Layout
    from hyperjobs.store.salvage.pages import PageFile

_MARKS: Final = COLUMN_LIST.count(",") + 1
_INSERT: Final = f"INSERT INTO jobs(rowid,{COLUMN_LIST}) VALUES(?,{','.join('?' * _MARKS)})"
_VERSION: Final = 60
_APPLICATION: Final = 68


class NewStore:
    """A store in the making, in a folder that nobody else looks into: it has neither a journal nor syncs until it is done.

    Args:
        path: an empty file.
        layout: of the damaged store: what its tables and indexes were.
        pages: of the damaged store.
        clock: stamps the ledger.
        is_stopping: asked while statements run.

    Attributes:
        left_out: names of indexes that its rows do not allow.

    Raises:
        StoreError: of every method: it cannot be written, or a stop came.
    """

    def __init__(
        self, path: Path, layout: Layout, pages: PageFile, *, clock: Clock, is_stopping: Callable[[], bool]
    ) -> None:
        self._clock = clock
        self._is_stopping = is_stopping
        self.connection = Connection(path, synchronous="OFF", clock=clock, is_stopping=is_stopping, may_be_remote=True)
        self.raw = self.connection.raw
        self.left_out: list[str] = []
        try:
            self._begin(layout, pages)
        except apsw.Error as exc:
            self.close()
            raise translate(exc, path) from exc

    def _begin(self, layout: Layout, pages: PageFile) -> None:
        for pragma in (
            "locking_mode=EXCLUSIVE",
            "journal_mode=OFF",
            f"page_size={pages.geometry.page_size}",
            "auto_vacuum=INCREMENTAL",
            "cache_size=-65536",
        ):
            self.raw.execute(f"PRAGMA {pragma}").fetchall()
        self._indexes = [sql for sql in self._statements(layout) if not self._create(sql)]
        if layout.schema:
            for pragma, offset in (("user_version", _VERSION), ("application_id", _APPLICATION)):
                number = pages.header_number(offset)
                self.raw.execute(f"PRAGMA {pragma}={number - 2**32 if number >= 2**31 else number}")
        self.raw.execute("BEGIN")

    @staticmethod
    def _statements(layout: Layout) -> Iterator[str]:
        """The table as it was, or as hypersdk makes it; its indexes as they were; and hypersdk's own."""
        standard = standard_schema()
        own = [row for row in layout.schema if row.table.lower() == "jobs" and row.sql]
        yield layout.table or standard[0]
        indexes = {row.name.lower(): str(row.sql) for row in own if row.kind == "index"}
        for sql in standard:
            if sql.startswith("CREATE INDEX"):
                indexes.setdefault(sql.split()[2].lower(), sql)
        yield from indexes.values()

    def _create(self, sql: str) -> bool:
        """Create the table now; indexes are built when the rows are in."""
        if sql.upper().startswith("CREATE TABLE"):
            self.raw.execute(sql)
            return True
        return False

    def add(self, rowid: int | None, cells: Cells) -> bool:
        """Put a row in; ``False`` when its rowid or its id is taken, or the table does not take it."""
        try:
            if RawText in map(type, cells):
                marks = ",".join("CAST(? AS TEXT)" if type(cell) is RawText else "?" for cell in cells)
                plain = tuple(bytes(cell) if type(cell) is RawText else cell for cell in cells)
                self.raw.execute(f"INSERT INTO jobs(rowid,{COLUMN_LIST}) VALUES(?,{marks})", (rowid, *plain))
            else:
                self.raw.execute(_INSERT, (rowid, *cells))
        except apsw.ConstraintError:
            return False
        except apsw.Error as exc:
            raise translate(exc, self.connection.path) from exc
        return True

    def count(self, low: int, high: int) -> int:
        """How many rowids above the one, up to the other, are in."""
        sql = "SELECT count(*) FROM jobs NOT INDEXED WHERE rowid BETWEEN ? AND ?"
        return int(self.connection.value(sql, (max(low + 1, -(2**63)), high)))

    def created_at(self, rowid: int, *, before: bool) -> object:
        """When the job next to a rowid was created, on the one side or the other."""
        side, order = ("<", "DESC") if before else (">", "ASC")
        value = self.connection.value(
            f"SELECT CAST(created_at AS BLOB) FROM jobs WHERE rowid{side}=? ORDER BY rowid {order} LIMIT 1",  # noqa: S608 - two words
            (max(min(rowid, 2**63 - 1), -(2**63)),),
        )
        return value.decode(errors="replace") if isinstance(value, bytes) else value

    def finish(self, ledger: LedgerOptions | None) -> int:
        """Build the indexes, and the ledger if there is to be one; how many jobs are in."""
        for sql in self._indexes:
            self.connection.run(lambda db, sql=sql: self._index(db, sql))  # type: ignore[misc]
        self.connection.commit()
        if ledger is not None:
            install(self.connection, now=self._clock.now(), bounds=ledger.bounds)
            take_baseline(self.connection, ledger, clock=self._clock, pace=_Unhurried(self._is_stopping))
        return int(self.connection.value("SELECT count(*) FROM jobs"))

    def _index(self, db: apsw.Connection, sql: str) -> None:
        try:
            db.execute(sql)
        except (apsw.ConstraintError, apsw.SQLError):  # one that somebody added, and that is unique or not whole
            self.left_out.append(sql.partition(" ON ")[0].split()[-1])

    def differing(self, expected: Iterator[tuple[int, Cells]]) -> int:
        """How many rows are not, to the bit, what they should be.

        Args:
            expected: rowids and values, in the order of rowids.
        """
        wrong = 0
        for rowid, cells in expected:
            found = self.connection.run(lambda db, rowid=rowid: read_cells(db, "WHERE rowid=?", (rowid,)))  # type: ignore[misc]
            wrong += not (found and is_same(found[0][1], cells))
        return wrong

    def close(self) -> None:
        """Let the file go."""
        self.connection.close()


class _Unhurried:
    """The pace of who is alone."""

    def __init__(self, is_stopping: Callable[[], bool]) -> None:
        self.is_stopping = is_stopping

    def rest(self, seconds: float) -> None:
        """Nobody waits."""
