"""The other tables of a damaged store, brought over as far as SQLite can read them."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import apsw

from hyperjobs.store.failure import translate
from hyperjobs.store.ledger.schema import statements
from hyperjobs.store.salvage.layout import makes_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hyperjobs.store.salvage.layout import Layout, SchemaRow

_REMADE: Final = frozenset({"hyperjobs_log", "hyperjobs_gauge"})
"""Of the ledger: what was not folded belongs to rows as they were, and gauges are counted anew."""
_LEDGER: Final = frozenset(name for name, sql in statements("tables.sql").items() if sql.startswith("CREATE TABLE"))
_ESSENTIAL: Final = _LEDGER - _REMADE - {"hyperjobs_history"}
"""A ledger that lacks a row of these would count wrong for ever; it is begun anew instead."""
_LEAST_ROW_BYTES: Final = 4
_ROWS_BETWEEN_LOOKS: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherTable:
    """One table beside ``jobs``.

    Attributes:
        rows: brought over.
        is_whole: all of it could be read.
    """

    name: str
    rows: int
    is_whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Others:
    """What became of everything beside ``jobs``.

    Attributes:
        left_out: triggers and views that are neither hypersdk's nor ours, and indexes that cannot be made, by name.
        ledger: ``kept``, ``anew`` or ``none``.
    """

    tables: tuple[OtherTable, ...]
    left_out: tuple[str, ...]
    ledger: str


def bring_others(copy: Path, layout: Layout, into: apsw.Connection, keep_on: Callable[[], None]) -> Others:
    """Copy every table but ``jobs``, from its beginning, and where that fails from its end as well.

    Args:
        copy: the private copy of the damaged store; no handle is on it but those that read.
        layout: its schema.
        into: the new store, in a transaction.
        keep_on: called often; what it raises ends the work.

    Raises:
        StoreError: the new store could not take them.
    """
    try:
        return _bring_others(copy, layout, into, keep_on)
    except apsw.Error as exc:
        raise translate(exc, Path(into.filename)) from exc


def _bring_others(copy: Path, layout: Layout, into: apsw.Connection, keep_on: Callable[[], None]) -> Others:
    indexes: list[str] = []
    source = apsw.Connection(f"{copy.as_uri()}?immutable=1", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    try:
        source.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
        source.execute("PRAGMA writable_schema=ON")  # one broken line of the schema is not to hide the others
        found = [
            _bring(source, row, layout, into, copy.stat().st_size // _LEAST_ROW_BYTES, indexes, keep_on)
            for row in layout.schema
            if row.kind == "table" and _is_wanted(row)
        ]
        _bring_numbers(source, into, {table.name for table in found})
    finally:
        source.close()
    whole = {table.name for table in found if table.is_whole}
    ledger = "none"
    if any(row.name.startswith("hyperjobs_log") or row.name in _ESSENTIAL for row in layout.schema):
        ledger = "kept" if whole >= _ESSENTIAL else "anew"
    if ledger == "anew":
        for name in _LEDGER:
            into.execute(f'DROP TABLE IF EXISTS "{name}"')
    elif ledger == "kept":
        for name, sql in statements("tables.sql").items():
            if name in _REMADE or not into.execute("SELECT 1 FROM sqlite_schema WHERE name=?", (name,)).fetchall():
                into.execute(sql)
    left_out = [
        row.name
        for row in layout.schema
        if row.kind in {"trigger", "view"} and not row.name.lower().startswith("hyperjobs_")
    ]
    return Others(tables=tuple(found), left_out=(*left_out, *indexes), ledger=ledger)


def _is_wanted(row: SchemaRow) -> bool:
    name = row.name.lower()
    return name != "jobs" and not name.startswith("sqlite_") and name not in _REMADE


def _bring(  # noqa: PLR0913, PLR0917 - one table, from where to where
    source: apsw.Connection,
    row: SchemaRow,
    layout: Layout,
    into: apsw.Connection,
    most: int,
    left_out: list[str],
    keep_on: Callable[[], None],
) -> OtherTable:
    sql = row.sql or ""
    try:
        if not makes_table(sql, row.name):
            return OtherTable(name=row.name, rows=0, is_whole=False)
        into.execute(sql)
        for index in layout.schema:
            if index.kind == "index" and index.table == row.name and index.sql:
                try:
                    into.execute(index.sql)
                except apsw.SQLError:  # of a function or an order of texts that only its program has
                    left_out.append(index.name)
        columns = [str(found[0]) for found in source.execute("SELECT name FROM pragma_table_info(?)", (row.name,))]
    except (apsw.SQLError, apsw.CorruptError):
        return OtherTable(name=row.name, rows=0, is_whole=False)
    if not columns:  # a line of the schema that SQLite does not get to, behind a damaged page of it
        return OtherTable(name=row.name, rows=0, is_whole=False)
    is_whole = _copy(source, into, row.name, columns, "", most, keep_on)
    if not is_whole:
        with contextlib.suppress(apsw.SQLError):  # a table without rowids has but one order
            _copy(source, into, row.name, columns, " ORDER BY rowid DESC", most, keep_on)
    rows: Any = into.execute(f"SELECT count(*) FROM {_quoted(row.name)}").fetchall()  # noqa: S608 - quoted
    return OtherTable(name=row.name, rows=rows[0][0], is_whole=is_whole)


def _copy(  # noqa: PLR0913, PLR0917 - as above
    source: apsw.Connection,
    into: apsw.Connection,
    name: str,
    columns: list[str],
    order: str,
    most: int,
    keep_on: Callable[[], None],
) -> bool:
    """Copy rows up to the first that cannot be read; whether there was none, and each was taken."""
    names = [_quoted(column) for column in columns]
    read = ",".join(
        f"CASE typeof({one}) WHEN 'text' THEN CAST({one} AS BLOB) ELSE {one} END,typeof({one})" for one in names
    )
    taken = 0
    try:
        rows: Iterator[Any] = source.execute(f"SELECT {read} FROM {_quoted(name)}{order}")  # noqa: S608 - quoted
        for count, row in enumerate(rows):
            if count > most:  # more than fit into the file: it goes in circles
                return False
            if count % _ROWS_BETWEEN_LOOKS == 0:
                keep_on()
            marks = ",".join("CAST(? AS TEXT)" if kind == "text" else "?" for kind in row[1::2])
            into.execute(
                f"INSERT OR IGNORE INTO {_quoted(name)}({','.join(names)}) VALUES({marks})",
                row[::2],
            )
            taken += into.changes()
            if taken <= count and not order:
                return False
    except (apsw.CorruptError, apsw.NotADBError, apsw.TooBigError):
        return False
    return True


def _bring_numbers(source: apsw.Connection, into: apsw.Connection, names: set[str]) -> None:
    """Let tables of AUTOINCREMENT go on from the greatest number they ever gave: one of a deleted row must not come again."""
    found: list[Any] = []
    with contextlib.suppress(apsw.SQLError, apsw.CorruptError, apsw.NotADBError):  # no such table, or it is damaged
        found = source.execute("SELECT name,seq FROM sqlite_sequence WHERE typeof(seq)='integer'").fetchall()
    with contextlib.suppress(apsw.SQLError):  # no table of the new store counts so
        for name, number in found:
            if name in names:
                into.execute(
                    "INSERT INTO sqlite_sequence SELECT ?1,0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name=?1)",
                    (name,),
                )
                into.execute("UPDATE sqlite_sequence SET seq=max(seq,?2) WHERE name=?1", (name, number))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
