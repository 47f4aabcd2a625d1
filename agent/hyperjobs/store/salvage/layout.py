"""How the rows of ``jobs`` are laid out, and where its table and indexes begin, as far as a damaged schema says."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import apsw

from hyperjobs.errors import StoreRefusedError
from hyperjobs.store.flavour import COLUMNS
from hyperjobs.store.salvage.record import BrokenRecordError, table_cell, values_of
from hyperjobs.store.salvage.tree import Gap, walk_table

if TYPE_CHECKING:
    from pathlib import Path

    from hyperjobs.store.salvage.pages import PageFile

_SCHEMA_COLUMNS: Final = 5
_REAL: Final = ("REAL", "FLOA", "DOUB")
_NOT_REAL: Final = ("INT", "CHAR", "CLOB", "TEXT", "BLOB")
_MOST_SQL: Final = 100_000
_MOST_STEPS: Final = 10_000_000
"""Of SQLite's virtual machine: far more than it takes to describe a table, and some tenths of a second."""
_TABLE: Final = re.compile(r"""CREATE TABLE\s+("[^"]*"|'[^']*'|`[^`]*`|\[[^\]]*\]|\w+)\s*\(""", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaRow:
    """One object of the schema.

    Attributes:
        root: the page its tree begins on, 0 for what has none.
    """

    kind: str
    name: str
    table: str
    root: int
    sql: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """An index of one column: what it says of a row can be held against the row.

    Attributes:
        name: of the index.
        root: 0 when nobody knows where it begins.
        column: its place in ``COLUMNS``.
        is_descending: its order.
    """

    name: str
    root: int
    column: int
    is_descending: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What is known of ``jobs``.

    Attributes:
        root: of its table, 0 when nobody knows.
        places: of each column in ``COLUMNS``, its place in a record.
        defaults: of each value in a record, for records that lack it.
        reals: places that hold REAL.
        required: places that must not be NULL.
        witnesses: indexes of one column.
        schema: every object that could be read.
        table: the statement that made the table; ``None`` when it is not to be had.
        is_whole: the schema was read without a gap.
    """

    root: int
    places: tuple[int, ...]
    defaults: tuple[Any, ...]
    reals: frozenset[int]
    required: frozenset[int]
    witnesses: tuple[Witness, ...]
    schema: tuple[SchemaRow, ...] = field(default=())
    table: str | None = None
    is_whole: bool = False


def read_layout(pages: PageFile, path: Path) -> Layout:
    """Read the schema of a damaged store; where it says nothing of ``jobs``, hypersdk's own.

    Raises:
        StoreRefusedError: its ``jobs`` is of a form that no row can be told from, or it is the daemon's.
    """
    schema, is_whole = _schema(pages)
    jobs = next((row for row in schema if row.kind == "table" and row.name.lower() == "jobs"), None)
    if jobs is None or not jobs.sql:
        return _usual(schema)
    tables = [jobs.sql, *(row.sql for row in schema if row.kind == "index" and row.table.lower() == "jobs" and row.sql)]
    roots = {row.name: row.root for row in schema}
    try:
        found = _described(tables, roots)
    except apsw.Error:  # a statement that is no longer one
        return _usual(schema, root=jobs.root)
    if found is None:
        raise StoreRefusedError(
            f"{path}: its jobs table is not that of hypersdk's own client; restore the newest verified backup",
            reason="foreign",
        )
    return Layout(root=jobs.root, schema=tuple(schema), table=jobs.sql, is_whole=is_whole, **found)


def makes_table(sql: str, name: str) -> bool:
    """Whether a statement of a schema makes a plain table of this name: no query in it could run, and without end."""
    found = _TABLE.match(sql)
    return found is not None and len(sql) <= _MOST_SQL and found[1].strip("\"'`[]").lower() == name.lower()


def standard_schema() -> list[str]:
    """The statements of a store as hypersdk makes it."""
    text = resources.files("hyperjobs.store").joinpath("schema.sql").read_text(encoding="utf-8")
    return [statement.strip().rstrip(";") for statement in text.split(";\n") if statement.strip()]


def _usual(schema: list[SchemaRow], root: int = 0) -> Layout:
    """Hypersdk's own layout, with the roots that are known all the same."""
    statements = [sql for sql in standard_schema() if sql.startswith(("CREATE TABLE jobs", "CREATE INDEX"))]
    roots = {row.name: row.root for row in schema if row.kind == "index"}
    found = _described(statements, roots)
    assert found is not None  # noqa: S101 - it is our own
    return Layout(root=root, schema=tuple(schema), **found)


def _schema(pages: PageFile) -> tuple[list[SchemaRow], bool]:
    found: list[SchemaRow] = []
    is_whole = True
    for leaf in walk_table(pages, 1, set()):
        if isinstance(leaf, Gap):
            is_whole = False
            continue
        is_whole = is_whole and leaf.node.is_sane
        for at in leaf.node.cells:
            row = _schema_row(pages, leaf.node.data, at)
            is_whole = is_whole and row is not None
            if row is not None:
                found.append(row)
    return found, is_whole


def _schema_row(pages: PageFile, data: bytes, at: int) -> SchemaRow | None:
    try:
        if at < 0:
            return None
        values, is_exact = values_of(table_cell(pages, data, at).payload)
    except BrokenRecordError:
        return None
    if len(values) != _SCHEMA_COLUMNS or not is_exact:
        return None
    kind, name, table, root, sql = values
    if not all(type(text) is str for text in (kind, name, table)) or type(sql) not in {str, type(None)}:
        return None
    return SchemaRow(kind=kind, name=name, table=table, root=root if type(root) is int else 0, sql=sql)


def _described(statements: list[str], roots: dict[str, int]) -> dict[str, Any] | None:
    """What SQLite makes of the statements; ``None`` when that is not hypersdk's table.

    Raises:
        apsw.Error: the first of them is no statement.
    """
    table, *indexes = statements
    if not makes_table(table, "jobs"):
        raise apsw.SQLError("no table")
    db = apsw.Connection(":memory:")
    try:
        db.set_progress_handler(lambda: True, _MOST_STEPS)
        db.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
        db.execute(table)
        for sql in indexes:
            if sql.upper().startswith(("CREATE INDEX", "CREATE UNIQUE INDEX")):
                with contextlib.suppress(apsw.Error):
                    db.execute(sql)
        columns: list[Any] = db.execute(
            "SELECT name,type,\"notnull\",dflt_value,pk,hidden FROM pragma_table_xinfo('jobs')"
        ).fetchall()
        names = [str(row[0]).lower() for row in columns]
        is_rowid = any(row[4] and str(row[1]).upper() == "INTEGER" for row in columns)
        without = db.execute("SELECT wr FROM pragma_table_list WHERE name='jobs'").fetchall()
        if sorted(names) != sorted(COLUMNS) or is_rowid or any(row[5] for row in columns) or without[0][0]:
            return None
        return {
            "places": tuple(names.index(name) for name in COLUMNS),
            "defaults": tuple(db.execute(f"SELECT {row[3] or 'NULL'}").fetchall()[0][0] for row in columns),
            "reals": frozenset(index for index, row in enumerate(columns) if _is_real(str(row[1]))),
            "required": frozenset(index for index, row in enumerate(columns) if row[2]),
            "witnesses": tuple(_witnesses(db, roots)),
        }
    finally:
        db.close()


def _witnesses(db: apsw.Connection, roots: dict[str, int]) -> list[Witness]:
    found = []
    for name, is_partial in db.execute("SELECT name,partial FROM pragma_index_list('jobs')").fetchall():
        keys: list[Any] = db.execute(
            'SELECT name,"desc",coll FROM pragma_index_xinfo(?) WHERE key AND cid>=0', (name,)
        ).fetchall()
        parts = db.execute("SELECT count(*) FROM pragma_index_xinfo(?) WHERE key", (name,)).fetchall()[0][0]
        if parts != 1 or not keys or is_partial or keys[0][2] != "BINARY":
            continue
        column, is_descending, _ = keys[0]
        found.append(
            Witness(
                name=str(name),
                root=roots.get(str(name), 0),
                column=COLUMNS.index(str(column).lower()),
                is_descending=bool(is_descending),
            )
        )
    return found


@cache
def _is_real(declared: str) -> bool:
    word = declared.upper()
    return not any(part in word for part in _NOT_REAL) and any(part in word for part in _REAL)
