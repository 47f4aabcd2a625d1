"""Time as the past had it: for the agent a clock, for the writer's SQLite the same one."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Final

import apsw

_EPOCH_DAYS: Final = 2_440_587.5
"""1970-01-01 as a Julian day."""
_DAY_S: Final = 86_400.0


class TimeLapse:
    """A clock that runs as the real one does, and is moved on by whoever replays the past.

    Args:
        start: what it shows at first.
    """

    def __init__(self, start: datetime) -> None:
        self._behind = datetime.now(UTC) - start
        self._skipped_s = 0.0

    def now(self) -> datetime:
        """The instant in the past, aware, in UTC."""
        return datetime.now(UTC) - self._behind

    def monotonic(self) -> float:
        """Seconds since some fixed point; what is skipped counts."""
        return time.monotonic() + self._skipped_s

    def go_to(self, at: datetime) -> None:
        """Move on; an instant that is over already changes nothing."""
        step = at - self.now()
        if step > timedelta(0):
            self._behind -= step
            self._skipped_s += step.total_seconds()


class PastVFS(apsw.VFS):
    """The file system of SQLite as it is, but for the time that ``CURRENT_TIMESTAMP`` has.

    Only the writer's connection has it: the triggers note by it when something changed.
    """

    name: Final = "past"

    def __init__(self, clock: TimeLapse) -> None:
        super().__init__(self.name, base="unix")
        self._clock = clock

    def xCurrentTimeInt64(self) -> int:  # noqa: N802 - SQLite's name
        """Milliseconds of the Julian day."""
        return int(self.xCurrentTime() * _DAY_S * 1000)

    def xCurrentTime(self) -> float:  # noqa: N802 - as above
        """The Julian day."""
        return _EPOCH_DAYS + self._clock.now().timestamp() / _DAY_S
