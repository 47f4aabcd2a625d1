"""A JobFilter as conditions of SQL, and the functions of ours that those conditions call."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import apsw

from hyperjobs.errors import InvalidJobError
from hyperjobs.store import instant
from hyperjobs.store.models import Job, JobCursor, JobFilter, JobStatus
from hyperjobs.store.rows import text_value

if TYPE_CHECKING:
    from collections.abc import Callable, Collection


def cell(column: str) -> str:
    """Return a time's column as our functions take it: text as bytes, since it may be no UTF-8, and no blob."""
    return f"CASE typeof({column}) WHEN 'text' THEN CAST({column} AS BLOB) WHEN 'integer' THEN {column} END"


MICROS: Final = f"hyperjobs_micros({cell('created_at')})"
"""Microseconds since 1970 of a row's created_at; NULL when it cannot be read."""
_MICROSECOND: Final = timedelta(microseconds=1)
_DAY: Final = timedelta(days=1)
_LIKE_LIMIT: Final = 10_000
"""SQLite refuses a LIKE pattern past 50,000 bytes, and every character can need an escape."""


@dataclass(frozen=True, slots=True)
class Equality:
    """One indexed column that must have one of some values; ``sql`` names the column by ``{}``.

    Attributes:
        column: its name, which an index leads with.
    """

    column: str
    sql: str
    values: tuple[Any, ...]

    def driving(self) -> str:
        """The condition as SQLite's planner may use it with the column's index."""
        return self.sql.replace("{}", self.column)

    def testing(self) -> str:
        """The condition as a test only; the unary plus keeps the planner from the index."""
        return self.sql.replace("{}", f"+{self.column}")


@dataclass(frozen=True, slots=True)
class Condition:
    """What a filter asks of a row, without how many and from where.

    Attributes:
        equalities: on indexed columns.
        text: further SQL, or empty.
        text_values: its bindings.
        since: earliest instant, included.
        until: first instant past the range.
    """

    equalities: tuple[Equality, ...]
    text: str
    text_values: tuple[Any, ...]
    since: datetime | None
    until: datetime | None

    @property
    def has_period(self) -> bool:
        """Whether only rows with a readable time can fit."""
        return self.since is not None or self.until is not None

    def fits(self, at: datetime) -> bool:
        """Whether an instant lies in the period."""
        return (self.since is None or at >= self.since) and (self.until is None or at < self.until)

    def where(self, driver: Equality | None = None) -> tuple[str, tuple[Any, ...]]:
        """Return all but the period as ``AND …`` and its bindings; only ``driver`` may choose the index."""
        parts: list[str] = []
        values: list[Any] = []
        for equality in self.equalities:
            parts.append(f" AND ({equality.driving() if equality is driver else equality.testing()})")
            values += equality.values
        if self.text:
            parts.append(f" AND ({self.text})")
            values += self.text_values
        return "".join(parts), tuple(values)

    def judged(self) -> tuple[str, tuple[int, ...]]:
        """Return the period as ``AND …`` and its bindings, by each row's own instant."""
        parts: list[str] = []
        values: list[int] = []
        if self.since is not None:
            parts.append(f" AND {MICROS}>=?")
            values.append(micros_of(self.since))
        if self.until is not None:
            parts.append(f" AND {MICROS}<?")
            values.append(micros_of(self.until))
        return "".join(parts), tuple(values)


def condition_of(jobs: JobFilter) -> Condition:
    """Return what the filter asks, checked.

    Raises:
        InvalidJobError: a value that no job can have, a naive time, a negative limit or offset.
    """
    for name in ("limit", "offset"):
        number = getattr(jobs, name)
        if number is not None and (type(number) is not int or number < 0):
            raise InvalidJobError(f"{name}={number!r} is not a whole number from 0 up")
    text, text_values = _text_condition(jobs.text)
    return Condition(
        tuple(_equalities(jobs)), text, text_values, _aware(jobs.since, "since"), _aware(jobs.until, "until")
    )


def cursor_of(after: Job | JobCursor | None) -> JobCursor | None:
    """Return the place to go on from.

    Raises:
        InvalidJobError: neither a job nor a cursor, or one with a naive time.
    """
    if after is None:
        return None
    cursor = after.cursor if isinstance(after, Job) else after
    if not isinstance(cursor, JobCursor):
        raise InvalidJobError(f"after={after!r} is neither a Job nor a JobCursor")
    return JobCursor(_aware(cursor.created_at, "after"), text_value(cursor.id, "after"))


def text_range(since: datetime | None, until: datetime | None) -> tuple[str, str]:
    """Return from which text on, and up to which, a created_at can stand for an instant from since to until.

    Wider than the instants by the largest offset, and then to whole days: a writer may part date and time by a
    ``T``, which sorts after every blank of its day. Readable texts start with a digit, and so sort before a colon.
    """
    low, high = "", ":"
    if since is not None and since - instant.EPOCH > _FIRST_DAYS:
        low = (since - instant.MAX_OFFSET).date().isoformat()
    if until is not None and until - instant.EPOCH < _LAST_DAYS:
        high = (until + instant.MAX_OFFSET + _DAY).date().isoformat()
    return low, high


_FIRST_DAYS: Final = timedelta(days=-719_000)
_LAST_DAYS: Final = timedelta(days=2_932_000)
"""Within a year of Python's first and last day the range is not narrowed: the arithmetic would overflow."""


def micros_of(at: datetime) -> int:
    """Return the microseconds from 1970 to an instant."""
    return (at - instant.EPOCH) // _MICROSECOND


def register(raw: apsw.Connection) -> None:
    """Give a connection the SQL functions that the conditions call; a schema cannot call them."""
    functions: tuple[tuple[str, Callable[..., Any], int], ...] = (
        ("hyperjobs_micros", _micros, 1),
        ("hyperjobs_day", _day, 1),
        ("hyperjobs_contains", _contains, 2),
    )
    for name, function, arity in functions:
        raw.create_scalar_function(name, function, arity, deterministic=True, flags=apsw.SQLITE_DIRECTONLY)


def _micros(value: Any) -> int | None:
    at = instant.parse(value.decode(errors="replace") if type(value) is bytes else value)
    return None if at is None else micros_of(at)


def _day(value: Any) -> str | None:
    at = instant.parse(value.decode(errors="replace") if type(value) is bytes else value)
    return None if at is None else at.date().isoformat()


def _contains(value: Any, needle: str) -> bool:
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value or "")
    return needle in text.casefold()


def _equalities(jobs: JobFilter) -> list[Equality]:
    found = []
    if jobs.status is not None:
        words = _status_words(jobs.status)
        marks = ",".join("?" * len(words))
        found.append(Equality("status", f"{{}} IN ({marks})", words))
    for column, value in (("provider", jobs.provider), ("user", jobs.user), ("vm_name", jobs.vm_name)):
        if value is not None:
            word = text_value(value, column)
            # a NULL that somebody left is read as an empty text, so it is found as one
            found.append(Equality(column, "{} = ?" if word else "{} = ? OR {} IS NULL", (word,)))
    return found


def _status_words(status: JobStatus | str | Collection[JobStatus | str]) -> tuple[str, ...]:
    if isinstance(status, str):
        return (text_value(status, "status"),)
    return tuple(sorted({text_value(word, "status") for word in status}))


def _text_condition(needle: str | None) -> tuple[str, tuple[Any, ...]]:
    """Return how a text is looked for: SQLite's LIKE knows the case of ASCII only, so other letters take ours."""
    if needle is None or needle == "":
        return "", ()
    word = text_value(needle, "text")
    if word.isascii() and len(word) <= _LIKE_LIMIT:
        escaped = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        return "name LIKE ? ESCAPE '\\' OR error LIKE ? ESCAPE '\\'", (f"%{escaped}%",) * 2
    folded = word.casefold()
    name, error = (f"hyperjobs_contains(CAST({column} AS BLOB),?)" for column in ("name", "error"))
    return f"{name} OR {error}", (folded, folded)


def _aware(at: datetime | None, name: str) -> datetime | None:
    if at is None:
        return None
    if not isinstance(at, datetime):
        raise InvalidJobError(f"{name}={at!r} is no datetime; give an aware one, as datetime.now(UTC)")
    if at.utcoffset() is None:
        raise InvalidJobError(f"{name}={at!r} has no time zone; use datetime.now(UTC) or .replace(tzinfo=UTC)")
    return at
