"""When a schedule is due in a zone, also on the days on which clocks change.

The contract: by fixed times, each nominal slot (a local date and time) runs exactly once. One that is skipped runs
right after the gap; one that comes twice runs the first time. By interval, every instant runs whose local time
matches: both passes of a repeated hour, and nothing for a skipped one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, ClassVar, Protocol

from hyperjobs.cron.fields import FIRST_DAY, LAST_DAY
from hyperjobs.cron.zone import first_instant, local_time, pieces

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

    from hyperjobs.cron.fields import Fields

DAY = timedelta(days=1)
_MARGIN_DAYS = 2
"""By so much can a zone's date be off from that of UTC, or slots of a date from the date: Apia once left out a day."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One time at which something is due.

    Attributes:
        nominal: its name, which no other slot of the same schedule has: ``2026-10-25T02:30 Europe/Berlin`` by fixed
            times, ``2026-10-25T00:30Z`` by interval.
        at: the instant, in UTC.
    """

    nominal: str
    at: datetime


class Recurrence(Protocol):
    """Something that is due again and again."""

    def after(self, instant: datetime) -> Iterator[Slot]:
        """The slots later than an instant, in order."""
        ...

    def before(self, instant: datetime) -> Iterator[Slot]:
        """The slots up to and at an instant, the newest first."""
        ...

    def between(self, after: datetime, until: datetime) -> Iterator[Slot]:
        """The slots later than the one instant, and up to and at the other, in order."""
        ...

    def count(self, after: datetime, until: datetime) -> int:
        """How many there are between; cheap also for a span of years."""
        ...

    def expected_interval(self, now: datetime) -> timedelta:
        """The longest time between two neighbours in the coming weeks."""
        ...


class Calendar(Protocol):
    """Slots by day: those of a day all come before, or with, those of the next."""

    @property
    def margin_days(self) -> int:
        """So many days off can a slot be listed from the day of its instant."""
        ...

    def day_of(self, instant: datetime) -> date:
        """The day that an instant is in."""
        ...

    def slots(self, day: date) -> list[Slot]:
        """Those of a day, in order."""
        ...

    def count(self, day: date) -> int:
        """How many a day has."""
        ...


@dataclass(frozen=True, slots=True)
class FixedTimes:
    """Slots at times of day: the days are those of the zone."""

    fields: Fields
    tz: ZoneInfo
    margin_days: ClassVar[int] = _MARGIN_DAYS

    def day_of(self, instant: datetime) -> date:
        """The date in the zone."""
        return local_time(instant, self.tz).date()

    def slots(self, day: date) -> list[Slot]:
        """Each of the day's times once, also those that the clocks skip."""
        if not self.fields.has(day):
            return []
        midnight, zone = datetime.combine(day, time()), self.tz.key
        offsets = [offset for _, _, offset in pieces(*_around(day), self.tz)]
        if len(offsets) == 1:
            shift = midnight.replace(tzinfo=UTC) - offsets[0]
            return [Slot(_name(midnight + since, zone), shift + since) for since in self.fields.times]
        return [Slot(_name(at, zone), first_instant(at, self.tz)) for at in map(midnight.__add__, self.fields.times)]

    def count(self, day: date) -> int:
        """As many as there are times, or none."""
        return len(self.fields.times) if self.fields.has(day) else 0


@dataclass(frozen=True, slots=True)
class Interval:
    """Slots in real time: the days are those of UTC, for those of a zone can run into each other.

    St. John's turned its clocks back at 00:01, so that a date began, the one before went on, and it began again.
    """

    fields: Fields
    tz: ZoneInfo
    margin_days: ClassVar[int] = 0

    def day_of(self, instant: datetime) -> date:
        """The date in UTC."""
        return instant.astimezone(UTC).date()

    def slots(self, day: date) -> list[Slot]:
        """Every instant of the day whose local time matches."""
        start = datetime.combine(day, time(), UTC)
        return [
            Slot(f"{at.replace(tzinfo=None).isoformat(timespec='minutes')}Z", at)
            for begin, end, offset in pieces(start, start + DAY, self.tz)
            for at in self._matching(begin, end, offset)
        ]

    def count(self, day: date) -> int:
        """Those of the day; by the number of times when the offset does not change."""
        start = datetime.combine(day, time(), UTC)
        cuts = list(pieces(start, start + DAY, self.tz))
        offset = cuts[0][2]
        if len(cuts) == 1:
            first, last = ((at + offset).date() for at in (start, start + DAY - timedelta(microseconds=1)))
            if (has_slots := self.fields.has(first)) == self.fields.has(last):
                return len(self.fields.times) if has_slots else 0
        return len(self.slots(day))

    def _matching(self, begin: datetime, end: datetime, offset: timedelta) -> Iterator[datetime]:
        first, last = (begin + offset).date(), (end + offset).date()
        for number in range((last - first).days + 1):
            if not self.fields.has(day := first + number * DAY):
                continue
            midnight = datetime.combine(day, time(), UTC) - offset
            yield from (at for at in map(midnight.__add__, self.fields.times) if begin <= at < end)


def _name(local: datetime, zone: str) -> str:
    return f"{local.isoformat(timespec='minutes')} {zone}"


def _around(day: date) -> tuple[datetime, datetime]:
    """A span that holds the day in every zone."""
    noon = datetime.combine(day, time(12), UTC)
    return noon - _MARGIN_DAYS * DAY, noon + _MARGIN_DAYS * DAY


def slots_after(calendar: Calendar, instant: datetime) -> Iterator[Slot]:
    """The slots later than an instant, in order."""
    day = _clamped(instant, calendar, -calendar.margin_days)
    while day <= LAST_DAY:
        yield from (slot for slot in calendar.slots(day) if slot.at > instant)
        day += DAY


def slots_before(calendar: Calendar, instant: datetime) -> Iterator[Slot]:
    """The slots up to and at an instant, the newest first."""
    day = _clamped(instant, calendar, calendar.margin_days)
    while day >= FIRST_DAY:
        yield from (slot for slot in reversed(calendar.slots(day)) if slot.at <= instant)
        day -= DAY


def count_slots(calendar: Calendar, after: datetime, until: datetime) -> int:
    """How many there are later than the one instant, and up to and at the other."""
    # Near the ends each slot is looked at; in between a day is as good as its number.
    margin = calendar.margin_days
    first, last = _clamped(after, calendar, -margin), _clamped(until, calendar, margin)
    total = 0
    for number in range((last - first).days + 1):
        day = first + number * DAY
        if 2 * margin < number < (last - first).days - 2 * margin:
            total += calendar.count(day)
        else:
            total += sum(after < slot.at <= until for slot in calendar.slots(day))
    return total


def _clamped(instant: datetime, calendar: Calendar, days: int) -> date:
    """The day so many days from the instant's, or the first or last that has slots."""
    inside = min(max(instant, datetime.combine(FIRST_DAY, time(), UTC)), datetime.combine(LAST_DAY, time(), UTC))
    return min(max(calendar.day_of(inside) + days * DAY, FIRST_DAY), LAST_DAY)
