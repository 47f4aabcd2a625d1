"""The five fields of a cron expression, as cronsim reads them: which days, and at what times of a day.

The only importer of cronsim. It is asked what the fields mean, never for an instant: what happens where clocks change
is :mod:`hyperjobs.cron.slots`' to say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING

from cronsim import CronSim, CronSimError

if TYPE_CHECKING:
    from collections.abc import Iterator

ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * sun",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}
FIRST_DAY, LAST_DAY = date(2, 1, 1), date(9998, 12, 31)
"""The days that have slots: in each zone all of them, and their neighbours, are within the calendar."""

_FORM = 'write "minute hour day month weekday", such as "30 1 * * *"'
_COUNT = 5
_MAX_LENGTH = 200  # beyond it is no schedule that a person wrote, and numbers get slow to read
_EVERY_HOUR = frozenset({"*", "*/1"})
_NAMES = ("minute", "hour", "day", "month", "weekday")
_RANGES = (
    "0-59",
    "0-23",
    "1-31, L (the last day) or LW (the last working day)",
    "1-12 or jan-dec",
    "0-7 (0 and 7 are Sunday) or sun-sat, with #2 for the second in a month, and 5L for the last Friday",
)
_BACKWARDS = re.compile(r"(?<![0-9])([0-9]{1,2})-([0-9]{1,2})(?![0-9])")
_SAMPLE = datetime(2000, 1, 1)  # noqa: DTZ001 - a local time without a zone is what cronsim is asked about
_DAYS_OF_THE_CALENDAR = 146_097
"""After 400 years the calendar begins anew; a schedule without a day until then has none."""


@dataclass(frozen=True, slots=True, eq=False)
class Fields:
    """What an expression says about days and times, without a zone.

    Attributes:
        times: how long after midnight the slots of a day are, in order.
        is_interval: the hour field is ``*`` or ``*/1``, so that the schedule means an interval and not times of day.
    """

    times: tuple[timedelta, ...]
    is_interval: bool
    _cron: CronSim = field(repr=False)

    def has(self, day: date) -> bool:
        """Whether a day has slots."""
        return day.month in self._cron.months and self._cron.match_day(day)

    def days(self, first: date) -> Iterator[date]:
        """The days that have slots, from ``first`` on."""
        day = max(first, FIRST_DAY)
        while day <= LAST_DAY:
            if self.has(day):
                yield day
            day += timedelta(days=1)


def read_fields(text: str) -> Fields:
    """What an expression or alias says.

    Raises:
        ValueError: the text is no expression, or one that no day matches; its message reads well after an option's name.
    """
    if not isinstance(text, str):
        raise ValueError(f"is not text; {_FORM}")  # noqa: TRY004 - callers catch one kind of error
    if len(text) > _MAX_LENGTH:
        raise ValueError(f"is longer than {_MAX_LENGTH} characters")
    words = _expanded(text.strip()).split()
    if not words:
        raise ValueError(f"is empty; {_FORM}")
    if len(words) != _COUNT:
        plural = "" if len(words) == 1 else "s"
        raise ValueError(f"has {len(words)} field{plural}; {_FORM}")
    for place, word in enumerate(words):
        _check(word, place)
    never = f"never comes: there is no day {words[2]} on weekday {words[4]} in month {words[3]}; correct one of them"
    try:
        cron = CronSim(" ".join(words), _SAMPLE)
    except CronSimError as exc:  # each field is sound, so it is about how they go together
        raise ValueError(never) from exc
    times = tuple(
        timedelta(hours=hour, minutes=minute) for hour in sorted(cron.hours) for minute in sorted(cron.minutes)
    )
    fields = Fields(times, words[1] in _EVERY_HOUR, cron)
    days = (_SAMPLE.date() + timedelta(days=number) for number in range(_DAYS_OF_THE_CALENDAR))
    if not any(map(fields.has, days)):
        raise ValueError(never)
    return fields


def _expanded(text: str) -> str:
    if not text.startswith("@"):
        return text
    expression = ALIASES.get(text.lower())
    if expression is None:
        near = get_close_matches(text.lower(), ALIASES, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(ALIASES)}"
        raise ValueError(f"has the unknown alias {text[:20]!a}; {hint}")
    return expression


def _check(word: str, place: int) -> None:
    """Raise ValueError when cronsim cannot read this field."""
    alone = ["*"] * _COUNT
    alone[place] = word
    try:
        CronSim(" ".join(alone), _SAMPLE)
    except (CronSimError, ValueError, AssertionError, IndexError) as exc:
        shown = f"has the {_NAMES[place]} field {word[:20]!a}"
        if any(int(start) > int(end) for start, end in _BACKWARDS.findall(word)):
            raise ValueError(f"{shown}, whose range runs backwards; write two ranges with a comma between") from exc
        raise ValueError(f"{shown}; it takes {_RANGES[place]}") from exc
