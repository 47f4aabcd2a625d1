"""The indexes of a store's own tables, and building them anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hyperjobs.store.connection import Connection


@dataclass(frozen=True, slots=True)
class Index:
    """One index.

    Attributes:
        rows: of its table, at the most: what building it anew reads.
    """

    name: str
    table: str
    size_bytes: int
    rows: int


def read_indexes(connection: Connection) -> list[Index]:
    """Every index of the store, ours among them, by table and name; reads the indexes' own pages, for their size."""
    found = connection.rows(
        "SELECT i.name,i.tbl_name,coalesce((SELECT d.pgsize FROM dbstat d WHERE d.name=i.name AND d.aggregate=1),0)"
        " FROM sqlite_schema i WHERE i.type='index' ORDER BY i.tbl_name,i.name"
    )
    rows = {table: connection.value(f"SELECT count(*) FROM {_quoted(table)}") for _, table, _ in found}  # noqa: S608 - quoted
    return [Index(name, table, size, rows[table]) for name, table, size in found]


def rebuild(connection: Connection, name: str) -> None:
    """Build one index anew, a transaction of its own; writers wait for it.

    Raises:
        StoreBusyError: a writer held the lock for longer than the connection waits.
        StoreError: two rows have one key; the index is as it was.
    """
    connection.rows(f"REINDEX main.{_quoted(name)}")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
