"""The hours of a day within which something may begin: what ``window:`` of the configuration means."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

from hyperjobs.cron.zone import first_instant, local_time, pieces

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_FORM = 'write two times, such as "02:00-05:00"'
_WINDOW = re.compile(r"([0-9]{1,2}):([0-9]{2}) ?- ?([0-9]{1,2}):([0-9]{2})")
_MIDNIGHT_AT_THE_END = (24, 0)
_DAYS_AHEAD = 4
"""One for today, one when today's is over, one when a gap takes tomorrow's, one when a zone leaves a day out."""


@dataclass(frozen=True, slots=True)
class Window:
    """A part of each day, by local time; one whose end is not after its start runs over midnight.

    Attributes:
        start: the first time in it.
        end: the first time after it.
    """

    start: time
    end: time

    def __str__(self) -> str:
        return f"{self.start:%H:%M}-{self.end:%H:%M}"

    def contains(self, instant: datetime, zone: ZoneInfo) -> bool:
        """Whether the clocks of a zone show a time in it."""
        now = local_time(instant, zone).time()
        if self.start < self.end:
            return self.start <= now < self.end
        return now >= self.start or now < self.end

    def next_open(self, instant: datetime, zone: ZoneInfo) -> datetime:
        """The first instant, at the given one or later, that is in it.

        On a day on which clocks skip the whole window it does not open.
        """
        if self.contains(instant, zone):
            return instant.astimezone(UTC)
        today = local_time(instant, zone).date()
        openings = []
        for number in range(_DAYS_AHEAD):
            start = datetime.combine(today + timedelta(days=number), self.start)
            second_pass = start.replace(tzinfo=zone, fold=1).astimezone(UTC)
            openings += [first_instant(start, zone), second_pass]
        # Clocks that are set back at the end of the window can show its last minutes again.
        until = instant + timedelta(days=_DAYS_AHEAD)
        openings += [begin for begin, _, _ in pieces(instant, until, zone)]
        return min(at for at in openings if at >= instant and self.contains(at, zone))


def parse_window(text: str) -> Window:
    """The window that a text means.

    Args:
        text: two times of day with a dash between, ``02:00-05:00``; ``23:00-02:00`` runs over midnight.

    Raises:
        ValueError: the text is no window; the message says why and reads well after an option's name.
    """
    if not isinstance(text, str) or not (match := _WINDOW.fullmatch(text.strip())):
        raise ValueError(f"is not a window; {_FORM}")
    numbers = [int(number) for number in match.groups()]
    start, end = (numbers[0], numbers[1]), (numbers[2], numbers[3])
    if end == _MIDNIGHT_AT_THE_END:
        end = (0, 0)
    try:
        window = Window(time(*start), time(*end))
    except ValueError as exc:
        raise ValueError(f"has a time that no clock shows; {_FORM}") from exc
    if start == end:
        raise ValueError("is empty, for it ends when it starts; leave it out to mean the whole day")
    return window
