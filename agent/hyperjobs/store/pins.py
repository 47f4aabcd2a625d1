"""Jobs that no prune deletes, whatever their age: a table of ours beside theirs, so that no writer can wipe it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hyperjobs.errors import JobNotFoundError
from hyperjobs.store import instant
from hyperjobs.store.ledger.select import rows
from hyperjobs.store.rows import text_value

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    import apsw

    from hyperjobs.store.connection import Connection

TABLE: Final = "hyperjobs_pin"
_CREATE: Final = (
    f"CREATE TABLE IF NOT EXISTS {TABLE}(job_id TEXT PRIMARY KEY NOT NULL, at TEXT NOT NULL, reason TEXT NOT NULL,"
    ' "by" TEXT NOT NULL) WITHOUT ROWID'
)
_SAVE: Final = (
    f'INSERT INTO {TABLE}(job_id,at,reason,"by") VALUES(?,?,?,?)'
    ' ON CONFLICT(job_id) DO UPDATE SET at=excluded.at,reason=excluded.reason,"by"=excluded."by"'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One job that stays.

    Attributes:
        at: since when.
        reason: why; may be empty.
        by: the user who said so.
        is_there: whether the store has a job of that id now.
    """

    job_id: str
    at: datetime | None
    reason: str
    by: str
    is_there: bool = True


def pin(connection: Connection, job_id: str, *, now: datetime, reason: str = "", by: str = "") -> None:
    """Keep a job from every prune until :func:`unpin`; pinning it again gives it a new reason.

    Raises:
        JobNotFoundError: there is no such job.
        InvalidJobError: a text that SQLite cannot hold.
    """
    values = (text_value(job_id, "id"), instant.format(now), text_value(reason, "reason"), text_value(by, "by"))

    def work(db: apsw.Connection) -> None:
        if not db.execute("SELECT 1 FROM jobs WHERE id=?", (job_id,)).fetchall():
            raise JobNotFoundError(f"{connection.path}: no job has the id {job_id!r}; nothing was pinned")
        db.execute(_CREATE)
        db.execute(_SAVE, values)

    connection.write(work)


def unpin(connection: Connection, job_id: str) -> None:
    """Let a job go with the next prune that finds it too old.

    Raises:
        JobNotFoundError: it is not pinned.
    """

    def work(db: apsw.Connection) -> None:
        if has_pins(db):
            db.execute(f"DELETE FROM {TABLE} WHERE job_id=?", (job_id,))  # noqa: S608 - ours
            if db.changes():
                return
        raise JobNotFoundError(f"{connection.path}: no job {job_id!r} is pinned; see 'hyperjobs pins'")

    connection.write(work)


def read_pins(db: apsw.Connection) -> list[Pin]:
    """Every pin, the oldest first; also of a job that somebody deleted by hand."""
    if not has_pins(db):
        return []
    sql = f'SELECT job_id,at,reason,"by",EXISTS(SELECT 1 FROM jobs WHERE id=job_id) FROM {TABLE} ORDER BY at,job_id'  # noqa: S608 - ours
    return [
        Pin(job_id=job_id, at=instant.parse(at), reason=reason, by=by, is_there=bool(is_there))
        for job_id, at, reason, by, is_there in rows(db, sql)
    ]


def write_pins(db: apsw.Connection, pins: Iterable[Pin]) -> int:
    """Pin jobs as they were pinned elsewhere, those that are here; in a write transaction. Returns how many."""
    found = [pin for pin in pins if rows(db, "SELECT 1 FROM jobs WHERE id=?", (pin.job_id,))]
    if found:
        db.execute(_CREATE)
        db.executemany(
            _SAVE, [(pin.job_id, "" if pin.at is None else instant.format(pin.at), pin.reason, pin.by) for pin in found]
        )
    return len(found)


def has_pins(db: apsw.Connection) -> bool:
    """Whether anything was ever pinned here."""
    return bool(db.execute("SELECT 1 FROM sqlite_schema WHERE type='table' AND name=?", (TABLE,)).fetchall())
