"""A fixed interval in real time: what ``every: 5m`` of the configuration means."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from hyperjobs.cron.slots import Slot
from hyperjobs.duration import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHORTEST = timedelta(seconds=1)
_FIRST, _LAST = datetime(2, 1, 1, tzinfo=UTC), datetime(9998, 12, 31, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Every:
    """Something that is due each time an interval has passed since 1970-01-01T00:00Z.

    So a restart does not move it, and ``5m`` falls on minutes 0, 5, 10 of each hour.

    Args:
        interval: a second or longer.

    Raises:
        ValueError: the interval is shorter.
    """

    interval: timedelta

    def __post_init__(self) -> None:
        if self.interval < _SHORTEST:
            raise ValueError(f"is shorter than {format_duration(_SHORTEST)}")

    def __str__(self) -> str:
        return f"every {format_duration(self.interval)}"

    def after(self, instant: datetime) -> Iterator[Slot]:
        """The slots later than an instant, in order."""
        number = (max(instant, _FIRST) - _EPOCH) // self.interval + 1
        while (at := self._at(number)) <= _LAST:
            yield _slot(at)
            number += 1

    def before(self, instant: datetime) -> Iterator[Slot]:
        """The slots up to and at an instant, the newest first."""
        number = (min(instant, _LAST) - _EPOCH) // self.interval
        while (at := self._at(number)) >= _FIRST:
            yield _slot(at)
            number -= 1

    def between(self, after: datetime, until: datetime) -> Iterator[Slot]:
        """The slots later than ``after``, and up to and at ``until``, in order."""
        for slot in self.after(after):
            if slot.at > until:
                return
            yield slot

    def count(self, after: datetime, until: datetime) -> int:
        """How many slots there are between."""
        return max((until - _EPOCH) // self.interval - (after - _EPOCH) // self.interval, 0)

    def expected_interval(self, now: datetime) -> timedelta:  # noqa: ARG002 - it is the same at any time
        """The interval."""
        return self.interval

    def _at(self, number: int) -> datetime:
        return _EPOCH + number * self.interval


def _slot(at: datetime) -> Slot:
    spec = "microseconds" if at.microsecond else "seconds" if at.second else "minutes"
    return Slot(f"{at.replace(tzinfo=None).isoformat(timespec=spec)}Z", at)
