"""When something last happened in a store, told from what is in it: a file's own time can be that of its copying."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hyperjobs.store import instant
from hyperjobs.store.content import columns

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    import apsw

_TIMES: Final = ("created_at", "started_at", "completed_at")
# Texts of one form, one zone and one hour stand in the order of their instants. As bytes, for some are no UTF-8.
_GREATEST: Final = (
    "SELECT typeof({0}),CAST(max({0}) AS BLOB) FROM jobs WHERE {0} IS NOT NULL"
    " GROUP BY typeof({0}),substr({0},1,13),CASE WHEN {0} LIKE '%Z' THEN 'Z' ELSE substr({0},-6) END"
)
_LEDGER: Final = {
    "hyperjobs_history": "SELECT 'integer',max(at) FROM hyperjobs_history WHERE at<=?",
    "hyperjobs_log": "SELECT 'text',CAST(max(t) AS BLOB) FROM hyperjobs_log WHERE op IN (1,2,3,5) AND unixepoch(t)<=?",
}


def last_change(db: apsw.Connection, not_after: datetime) -> datetime | None:
    """The greatest time of any job, and of any change that the ledger saw; ``None`` when there is none.

    Not every change has a time: the progress of a job has none, nor has a deletion that no ledger saw. So what is in
    the store can be younger than this, and is not older. A few seconds for a million jobs.

    Args:
        db: in a transaction, or of a file that nobody writes to; of either of hypersdk's flavours.
        not_after: when the file was written at the latest; a later time is of a clock that was wrong, and does not count.
    """
    times = (instant.parse(value) for value in _values(db, int(not_after.timestamp())))
    return max((at for at in times if at is not None and at <= not_after), default=None)


def _values(db: apsw.Connection, not_after_s: int) -> Iterator[Any]:
    there = columns(db)
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type='table'")}
    queries: list[tuple[str, tuple[int, ...]]] = [(_GREATEST.format(name), ()) for name in _TIMES if name in there]
    queries += [(sql, (not_after_s,)) for table, sql in _LEDGER.items() if table in tables]
    for sql, bindings in queries:
        for kind, value in db.execute(sql, bindings):
            if value is not None:
                yield value.decode(errors="replace") if kind == "text" else int(value) if kind == "integer" else None
