"""The clock, passed to whatever needs the time so that tests can set it."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import Protocol

_STEP_S = 1.0
"""A wall clock that moved by more than this against the monotonic one was set, or the machine slept."""
_UNSEEN_S = 60.0
"""When nobody looked for longer, the process was stopped: what came due then was slept through."""


class Clock(Protocol):
    """What time it is: ``now`` for stamps, ``monotonic`` for durations."""

    def now(self) -> datetime:
        """The current instant, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds since some fixed point; never steps back."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The current instant, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since the machine started."""
        return time.monotonic()


class ClockWatch:
    """Knows since when somebody has been looking, and the wall clock has run without a step; for any thread.

    Args:
        clock: whose two readings are compared.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._awake_since = clock.now()
        self._seen_s = clock.monotonic()
        self._ahead_s = self._read()
        self._unsaid_s: list[float] = []

    def begin(self) -> None:
        """Count from now."""
        with self._lock:
            self._seen_s, self._ahead_s = self._clock.monotonic(), self._read()
            self._awake_since, self._unsaid_s = self._clock.now(), []

    def awake_since(self) -> datetime:
        """The start, or the last step, if that was later."""
        with self._lock:
            self._compare()
            return self._awake_since

    def steps_s(self) -> list[float]:
        """By how much the wall clock was set, each time since this was last asked."""
        with self._lock:
            self._compare()
            unsaid_s, self._unsaid_s = self._unsaid_s, []
            return unsaid_s

    def _compare(self) -> None:
        ahead_s = self._read()
        step_s, self._ahead_s = ahead_s - self._ahead_s, ahead_s
        unseen_s, self._seen_s = self._clock.monotonic() - self._seen_s, self._clock.monotonic()
        if abs(step_s) > _STEP_S:
            self._unsaid_s.append(step_s)
        if abs(step_s) > _STEP_S or unseen_s > _UNSEEN_S:
            self._awake_since = self._clock.now()

    def _read(self) -> float:
        return self._clock.now().timestamp() - self._clock.monotonic()
