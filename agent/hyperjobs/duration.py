"""Durations as people write them: ``30d``, ``1d2h30m``, ``0.5s``."""

from __future__ import annotations

import re
from datetime import timedelta

MAX_DURATION = timedelta(days=36_500)
"""A hundred years: beyond it a number is a slip, and adding it to a date overflows."""

_MICROSECONDS = {
    "w": 604_800_000_000,
    "d": 86_400_000_000,
    "h": 3_600_000_000,
    "m": 60_000_000,
    "s": 1_000_000,
    "ms": 1_000,
}
_UNITS = "w, d, h, m, s or ms"
_PART = re.compile(r"([0-9]+)(?:\.([0-9]+))?([^0-9.]*)")
_NUMBER = re.compile(r"[0-9]*\.?[0-9]+")
_MAX_LENGTH = 40


def parse_duration(text: str) -> timedelta:
    """The length of time that a text names.

    A text is one or several parts of a number and its unit, the larger unit first: ``1d2h30m``. The units are
    ``w d h m s ms``; months and years have no fixed length and are refused. The last part may have a fraction.

    Args:
        text: for example ``30d``, ``500ms``, ``0.5s`` or ``0s``; no spaces, no sign.

    Returns:
        From zero to 36,500 days, exact to the microsecond.

    Raises:
        ValueError: the text is no duration; its message says why and what to write.
    """
    if not isinstance(text, str):
        raise ValueError(f"has no unit; write {_guess(str(text))}")  # noqa: TRY004 - callers catch one kind of error
    _check_shape(text)
    total, smallest, position = 0, len(_MICROSECONDS), 0
    while position < len(text):
        part = _PART.match(text, position)
        if part is None:
            raise ValueError(f"is not a duration; write a number and a unit, such as 30s ({_UNITS})")
        amount, rank = _amount(part, is_last=part.end() == len(text))
        if position and rank <= smallest:
            raise ValueError("repeats a unit or has them out of order; write the larger unit first, each once")
        total, smallest, position = total + amount, rank, part.end()
    if total > MAX_DURATION // timedelta(microseconds=1):
        raise ValueError("is longer than 36500d")
    return timedelta(microseconds=total)


def format_duration(duration: timedelta) -> str:
    """The shortest text that ``parse_duration`` reads back as the same duration.

    Days are the largest unit, so ``90d`` stays ``90d``. A negative duration has a leading ``-`` and is for reading only.
    """
    if duration < timedelta(0):
        return f"-{format_duration(-duration)}"
    microseconds = duration // timedelta(microseconds=1)
    if 0 < microseconds < _MICROSECONDS["s"]:
        return f"{_decimal(microseconds, 1_000)}ms"
    parts = []
    for unit in ("d", "h", "m"):
        count, microseconds = divmod(microseconds, _MICROSECONDS[unit])
        if count:
            parts.append(f"{count}{unit}")
    if microseconds or not parts:
        parts.append(f"{_decimal(microseconds, _MICROSECONDS['s'])}s")
    return "".join(parts)


def _check_shape(text: str) -> None:
    if not text:
        raise ValueError("is empty; write a number and a unit, such as 30s")
    if len(text) > _MAX_LENGTH:
        raise ValueError("is too long to be a duration")
    if text[0] in "-\N{MINUS SIGN}":
        raise ValueError("is negative; a duration has no sign")
    if _NUMBER.fullmatch(text):
        raise ValueError(f"has no unit; write {_guess(text)}")


def _guess(number: str) -> str:
    return f"{number}s for seconds, {number}m for minutes or {number}d for days"


def _amount(part: re.Match[str], *, is_last: bool) -> tuple[int, int]:
    """The microseconds of one part, and the rank of its unit (0 is the largest)."""
    whole, fraction, unit = part[1], part[2] or "", part[3]
    if unit not in _MICROSECONDS:
        raise ValueError(_unit_problem(unit))
    if fraction and not is_last:
        raise ValueError("has a fraction before its last part; only the last part may have one")
    size = _MICROSECONDS[unit]
    amount, rest = divmod(int(fraction or 0) * size, 10 ** len(fraction))
    if rest:
        raise ValueError("is finer than a microsecond")
    return int(whole) * size + amount, list(_MICROSECONDS).index(unit)


def _unit_problem(unit: str) -> str:
    if not unit:
        return f"has a number without a unit; the units are {_UNITS}"
    if unit.lower() in {"y", "mo", "month", "months", "year", "years"}:
        return f"names months or years, which have no fixed length; write days ({_UNITS})"
    shown = ascii(unit[:8])
    return f"has the unknown unit {shown}; the units are {_UNITS}"


def _decimal(value: int, size: int) -> str:
    whole, rest = divmod(value, size)
    if not rest:
        return str(whole)
    digits = len(str(size)) - 1
    return f"{whole}.{str(rest).zfill(digits).rstrip('0')}"
