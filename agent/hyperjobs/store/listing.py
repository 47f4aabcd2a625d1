"""Pages of the list of jobs, newest first by instant, found through the indexes the table has.

The index on created_at is in the order of the text, and a text carries the zone of its writer, so it is only nearly
in the order of time. A page is found in that order first; then the rows that could be newer by instant than its last,
within the largest offset, are looked at too. Those of the same zone cannot be, and the index alone tells which they
are. Nothing here is estimated: whichever index leads, the instants decide.
"""

from __future__ import annotations

import heapq
import re
from datetime import timedelta, timezone
from typing import TYPE_CHECKING, Any, Final

from hyperjobs.store import instant
from hyperjobs.store.query import MICROS, text_range
from hyperjobs.store.rows import COLUMN_LIST, RAW_COLUMN_LIST, job_of, job_of_raw

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    import apsw

    from hyperjobs.store.models import Job, JobCursor
    from hyperjobs.store.query import Condition, Equality

_FEW: Final = 3_000
"""An index entry leads to so few rows that reading them all (5 ms) beats any cleverness."""
_PATIENCE: Final = 6_000
"""So many rows are walked in order of time, 8 ms, before another index is asked whether it would be shorter."""
_MOST_PROBED: Final = 200_000
_FIRST_STRIDE: Final = 64
_HEAP_SIZE: Final = 200
_LONGEST_STRIDE: Final = 65_536
_LAST_SECOND: Final = 10**12
_UNITS: Final = (
    # unit ranges of instant.parse; within each, the larger number is the later instant
    (253_402_300_800_000_000, 2**63 - 1, 1_000),
    (253_402_300_799_001, 253_402_300_799_999_999, 1),
    (_LAST_SECOND + 1, 253_402_300_799_000, 1),
    (-_LAST_SECOND, _LAST_SECOND, 1),
    (-253_402_300_799_000, -_LAST_SECOND - 1, 1),
    (-253_402_300_799_000_000, -253_402_300_799_001, 1),
    (-(2**63), -253_402_300_799_000_001, 1_000),
)
_ZONE: Final = re.compile(r"[+-]\d\d:\d\d")
_UTC: Final = "+00:00"


Entry = tuple[Any, str, int, Any]
"""A row's instant, id, rowid, and created_at as it stands: the order of the list, greatest first."""


def page(db: apsw.Connection, condition: Condition, after: JobCursor | None, size: int) -> list[tuple[Any, str, int]]:
    """Return instant, id and rowid of the next ``size`` rows; fewer mean that the list ends. One snapshot is assumed."""
    found: list[tuple[Any, str, int]] = []
    if size <= 0:
        return found
    driver = _short_index(db, condition.equalities, _FEW)
    if driver is not None:
        return _through(db, condition, driver, after, size)
    if after is None or after.created_at is not None:
        walk = _Walk(db, condition, after, size)
        walked = walk.run(max(_PATIENCE, 10 * size) if condition.equalities else None)
        if walked is None:
            driver = _short_index(db, condition.equalities, _MOST_PROBED)
            if driver is not None:
                return _through(db, condition, driver, after, size)
            walked = walk.run(None)
        found = [entry[:3] for entry in walked or ()]
    if len(found) < size and not condition.has_period:
        found += _unreadable(db, condition, after, size - len(found))
    return found


def fetch(db: apsw.Connection, rowids: Sequence[int]) -> list[Job]:
    """Return the jobs with these rowids, in their order."""
    sql = f"SELECT {COLUMN_LIST} FROM jobs WHERE rowid=?"  # noqa: S608 - our own columns
    try:
        return [job_of(row) for row in db.executemany(sql, [(rowid,) for rowid in rowids])]
    except UnicodeDecodeError:
        return [_fetch_one(db, sql, rowid) for rowid in rowids]


def _fetch_one(db: apsw.Connection, sql: str, rowid: int) -> Job:
    """Return one job of a page that has some text that is no UTF-8."""
    try:
        return job_of(_select(db, sql, (rowid,))[0])
    except UnicodeDecodeError:
        raw = f"SELECT {RAW_COLUMN_LIST} FROM jobs WHERE rowid=?"  # noqa: S608 - our own columns
        return job_of_raw(_select(db, raw, (rowid,))[0])


def count(db: apsw.Connection, condition: Condition) -> int:
    """Return how many rows fit."""
    equalities = condition.equalities
    is_alone = len(equalities) == 1 and not condition.text and not condition.has_period
    driver = equalities[0] if is_alone else _short_index(db, equalities, _MOST_PROBED)
    where, values = condition.where(driver)
    if not condition.has_period:
        return int(_select(db, f"SELECT count(*) FROM jobs WHERE 1{where}", values)[0][0])  # noqa: S608 - ours
    judged, instants = condition.judged()
    column = "+created_at" if driver else "created_at"
    total = 0
    for ends, bounds in (
        # numbers that others wrote sort before every text
        (f"{column}<''", ()),
        (f"{column}>=? AND {column}<?", text_range(condition.since, condition.until)),
    ):
        sql = f"SELECT count(*) FROM jobs WHERE {ends}{where}{judged}"  # noqa: S608 - ours
        total += int(_select(db, sql, (*bounds, *values, *instants))[0][0])
    return total


def _select(db: apsw.Connection, sql: str, values: Sequence[Any] = ()) -> list[Any]:
    return db.execute(sql, values).fetchall()


def _short_index(db: apsw.Connection, equalities: Iterable[Equality], most: int) -> Equality | None:
    """Return the condition that fewest rows meet, when they are fewer than ``most``; the index alone is read."""
    best, fewest = None, most
    for equality in equalities:
        sql = f"SELECT count(*) FROM (SELECT 1 FROM jobs WHERE {equality.driving()} LIMIT {fewest})"  # noqa: S608
        number = _select(db, sql, equality.values)[0][0]
        if number < fewest:
            best, fewest = equality, number
    return best


def _through(
    db: apsw.Connection, condition: Condition, driver: Equality, after: JobCursor | None, size: int
) -> list[tuple[Any, str, int]]:
    """Return the page by reading every row that ``driver`` leads to."""
    where, values = condition.where(driver)
    if condition.has_period:
        low, high = text_range(condition.since, condition.until)
        where += " AND (+created_at < '' OR +created_at >= ? AND +created_at < ?)"
        values += (low, high)
    entries = _entries(db, where, values)
    readable = [e[:3] for e in entries if e[0] is not None and condition.fits(e[0]) and _is_after(e[0], e[1], after)]
    found: list[tuple[Any, str, int]] = _newest(size, readable)
    if len(found) < size and not condition.has_period:
        rest = [e[:3] for e in entries if e[0] is None and _is_unreadable_after(e[1], after)]
        found += heapq.nlargest(size - len(found), rest, key=lambda entry: entry[1:])
    return found


def _newest(size: int, entries: list[Any]) -> list[Any]:
    """Return the first ``size`` of the list; a long page comes almost in order, which a sort profits from."""
    return heapq.nlargest(size, entries) if size < _HEAP_SIZE else sorted(entries, reverse=True)[:size]


def _is_after(at: datetime, id_: str, after: JobCursor | None) -> bool:
    return after is None or (after.created_at is not None and (at, id_) < (after.created_at, after.id))


def _is_unreadable_after(id_: str, after: JobCursor | None) -> bool:
    return after is None or after.created_at is not None or id_ < after.id


def _entries(db: apsw.Connection, where: str, values: Sequence[Any], tail: str = "") -> list[Entry]:
    """Return instant, id, rowid and created_at of rows; a bad text costs a second reading, not the list."""
    try:
        rows = _select(db, f"SELECT created_at,id,rowid FROM jobs WHERE 1{where}{tail}", values)  # noqa: S608
    except UnicodeDecodeError:
        columns = ",".join(
            f"CASE typeof({c}) WHEN 'text' THEN CAST({c} AS BLOB) ELSE {c} END" for c in ("created_at", "id")
        )
        kinds = "typeof(created_at)"
        sql = f"SELECT {columns},rowid,{kinds} FROM jobs WHERE 1{where}{tail}"  # noqa: S608 - ours
        rows = [
            (_decoded(created) if kind == "text" else created, _decoded(id_), rowid)
            for created, id_, rowid, kind in _select(db, sql, values)
        ]
    return [
        (instant.parse(created), id_ if type(id_) is str else _decoded(id_), rowid, created)
        for created, id_, rowid in rows
    ]


def _decoded(value: Any) -> str:
    """Return a cell as the job's id shows it."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return "" if value is None else str(value)


def _unreadable(
    db: apsw.Connection, condition: Condition, after: JobCursor | None, size: int
) -> list[tuple[Any, str, int]]:
    """Return rows whose time cannot be read, largest id first: the end of the list, found by reading it all."""
    where, values = condition.where()
    entries = _entries(db, f"{where} AND {MICROS} IS NULL", values)
    rest = [entry[:3] for entry in entries if _is_unreadable_after(entry[1], after)]
    return heapq.nlargest(size, rest, key=lambda entry: entry[1:])


class _Walk:
    """The rows in the order of created_at, from a cursor on, until a page is full."""

    def __init__(self, db: apsw.Connection, condition: Condition, after: JobCursor | None, size: int) -> None:
        self._db = db
        self._condition = condition
        self._after = after
        self._size = size
        self._where, self._values = condition.where()
        latest = after.created_at if after else condition.until
        if after and after.created_at and condition.until:
            latest = min(after.created_at, condition.until)
        self._low, self._high = text_range(condition.since, latest)
        self._skip, self._skip_values = self._newer_of_one_zone(latest)

    def run(self, patience: int | None) -> list[Entry] | None:
        """Return the page in order, or ``None`` when it is not full after ``patience`` rows."""
        found: list[Entry] = []
        high, stride, walked = self._high.encode(), self._size + _FIRST_STRIDE, 0
        while True:
            low = self._stride_end(high, stride)
            found += self._between(low if low is not None else self._low.encode(), high)
            walked += stride
            if low is None:
                break
            high = low
            if len(found) >= self._size:
                found = _newest(self._size, found)
                found += self._could_be_newer(found[-1], high)
                break
            # as many as the rows found so far promise, and half more
            promised = (self._size - len(found)) * walked * 3 // (2 * max(len(found), 1)) + _FIRST_STRIDE
            stride = min(stride * 4, promised, _LONGEST_STRIDE)
            if patience is not None:
                if walked >= patience:
                    return None
                stride = min(stride, patience - walked)
        return _newest(self._size, found + self._numbers())

    def _stride_end(self, high: bytes, stride: int) -> bytes | None:
        """Return the created_at so many index entries below ``high``; ``None`` when there are fewer.

        Texts go to and fro as bytes, since they may be no UTF-8.
        """
        sql = (
            "SELECT CAST(created_at AS BLOB) FROM jobs WHERE created_at>=? AND created_at<CAST(? AS TEXT)"  # noqa: S608
            f"{self._skip} ORDER BY created_at DESC LIMIT 1 OFFSET ?"
        )
        rows = _select(self._db, sql, (self._low, high, *self._skip_values, stride - 1))
        return rows[0][0] if rows else None

    def _between(self, low: bytes, high: bytes) -> list[Entry]:
        where = f" AND created_at>=CAST(? AS TEXT) AND created_at<CAST(? AS TEXT){self._skip}{self._where}"
        return self._fitting(_entries(self._db, where, (low, high, *self._skip_values, *self._values)))

    def _fitting(self, entries: list[Entry]) -> list[Entry]:
        fits, after = self._condition.fits, self._after
        if after is None and not self._condition.has_period:
            return [entry for entry in entries if entry[0] is not None]
        return [e for e in entries if e[0] is not None and fits(e[0]) and _is_after(e[0], e[1], after)]

    def _could_be_newer(self, last: Entry, high: bytes) -> list[Entry]:
        """Return the rows below the walked ones whose zone could make them newer than the page's last."""
        at, _, _, text = last
        low = max(text_range(at, None)[0], self._low)
        where = ""
        values: tuple[Any, ...] = ()
        if _ZONE.fullmatch(text[-6:]):
            # cut to what decides: the microsecond, without zeros that another writer may have left out
            head = text[:-6][:26]
            head = head.rstrip("0").rstrip(".") if len(head) > 19 else head  # noqa: PLR2004 - up to the seconds
            where = " AND NOT (created_at<? AND substr(created_at,11,1)=? AND substr(created_at,-6)=?)"
            values = (head, text[10], text[-6:])
        where = f" AND created_at>=? AND created_at<CAST(? AS TEXT){where}{self._skip}{self._where}"
        return self._fitting(_entries(self._db, where, (low, high, *values, *self._skip_values, *self._values)))

    def _newer_of_one_zone(self, latest: datetime | None) -> tuple[str, tuple[str, ...]]:
        """Return a condition that leaves out what is surely newer than where the list goes on, by the index alone."""
        if latest is None:
            return "", ()
        zone = _UTC
        if self._after is not None:
            sql = "SELECT substr(CAST(created_at AS BLOB),-6) FROM jobs WHERE id=? AND typeof(created_at)='text'"
            for (tail,) in _select(self._db, sql, (self._after.id,)):
                known = tail.decode(errors="replace")
                zone = known if _ZONE.fullmatch(known) else zone
        shown = _in_zone(latest, zone)
        if shown is None:
            return "", ()
        return (
            " AND NOT (substr(created_at,1,26)>? AND substr(created_at,11,1)=' ' AND substr(created_at,-6)=?)",
            (shown, zone),
        )

    def _numbers(self) -> list[Entry]:
        """Return the newest of the rows whose created_at is an integer; other writers can leave such."""
        found: list[Entry] = []
        if not _select(self._db, "SELECT 1 FROM jobs WHERE created_at<'' LIMIT 1"):
            return found
        for low, high, grain in _UNITS:
            found += self._numbers_of_unit(low, high, grain)
        return found

    def _numbers_of_unit(self, low: int, high: int, grain: int) -> list[Entry]:
        found: list[Entry] = []
        while len(found) < self._size and low <= high:
            where = f" AND created_at>=? AND created_at<=?{self._where}"
            values = (low, high, *self._values)
            entries = _entries(
                self._db, where, values, f" ORDER BY created_at DESC LIMIT {max(self._size, _FIRST_STRIDE)}"
            )
            if not entries:
                break
            # a number cut by the limit may have equals below it, which the ids must put in order
            end = int(entries[-1][3]) // grain * grain
            found += self._fitting([entry for entry in entries if entry[3] > end + grain - 1])
            last = f" AND created_at>=? AND created_at<=?{self._where}"
            found += self._fitting(_entries(self._db, last, (max(end, low), min(end + grain - 1, high), *self._values)))
            high = end - 1
        return found


def _in_zone(at: datetime, zone: str) -> str | None:
    """Return an instant as a writer of that zone would put it, to the microsecond; ``None`` past year 1 or 9999."""
    minutes = int(zone[1:3]) * 60 + int(zone[4:])
    try:
        shown = at.astimezone(timezone(timedelta(minutes=-minutes if zone[0] == "-" else minutes)))
    except (OverflowError, ValueError):
        return None
    return shown.isoformat(" ", "microseconds")[:26]
