"""Time zones: found by name, and asked when a local time comes.

zoneinfo has no list of its changes, so the instant of one is found by halving a span that it is known to be in.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SECOND = timedelta(seconds=1)
_MAX_LENGTH = 60


def find_zone(name: str) -> ZoneInfo:
    """The zone of this name.

    Raises:
        ValueError: there is none; the message names the nearest and reads well after an option's name.
    """
    if not isinstance(name, str) or not name:
        raise ValueError("is not a time zone; write one such as UTC or Europe/Berlin")
    # right/ counts leap seconds: its minutes begin at other instants than everybody's.
    if not name.startswith(("right/", "posix/")):
        try:
            return ZoneInfo(name)
        except (LookupError, ValueError, OSError):  # a folder of zones or a path is an error of its own kind
            pass
    raise ValueError(f"is not a known time zone ({name[:_MAX_LENGTH]!a}); {_hint(name)}")


def first_instant(local: datetime, tz: ZoneInfo) -> datetime:
    """The first instant at which the clocks of a zone show a local time, or a later one.

    So a time that is skipped comes right after the gap, and one that is repeated comes with its first pass.

    Args:
        local: naive, on a whole second.
        tz: the zone.

    Returns:
        In UTC.
    """
    at = local.replace(tzinfo=tz, fold=0).astimezone(UTC)
    if local_time(at, tz) == local:
        return at
    before = local.replace(tzinfo=tz, fold=1).astimezone(UTC)  # by the offset after the gap: an instant before it
    return _first(lambda instant: local_time(instant, tz) >= local, before, at)


def is_repeated(local: datetime, tz: ZoneInfo) -> bool:
    """Whether the clocks of a zone show this local time twice."""
    passes = [local.replace(tzinfo=tz, fold=fold).astimezone(UTC) for fold in (0, 1)]
    return passes[0] < passes[1] and local_time(passes[0], tz) == local


def local_time(instant: datetime, tz: ZoneInfo) -> datetime:
    """What the clocks of a zone show, naive."""
    return instant.astimezone(tz).replace(tzinfo=None, fold=0)


def offset_at(instant: datetime, tz: ZoneInfo) -> timedelta:
    """How far the clocks of a zone are ahead of UTC."""
    return instant.astimezone(tz).utcoffset() or timedelta(0)


def pieces(start: datetime, end: datetime, tz: ZoneInfo) -> Iterator[tuple[datetime, datetime, timedelta]]:
    """A span of at most a few days cut where the offset changes: ``(start, end, offset)`` of each piece, in order.

    A change that is undone within the span would go unseen; since 1970 none was undone within a week.
    """
    offset, last = offset_at(start, tz), offset_at(end, tz)
    while offset != last:
        here = offset
        change = _first(lambda instant: offset_at(instant, tz) != here, start, end)  # noqa: B023 - called at once
        yield start, change, offset
        start, offset = change, offset_at(change, tz)
    yield start, end, offset


def _first(holds: Callable[[datetime], bool], before: datetime, after: datetime) -> datetime:
    """The first whole second at which something holds that does not yet ``before``, and does ``after``."""
    while after - before > _SECOND:
        middle = before + (after - before) // _SECOND // 2 * _SECOND
        before, after = (before, middle) if holds(middle) else (middle, after)
    return after


def _hint(name: str) -> str:
    known = {zone.lower(): zone for zone in available_timezones()}
    known |= {zone.lower().rpartition("/")[2]: zone for zone in known.values() if "/" in zone}
    near = get_close_matches(name.lower().replace(" ", "_"), known, n=1)
    return f"did you mean {known[near[0]]!r}?" if near else "write one such as UTC or Europe/Berlin"
