"""Whether a clock can be trusted with deleting what it calls old."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from hyperjobs.duration import format_duration
from hyperjobs.errors import StoreRefusedError
from hyperjobs.store.instant import format as format_instant

if TYPE_CHECKING:
    from datetime import datetime

_BACK = timedelta(minutes=5)
"""What a time server may take back without a word."""


def refuse_clock_jump(
    now: datetime, *, last_seen: datetime | None, max_jump: timedelta, newest: datetime | None
) -> None:
    """Return when the clock stands where it can have come by itself.

    Args:
        now: what it shows.
        last_seen: what it showed when it was last looked at, in this process or one before; ``None`` when nobody
            remembers.
        max_jump: how far on it may be by now.
        newest: when the newest job was created; a witness where there is no reading.

    Raises:
        StoreRefusedError: it jumped (reason ``clock``).
    """
    if last_seen is not None and now < last_seen - _BACK:
        raise _refusal(now, f"{_span(last_seen - now)} before its last reading, {_shown(last_seen)}")
    if last_seen is not None and now > last_seen + max_jump:
        raise _refusal(now, f"{_span(now - last_seen)} after its last reading, {_shown(last_seen)}")
    if last_seen is None and newest is not None and now < newest - max_jump:
        raise _refusal(now, f"{_span(newest - now)} before the newest job was created, {_shown(newest)}")


def _refusal(now: datetime, what: str) -> StoreRefusedError:
    return StoreRefusedError(
        f"prune refused: the clock shows {_shown(now)}, {what}; set it right, or, if it is right, say so with 'hyperjobs prune --trust-clock'",
        reason="clock",
    )


def _shown(at: datetime) -> str:
    return format_instant(at)[:19] + "Z"


def _span(span: timedelta) -> str:
    return format_duration(timedelta(seconds=int(span.total_seconds())))
