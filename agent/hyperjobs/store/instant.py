"""Instants as the jobs table holds them: read whatever a writer left, write one fixed form."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final, overload

from hyperjobs.errors import InvalidJobError

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MAX_OFFSET: Final = timedelta(hours=14)
"""No zone on earth is farther from UTC; SQLite's own date functions refuse more too."""

_MAX_OFFSET_TEXT: Final = "14:00"
_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)
_LATEST: Final = datetime.max.replace(tzinfo=UTC)
_ZONED_LENGTH: Final = len("2006-01-02 15:04:05+00:00")
_LAST_SECOND: Final = 10**12
"""Up to here an integer is seconds, beyond it milliseconds: the Go driver's own rule."""
_LAST_UNIX: Final = 253_402_300_799  # 9999-12-31 23:59:59

_FORM: Final = re.compile(
    r"(\d{4}-[01]\d-[0-3]\d)"
    r"(?:[ T]([0-2]\d:[0-5]\d:[0-5]\d)(?:\.(\d{1,9})\d*)?"
    # the tail after the offset is what Go's Time.String() adds: a zone name, a monotonic reading
    r"(?: ?(?:(Z)|([+-])(\d\d):?(\d\d))(?: [A-Z]{2,5}| [+-]\d{2,4})?(?: m=[+-][\d.]+)?)?)?",
    re.ASCII,
)


def parse(value: object) -> datetime | None:
    """Return the instant a cell holds, in UTC, or ``None`` when it holds none that can be read.

    Read are ``YYYY-MM-DD[ T]HH:MM:SS[.fraction][ ][Z|±HH:MM]`` (without a zone: UTC), a bare date (midnight UTC),
    and an integer since 1970 in seconds, milliseconds, microseconds or nanoseconds by its magnitude. Digits past
    the microsecond are cut off. An instant before year 1 or after year 9999 (a zone can push it there) is held at
    the first or last one Python knows. Never raises.
    """
    if type(value) is int:
        return _from_unix(value)
    if type(value) is not str:
        return None
    # What writers leave in practice: a zone at the end, separators where they belong. fromisoformat alone would also
    # take week dates, commas and offsets with seconds.
    if (
        len(value) < _ZONED_LENGTH
        or value[-6] not in "+-"
        or value[19] not in "+-."
        or value[13] != ":"
        or value[10] not in " T"
        or value[5] not in "01"
        or value[-5:] > _MAX_OFFSET_TEXT
    ):
        return _parse_slowly(value)
    try:
        at = datetime.fromisoformat(value)
        return at if at.tzinfo is UTC else at.astimezone(UTC)
    except ValueError:
        return _parse_slowly(value)
    except OverflowError:
        return _EARLIEST if value[0] == "0" else _LATEST


def format(at: datetime) -> str:  # noqa: A001 - read as instant.format
    """Return the text we write for an instant: ``YYYY-MM-DD HH:MM:SS.ffffff+00:00``, always in UTC and of one width.

    Raises:
        InvalidJobError: the datetime is naive, or its instant is outside years 1 to 9999.
    """
    if at.tzinfo is not UTC:
        if at.tzinfo is None or at.utcoffset() is None:
            raise InvalidJobError(
                f"{at!r} has no time zone, so it names no instant; use datetime.now(UTC) or .replace(tzinfo=UTC)"
            )
        try:
            at = at.astimezone(UTC)
        except OverflowError as exc:
            raise InvalidJobError(f"{at!r} is outside the years 1 to 9999 in UTC") from exc
    return at.isoformat(" ", "microseconds")


@overload
def rfc3339(at: datetime) -> str: ...
@overload
def rfc3339(at: None) -> None: ...
@overload
def rfc3339(at: datetime | None) -> str | None: ...
def rfc3339(at: datetime | None) -> str | None:
    """``2026-09-01T03:00:00.123456Z``: UTC and of one width, for programs."""
    if at is None:
        return None
    try:
        at = at.astimezone(UTC)
    except OverflowError:  # a time in year 1 or 9999 whose offset leads out of the calendar
        return at.isoformat(timespec="microseconds")
    return at.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _parse_slowly(value: str) -> datetime | None:
    """Return the instant of a text that has a rarer one of the known forms."""
    match = _FORM.fullmatch(value)
    if match is None:
        return None
    date, time, fraction, _, sign, hours, minutes = match.groups()
    zone = UTC
    if sign and (hours, minutes) != ("00", "00"):
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        if offset > MAX_OFFSET:
            return None
        zone = timezone(-offset if sign == "-" else offset)
    try:
        at = datetime.fromisoformat(f"{date}T{time or '00:00:00'}.{(fraction or '')[:6]:0<6}")
        return at.replace(tzinfo=zone).astimezone(UTC)
    except ValueError:
        return None
    except OverflowError:
        return _EARLIEST if date[0] == "0" else _LATEST


def _from_unix(value: int) -> datetime | None:
    """Return the instant of an integer, its unit told by its size; ``None`` past the years 1 to 9999."""
    size = abs(value)
    if size <= _LAST_SECOND:
        micros = value * 1_000_000
    elif size <= _LAST_UNIX * 1_000:
        micros = value * 1_000
    elif size <= _LAST_UNIX * 1_000_000:
        micros = value
    else:
        micros = value // 1_000
    try:
        return EPOCH + timedelta(microseconds=micros)
    except OverflowError:
        return None
