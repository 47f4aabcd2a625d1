"""What zones' clocks show, found without the code under test: by looking at every minute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
PERIODS = ((2011, 2012), (2017, 2027))
"""The year in which Apia left out a day, and ten years of everybody's changes."""

_LOOK_EVERY = timedelta(days=7)  # the shortest time between two changes of these years is 28 days


def local(instant, tz):
    return instant.astimezone(tz).replace(tzinfo=None, fold=0)


def first_seen(tz, start, end):
    """Each half hour that the clocks reach or pass between two instants, with the minute at which they first do."""
    found = []
    highest = local(start - 2 * DAY, tz)
    instant = start - 2 * DAY  # what a repeated hour showed the first time must have been seen
    while instant < end:
        now = local(instant, tz)
        while highest + MINUTE <= now:
            highest += MINUTE
            if highest.minute % 30 == 0 and instant >= start:
                found.append((highest, instant))
        instant += MINUTE
    return found


def matching(tz, start, end, minutes=(0, 30)):
    """Each instant between two at which the clocks show one of these minutes of an hour."""
    count = (end - start) // MINUTE
    return [at for at in (start + number * MINUTE for number in range(count)) if at.astimezone(tz).minute in minutes]


@cache
def changes(name):
    """The minutes at which a zone's offset changes in these years, with the new offset."""
    tz = ZoneInfo(name)
    found = []
    for first, last in PERIODS:
        instant, end = datetime(first, 1, 1, tzinfo=UTC), datetime(last, 1, 1, tzinfo=UTC)
        while instant < end:
            following = min(instant + _LOOK_EVERY, end)
            if instant.astimezone(tz).utcoffset() != following.astimezone(tz).utcoffset():
                found.append(_change_between(tz, instant, following))
            instant = following
    return tuple(found)


def _change_between(tz, before, after):
    offset = before.astimezone(tz).utcoffset()
    for step in (DAY, 60 * MINUTE, MINUTE):
        while before + step <= after and (before + step).astimezone(tz).utcoffset() == offset:
            before += step
    after = before + MINUTE
    return after, after.astimezone(tz).utcoffset()


@cache
def classes():
    """One zone for each distinct set of rules in these years."""
    start = datetime(PERIODS[0][0], 1, 1, tzinfo=UTC), datetime(PERIODS[1][0], 1, 1, tzinfo=UTC)
    by_rules = {}
    for name in sorted(available_timezones()):
        offsets = tuple(at.astimezone(ZoneInfo(name)).utcoffset() for at in start)
        by_rules.setdefault((offsets, changes(name)), name)
    return tuple(by_rules.values())
