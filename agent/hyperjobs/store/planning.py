"""The statistics that SQLite's planner goes by, renewed where a store has some."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import apsw

    from hyperjobs.store.connection import Connection

_ROWS_AN_INDEX: Final = 400
"""Looked at by ANALYZE, which takes 40 ms of the write lock for a million jobs then, and 0.4 s without a limit."""


def has_statistics(connection: Connection) -> bool:
    """Whether somebody has run ANALYZE on the store."""
    return "sqlite_stat1" in connection.read(_statistics)


def renew_statistics(connection: Connection) -> None:
    """Run a limited ANALYZE of what has statistics already, and leave no table behind that was not there.

    Our SQLite keeps a sqlite_stat4 that the writers' own may not know, so it is dropped in the same transaction.
    """
    connection.rows(f"PRAGMA analysis_limit={_ROWS_AN_INDEX}")
    connection.write(_renew)


def _renew(db: apsw.Connection) -> None:
    before = _statistics(db)
    tables = [str(name) for (name,) in db.execute("SELECT DISTINCT tbl FROM sqlite_stat1")]
    for table in tables:
        db.execute(f'ANALYZE "{table.replace(chr(34), chr(34) * 2)}"')
    for name in _statistics(db) - before:
        db.execute(f"DROP TABLE {name}")


def _statistics(db: apsw.Connection) -> set[str]:
    sql = "SELECT name FROM sqlite_schema WHERE name IN ('sqlite_stat1','sqlite_stat3','sqlite_stat4')"
    return {str(name) for (name,) in db.execute(sql)}
