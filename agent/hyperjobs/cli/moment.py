"""Moments as people write them, and instants as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

import click

from hyperjobs.cli.argument import offered
from hyperjobs.cli.setting import setting_of
from hyperjobs.duration import parse_duration
from hyperjobs.store.instant import rfc3339 as write_instant

__all__ = [
    "EXAMPLES",
    "Moment",
    "in_zone",
    "parse_moment",
    "show_age",
    "show_instant",
    "show_seconds",
    "write_instant",
]

EXAMPLES = "7d (ago), 2026-09-01, 2026-09-01T03:00, today, yesterday or now"

_MOMENTS = ("today", "yesterday", "now", "1h", "1d", "7d", "30d", "90d")
_DAYS_BACK = {"today": 0, "yesterday": 1}
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"))


def parse_moment(text: str, *, now: datetime, utc: bool = False) -> datetime:
    """The instant that a text names.

    Args:
        text: how long ago (``7d``, ``1d12h``); a date, meaning its first moment; a time with or without an offset;
            or ``now``, ``today``, ``yesterday``.
        now: the current instant, aware.
        utc: dates, and times without an offset, are in UTC and not in the local zone.

    Raises:
        ValueError: the text names no instant.
    """
    word = text.strip()
    if word.lower() == "now":
        return now
    if word.lower() in _DAYS_BACK:
        day = in_zone(now, utc=utc).date() - timedelta(days=_DAYS_BACK[word.lower()])
        return _aware(datetime.combine(day, time()), utc=utc)
    if _looks_like_a_date(word):
        return _parse_time(word, utc=utc)
    try:
        return now - parse_duration(word.removesuffix("ago").strip())
    except ValueError as exc:
        raise ValueError(f"{text!r} {exc}; or write {EXAMPLES}") from None


def _looks_like_a_date(word: str) -> bool:
    return len(word) >= len("20260901") and word[:4].isdigit() and (word[4] == "-" or word[:8].isdigit())


def _parse_time(word: str, *, utc: bool) -> datetime:
    try:
        at = datetime.fromisoformat(word)
        return _aware(at, utc=utc).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{word!r} is not a date or time; write {EXAMPLES}") from None


def _aware(at: datetime, *, utc: bool) -> datetime:
    if at.tzinfo is not None:
        return at
    return at.replace(tzinfo=UTC) if utc else at.astimezone()


def in_zone(at: datetime, *, utc: bool) -> datetime:
    """The same instant in the reader's own zone, or in UTC; as it is at the ends of the calendar."""
    try:
        return at.astimezone(UTC) if utc else at.astimezone()
    except (OverflowError, ValueError, OSError):  # the first and last day of the calendar have no other zone
        return at


def show_instant(at: datetime | None, *, utc: bool) -> str:
    """``2026-09-01 03:00``, with seconds cut off, in the reader's zone; ``-`` for none."""
    return "-" if at is None else in_zone(at, utc=utc).strftime("%Y-%m-%d %H:%M")


def show_age(at: datetime | None, *, now: datetime) -> str:
    """How long ago in one unit, as ``3d``; ``in 3d`` for the future, ``-`` for none."""
    if at is None:
        return "-"
    seconds = (now - at).total_seconds()
    return show_seconds(seconds) if seconds > -1 else f"in {show_seconds(-seconds)}"


def show_seconds(seconds: float) -> str:
    """A length of time in its largest unit, as ``3d`` or ``40s``."""
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{int(seconds)}s"


class Moment(click.ParamType):  # type: ignore[type-arg]  # generic only in newer releases of click
    """The type of ``--since`` and ``--until``; it is read when the command knows its zone."""

    name = "when"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The instant meant, or a usage error that says what can be written."""
        if isinstance(value, datetime):
            return value
        now = setting_of(ctx).clock.now() if ctx else datetime.now(UTC)
        utc = bool(ctx and ctx.params.get("utc"))
        try:
            return parse_moment(value, now=now, utc=utc)
        except ValueError as exc:
            self.fail(str(exc), param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:  # noqa: ARG002 - click's signature
        """Some common moments."""
        return offered(text for text in _MOMENTS if text.startswith(incomplete))
