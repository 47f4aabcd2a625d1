"""Putting the ledger into a store, and taking it out again without a trace."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hyperjobs.errors import StoreRefusedError
from hyperjobs.store.ledger.buckets import DEFAULT_BUCKETS
from hyperjobs.store.ledger.rollup import SCHEMA_VERSION, read_meta, write_meta
from hyperjobs.store.ledger.schema import has_tables, has_triggers, ours, statements
from hyperjobs.store.ledger.select import rows
from hyperjobs.store.pins import TABLE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import apsw

    from hyperjobs.store.connection import Connection

_SINCE_2 = " /* or op 8 */"
"""What a trigger of version 2 has and one of version 1 had not."""

_EMPTY_ROWS = 5_000
"""History rows deleted a transaction before the tables are dropped: dropping a full one would hold the write lock."""


@dataclass(frozen=True, slots=True)
class Installed:
    """What :func:`install` found and did.

    Attributes:
        changed: whether anything had to be created.
        lost_triggers: the rollups were there but triggers were not: what writers did meanwhile was not logged.
    """

    changed: bool
    lost_triggers: bool


def schema_rows(db: apsw.Connection) -> list[list[str | None]]:
    """``sqlite_schema`` without root pages, in order of name: what uninstall must give back."""
    sql = "SELECT type,name,tbl_name,sql FROM sqlite_schema WHERE name NOT LIKE 'hyperjobs\\_%' ESCAPE '\\'"
    # An index made by a PRIMARY KEY of ours has a name of SQLite's own.
    return sorted(
        (
            [str(kind), str(name), str(table), sql]
            for kind, name, table, sql in db.execute(sql)
            if not str(table).startswith("hyperjobs_")
        ),
        key=lambda row: (row[1] or "", row[0] or ""),
    )


def install(
    connection: Connection, *, now: datetime, bounds: Sequence[float] = DEFAULT_BUCKETS, rebuild: bool = False
) -> Installed:
    """Create our tables and triggers where they are missing, in one short write transaction.

    The ledger is ready only after a baseline; writers are logged from here on.

    Args:
        connection: to a store of hypersdk's flavour.
        now: recorded as the time of installation.
        bounds: histogram buckets in seconds, fixed until a rebuild.
        rebuild: drop what is there first, to change the buckets.

    Raises:
        StoreRefusedError: our tables are there in a form that this version does not know.
    """

    def work(db: apsw.Connection) -> Installed:
        found = ours(db)
        version = read_meta(db).get("schema_version") if "hyperjobs_meta" in found else None
        if version not in {None, 1, SCHEMA_VERSION}:  # first of all: a newer one is not ours to drop
            raise StoreRefusedError(
                f"{connection.path}: schema version {version} is newer than {SCHEMA_VERSION};"
                " run the hyperjobs that wrote it, or its uninstall",
                reason="newer",
            )
        if rebuild:
            _drop(db, _but_pins(found))
            found = {}
        if has_tables(found) and version is not None:
            if has_triggers(found) and version == SCHEMA_VERSION:
                return Installed(changed=False, lost_triggers=False)
            if version == 1 and _upgrade(db, found):
                return Installed(changed=True, lost_triggers=False)
            _create_triggers(db, found)
            write_meta(db, state="baseline")
            return Installed(changed=True, lost_triggers=True)
        before = schema_rows(db)
        _drop(db, _but_pins(found))
        for sql in statements("tables.sql").values():
            db.execute(sql)
        _create_triggers(db, {})
        write_meta(
            db,
            schema_version=SCHEMA_VERSION,
            uuid=str(uuid.uuid4()),
            generation=0,
            state="baseline",
            installed_at=now.isoformat(),
            bounds=json.dumps(list(bounds)),
            schema_before=json.dumps(before),
        )
        return Installed(changed=True, lost_triggers=False)

    return connection.write(work)


def uninstall(connection: Connection) -> list[str]:
    """Take out everything of ours; the triggers first, for a trigger without its log fails its writer.

    Returns:
        The names dropped; ``[]`` when there was nothing of ours.

    Raises:
        StoreRefusedError: an index or trigger of someone else sits on a table of ours.
    """
    while connection.write(_empty_some):
        pass

    def work(db: apsw.Connection) -> list[str]:
        found = ours(db)
        foreign = rows(
            db,
            "SELECT name FROM sqlite_schema WHERE tbl_name LIKE 'hyperjobs\\_%' ESCAPE '\\'"
            " AND name NOT LIKE 'hyperjobs\\_%' ESCAPE '\\' AND sql IS NOT NULL",
        )
        if foreign:
            names = ", ".join(name for (name,) in foreign)
            raise StoreRefusedError(
                f"{connection.path}: {names} sits on a table of hyperjobs; drop it first, then uninstall again"
            )
        _drop(db, found)
        return sorted(found)

    return connection.write(work)


def _upgrade(db: apsw.Connection, found: dict[str, str]) -> bool:
    """Make tables of version 1 those of version 2, which has all that 1 had; whether its triggers were all there.

    The rows of its log and its sums mean what they meant. An agent of version 1 that is still at work sees a trigger
    that it does not know, looks at the version, and refuses.
    """
    if not rows(db, "SELECT 1 FROM pragma_table_info('hyperjobs_history') WHERE name='ids'"):
        db.execute("ALTER TABLE hyperjobs_history ADD COLUMN ids TEXT")
    write_meta(db, schema_version=SCHEMA_VERSION)
    if any(found.get(name) != sql.replace(_SINCE_2, "") for name, sql in statements("triggers.sql").items()):
        return False
    _create_triggers(db, found)
    return True


def _empty_some(db: apsw.Connection) -> int:
    if "hyperjobs_history" not in ours(db):
        return 0
    db.execute("DELETE FROM hyperjobs_history WHERE seq IN (SELECT seq FROM hyperjobs_history LIMIT ?)", (_EMPTY_ROWS,))
    return db.changes()


def _but_pins(found: dict[str, str]) -> dict[str, str]:
    """Without the table of pinned jobs: somebody's word, which no count of rows could bring back."""
    return {name: sql for name, sql in found.items() if name != TABLE}


def _drop(db: apsw.Connection, found: dict[str, str]) -> None:
    for kind in ("TRIGGER", "TABLE"):  # a table takes its indexes along
        for name, sql in found.items():
            if sql.upper().startswith(f"CREATE {kind}"):
                db.execute(f'DROP {kind} "{name}"')


def _create_triggers(db: apsw.Connection, found: dict[str, str]) -> None:
    for name, sql in statements("triggers.sql").items():
        if found.get(name) != sql:
            if name in found:
                db.execute(f'DROP TRIGGER "{name}"')
            db.execute(sql)
