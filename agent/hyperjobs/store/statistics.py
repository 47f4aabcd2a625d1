"""How many jobs are in each status, counted from the rows or answered by the ledger."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from hyperjobs.errors import InvalidJobError
from hyperjobs.store.models import FINISHED, JobStats, JobStatus
from hyperjobs.store.query import cell, micros_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    import apsw


GROUPINGS: Final = ("provider", "user", "day")
_STATUSES: Final = frozenset(map(str, JobStatus))
_SIZE: Final = (
    "total(CASE WHEN status='completed' AND typeof(total_size)='integer' AND total_size>0 THEN total_size END)"
)


_FINISHED_MICROS: Final = (
    "coalesce("
    + ",".join(f"hyperjobs_micros({cell(column)})" for column in ("completed_at", "started_at", "created_at"))
    + ")"
)
_FINISHED_DAY: Final = (
    "coalesce("
    + ",".join(f"hyperjobs_day({cell(column)})" for column in ("completed_at", "started_at", "created_at"))
    + ")"
)
_GROUP: Final = {
    None: "NULL",
    "provider": "CAST(provider AS BLOB)",
    "user": "CAST(user AS BLOB)",
    "day": f"hyperjobs_day({cell('created_at')})",
}


def check_grouping(by: str | None) -> None:
    """Return when statistics can be grouped so.

    Raises:
        InvalidJobError: they cannot.
    """
    if by is not None and by not in GROUPINGS:
        raise InvalidJobError(f"by={by!r} is none of {', '.join(GROUPINGS)}")


def count_all(db: apsw.Connection, by: str | None, *, sizes: bool) -> list[JobStats]:
    """Return the numbers of all rows; without groups and sizes from the index on status alone."""
    size = _SIZE if sizes else "0"
    group = f"{_GROUP[by]}," if by else ""
    sql = f"SELECT {_GROUP[by]},CAST(status AS BLOB),count(*),{size} FROM jobs GROUP BY {group}status"  # noqa: S608
    return summed(db.execute(sql).fetchall(), by)


def count_finished(
    db: apsw.Connection, by: str | None, since: datetime | None, until: datetime | None
) -> list[JobStats]:
    """Return the numbers of the jobs that finished in a period, by their end; for a store without a ledger."""
    group = _FINISHED_DAY if by == "day" else _GROUP[by]
    marks = ",".join("?" * len(FINISHED))
    values: list[Any] = sorted(FINISHED)
    sql = f"SELECT {group},status,count(*),{_SIZE} FROM jobs WHERE status IN ({marks})"  # noqa: S608 - ours
    for at, comparison in ((since, ">="), (until, "<")):
        if at is not None:
            sql += f" AND {_FINISHED_MICROS}{comparison}?"
            values.append(micros_of(at))
    return summed(db.execute(f"{sql} GROUP BY 1,2", values).fetchall(), by)


def just_before(at: datetime | None) -> datetime | None:
    """Return the last microsecond before an instant."""
    return None if at is None else at - timedelta(microseconds=1)


def count_daemon(db: apsw.Connection, by: str | None) -> list[JobStats]:
    """Return the numbers of the daemon's own store; it knows no user and no size."""
    if by == "user":
        raise InvalidJobError("the daemon's store keeps no user; ask by provider or day")
    provider = "CASE WHEN json_valid(definition_json) THEN json_extract(definition_json,'$.provider') END"
    group = f"CAST({provider} AS BLOB)" if by == "provider" else _GROUP[by]
    rows = db.execute(f"SELECT {group},CAST(status AS BLOB),count(*),0 FROM jobs GROUP BY 1,2").fetchall()  # noqa: S608
    return summed(rows, by)


def summed(rows: Iterable[tuple[Any, ...]], by: str | None) -> list[JobStats]:
    """Return counts per group and status as statistics, in the order of the group."""
    groups: dict[str | None, dict[str, int]] = {} if by else {None: {}}
    for group, status, number, size in rows:
        sums = groups.setdefault(_word(group) if by else None, {})
        word = _word(status)
        key = word if word in _STATUSES else "other"
        sums[key] = sums.get(key, 0) + number
        sums["total"] = sums.get("total", 0) + number
        sums["total_size"] = sums.get("total_size", 0) + int(size)
    return [JobStats(group=group, **sums) for group, sums in sorted(groups.items(), key=lambda item: item[0] or "")]


def _word(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value or "")
