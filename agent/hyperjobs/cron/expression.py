"""A cron expression in a time zone: what ``schedule:`` of the configuration means."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from itertools import islice, pairwise, takewhile
from typing import TYPE_CHECKING

from hyperjobs.cron.fields import read_fields
from hyperjobs.cron.slots import DAY, FixedTimes, Interval, count_slots, slots_after, slots_before
from hyperjobs.cron.zone import find_zone, first_instant, local_time

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date
    from zoneinfo import ZoneInfo

    from hyperjobs.cron.slots import Slot

_WEEKS = timedelta(weeks=5)
"""Long enough for "the second Sunday", short enough that a summer's schedule is not judged by the winter's pause."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When something is due, by an expression; made by :func:`parse_schedule`.

    Attributes:
        text: the expression as written.
        zone: the name of the time zone.
        tz: the zone itself.
        is_interval: it runs in real time, for its hour field is ``*`` or ``*/1``; else each local time runs once.
    """

    text: str
    zone: str
    tz: ZoneInfo = field(repr=False, compare=False)
    is_interval: bool = field(repr=False, compare=False)
    _calendar: FixedTimes | Interval = field(repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.text} {self.zone}"

    def after(self, instant: datetime) -> Iterator[Slot]:
        """The slots later than an instant, in order; found as they are asked for."""
        return slots_after(self._calendar, instant)

    def before(self, instant: datetime) -> Iterator[Slot]:
        """The slots up to and at an instant, the newest first; found as they are asked for."""
        return slots_before(self._calendar, instant)

    def between(self, after: datetime, until: datetime) -> Iterator[Slot]:
        """The slots later than ``after``, and up to and at ``until``, in order."""
        return takewhile(lambda slot: slot.at <= until, self.after(after))

    def count(self, after: datetime, until: datetime) -> int:
        """How many slots there are between; a microsecond or two a day, however many the day has."""
        return count_slots(self._calendar, after, until)

    def on(self, first: date, days: int) -> Iterator[Slot]:
        """The slots of so many local days; one of a day that the zone left out comes with the day after it."""
        if isinstance(self._calendar, FixedTimes):
            for number in range(days):
                yield from self._calendar.slots(first + number * DAY)
            return
        start, end = (first_instant(datetime.combine(day, time()), self.tz) for day in (first, first + days * DAY))
        tick = timedelta(microseconds=1)
        yield from self.between(start - tick, end - tick)

    def expected_interval(self, now: datetime) -> timedelta:
        """The longest time between two neighbouring slots of the coming five weeks, by the local calendar.

        A daily schedule gives a day, also when clocks change; one that is rarer gives the time between its next two.
        """
        fields = self._calendar.fields
        today = local_time(now, self.tz).date()
        days = list(takewhile(lambda day: day <= today + _WEEKS, fields.days(today)))
        if len(days) <= 1:
            days = list(islice(fields.days(today), 2))
        inside = [late - early for early, late in pairwise(fields.times)]
        overnight = fields.times[0] - fields.times[-1]
        return max([*inside, *((late - early) + overnight for early, late in pairwise(days))], default=DAY)


def parse_schedule(text: str, zone: str = "UTC") -> Schedule:
    """The schedule that an expression means in a zone.

    Args:
        text: five fields as cron has them (``30 1 * * *``, ``*/30 * * * *``, ``0 4 * * sun``), or ``@hourly``,
            ``@daily``, ``@midnight``, ``@weekly``, ``@monthly``, ``@yearly``.
        zone: a name of the time zone database.

    Raises:
        ValueError: the text or the zone cannot be used; the message says why and reads well after an option's name.
    """
    fields = read_fields(text)
    tz = find_zone(zone)
    calendar = Interval(fields, tz) if fields.is_interval else FixedTimes(fields, tz)
    return Schedule(" ".join(text.split()), zone, tz, fields.is_interval, calendar)
