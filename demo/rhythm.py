"""How busy the fleet is, and when it has a bad time: by the hour, the day of the week, and the growth of weeks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from demo.cast import PROVIDERS

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator
    from datetime import datetime

_JOBS_AN_HOUR: Final = 28.0
"""On a working day, outside of the migration window."""
_WINDOW: Final = 3.2
"""How much more it is around the middle of the migration window."""
_WINDOW_AT: Final = 22.5
_WINDOW_WIDTH: Final = 2.2
_OFFICE_AT: Final = 14.0
_OFFICE_WIDTH: Final = 3.0
_SATURDAY: Final = 5
_WEEKEND: Final = 0.45
_DAILY_GROWTH: Final = 1.02
_HOUR: Final = 3600.0


def jobs_an_hour(at: datetime, day: float) -> float:
    """How many jobs people ask for, at a local time, so many days after the beginning."""
    hour = at.hour + at.minute / 60
    base = 0.5 + 0.9 * _bell(hour, _OFFICE_AT, _OFFICE_WIDTH) + _WINDOW * _bell(hour, _WINDOW_AT, _WINDOW_WIDTH)
    return _JOBS_AN_HOUR * base * (_WEEKEND if at.weekday() >= _SATURDAY else 1.0) * float(_DAILY_GROWTH**day)


def _bell(hour: float, middle: float, width: float) -> float:
    away = min(abs(hour - middle), 24 - abs(hour - middle))
    return math.exp(-((away / width) ** 2) / 2)


@dataclass(frozen=True, slots=True)
class Incident:
    """A time at which most jobs of some providers fail, all for one reason; epoch seconds.

    Attributes:
        error: the place of that reason among the provider's errors.
    """

    start_s: float
    end_s: float
    providers: frozenset[str]
    error: int = 0
    fails: float = 0.85


def incidents(chance: random.Random, after_s: float, quiet_s: float, *, length_s: float) -> Iterator[Incident]:
    """Incidents without an end, about ``quiet_s`` from one to the next, each about ``length_s`` long."""
    while True:
        start_s = after_s + quiet_s * (0.5 + chance.random())
        after_s = start_s + length_s * (0.5 + chance.random())
        name = chance.choice(PROVIDERS).name
        yield Incident(start_s, after_s, frozenset({name}), error=chance.randrange(2))


def bad_night(now: datetime) -> Incident:
    """The storage of two platforms fails from nine in the evening to two, on a working day two to four days ago."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    days_ago = next(days for days in (2, 3, 4) if (midnight - timedelta(days=days)).weekday() < _SATURDAY)
    start_s = (midnight - timedelta(days=days_ago)).timestamp() + 21 * _HOUR
    return Incident(start_s, start_s + 5 * _HOUR, frozenset({"vsphere", "hyperv"}), fails=0.7)
