"""How fast a running job goes on, told from the last looks at its progress. Pure."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hyperjobs.store.models import Job

_SPAN_S: Final = 60.0
"""Older looks do not count: a job that slowed down a minute ago is slow."""
_FULL: Final = 100.0


class Pace:
    """The last looks at one job.

    Args:
        stood_since_s: since when its progress is known to stand where it stands, by the same clock as the looks.
    """

    def __init__(self, stood_since_s: float | None = None) -> None:
        self._looks: deque[tuple[float, float]] = deque()
        self._stood_since_s = stood_since_s
        self._total_bytes = 0

    def look(self, job: Job, at_s: float) -> None:
        """Take note of where it is now.

        Args:
            job: as it is.
            at_s: when, by a clock that only goes on.
        """
        self._total_bytes = job.total_size
        if self._looks and job.progress != self._looks[-1][1]:
            self._stood_since_s = at_s
            if job.progress < self._looks[-1][1]:
                self._looks.clear()  # it began anew
        elif self._stood_since_s is None:
            self._stood_since_s = at_s
        self._looks.append((at_s, job.progress))
        while len(self._looks) > 2 and self._looks[1][0] <= at_s - _SPAN_S:  # noqa: PLR2004 - two make a rate
            self._looks.popleft()

    @property
    def percent_per_s(self) -> float | None:
        """Its speed in the last minute; ``None`` when it did not go on, or was looked at only once."""
        if not self._looks:
            return None
        (first_s, first), (last_s, last) = self._looks[0], self._looks[-1]
        return (last - first) / (last_s - first_s) if last_s > first_s and last > first else None

    @property
    def bytes_per_s(self) -> float | None:
        """The same in bytes, where the row says how many there are in all."""
        speed = self.percent_per_s
        return None if speed is None or self._total_bytes <= 0 else self._total_bytes * speed / _FULL

    @property
    def left_s(self) -> float | None:
        """So long it takes yet, if it goes on like that; ``None`` when nobody can tell."""
        speed = self.percent_per_s
        return None if speed is None else (_FULL - self._looks[-1][1]) / speed

    def stood_s(self, now_s: float) -> float:
        """For how long its progress is known to have stood."""
        return 0.0 if self._stood_since_s is None else max(now_s - self._stood_since_s, 0.0)
