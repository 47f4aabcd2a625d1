"""What a prune writes into the change log in place of the trigger that logs each delete.

A row a job, which the agent then reads, counts and deletes, is about as much writing as the prune itself, half of it
while a lock is held. So the prune's own connection fires no triggers, and in the transaction that deletes a batch it
logs how many went of each provider and status, and which.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import apsw

from hyperjobs.errors import StoreRefusedError
from hyperjobs.store.ledger.replay import DELETED, PRUNED
from hyperjobs.store.ledger.rollup import SCHEMA_VERSION, read_meta
from hyperjobs.store.ledger.schema import statements
from hyperjobs.store.ledger.select import rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hyperjobs.store.connection import Connection

_TRIGGERS: Final = statements("triggers.sql")
"""Read on import: by the time a prune runs, root may have become a user who cannot read where Python lies."""
_MANY: Final = f"({PRUNED},CURRENT_TIMESTAMP,?,?,?,?)"
_ONE: Final = (
    f"INSERT INTO main.hyperjobs_log(op,t,rid,id,p,s) SELECT {DELETED},CURRENT_TIMESTAMP,rid,id,provider,status"  # noqa: S608 - ours
    " FROM {table} WHERE rid IN (SELECT value FROM json_each(?))"
)


class Removed(NamedTuple):
    """Jobs that go in one transaction, as the log will have them; made before it, for no Python should run within.

    Attributes:
        groups: JSON array of ids, provider, status and number of the jobs of each provider and status.
        odd: rowids of those whose id or provider is no text; they are logged one by one, as the trigger would.
    """

    groups: tuple[tuple[str, str, str, int], ...]
    odd: tuple[int, ...]


def removed(jobs: Iterable[tuple[int, Any, Any, Any]]) -> Removed:
    """What to log of these: (rowid, id, provider, status), as they lie in the file."""
    groups: dict[tuple[str, str], list[str]] = {}
    odd = []
    for rowid, job_id, provider, status in jobs:
        if type(job_id) is str and type(provider) is str and type(status) is str:
            groups.setdefault((provider, status), []).append(job_id)
        else:
            odd.append(rowid)
    return Removed(tuple((json.dumps(ids), *key, len(ids)) for key, ids in groups.items()), tuple(odd))


class Removal:
    """Whether one connection fires the triggers on ``jobs``, or logs in their place.

    Args:
        connection: whose triggers are switched off where that is known to be right, until :meth:`close`.
        table: of the jobs to go, with the columns of ``jobs`` and their rowids as ``rid``.
    """

    def __init__(self, connection: Connection, table: str) -> None:
        self._connection = connection
        self._one = _ONE.format(table=table)
        self._version: int | None = None
        self._is_ours = False

    def begin(self, db: apsw.Connection) -> bool:
        """Look at the triggers as they are in this write transaction; first of all in it.

        They are switched off only while every one of them is ours to the letter, of the version that this log is of:
        then this is all that they would do. A trigger that has a name like ours and another text is fired as ever.

        Returns:
            Whether :meth:`log` is to be called.

        Raises:
            StoreRefusedError: a trigger that is not ours sits on the table (reason ``triggers``).
        """
        ((version,),) = rows(db, "PRAGMA main.schema_version")
        if version != self._version:
            self._is_ours = self._look(db)
            db.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, int(not self._is_ours))
            self._version = version
        return self._is_ours

    def log(self, db: apsw.Connection, gone: Removed) -> None:
        """Log what the transaction deletes."""
        if gone.groups:
            values = [value for group in gone.groups for value in group]
            marks = ",".join([_MANY] * len(gone.groups))
            db.execute(f"INSERT INTO main.hyperjobs_log(op,t,id,p,s,z) VALUES {marks}", values)  # noqa: S608 - ours
        if gone.odd:
            db.execute(self._one, (json.dumps(gone.odd),))

    def close(self) -> None:
        """Fire triggers again."""
        self._version = None
        self._connection.run(lambda db: db.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 1))

    def _look(self, db: apsw.Connection) -> bool:
        sql = "SELECT name,sql FROM main.sqlite_schema WHERE type='trigger' AND lower(tbl_name)='jobs' ORDER BY name"
        found: dict[str, str] = dict(rows(db, sql))
        strange = [name for name in found if not name.lower().startswith("hyperjobs_")]
        if strange:
            raise StoreRefusedError(
                f"{self._connection.path}: prune ended, somebody put strange triggers on jobs that could undo or widen"
                f" it: {', '.join(strange)}; drop them, or delete by hand",
                reason="triggers",
            )
        return found == _TRIGGERS and read_meta(db).get("schema_version") == SCHEMA_VERSION
