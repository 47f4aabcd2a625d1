"""Whether the wall clock stands where it should: read now and then, and held against how long the machine has run.

What is deleted by age is deleted by the clock, and a clock that is set a year ahead makes every job a year older.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from hyperjobs.clock import Clock
    from hyperjobs.store.state import StateFile

_BACK = timedelta(minutes=10)
_STEADY_S = 86_400.0
"""After a start that no reading explains, the clock is believed when it has gone evenly for so long."""


class Uptime(NamedTuple):
    """Which start of the machine this is, and the seconds since, sleep included."""

    boot: str
    seconds: float


def uptime() -> Uptime:
    """Of this machine, from the kernel."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        boot = ""
    return Uptime(boot, time.clock_gettime(time.CLOCK_BOOTTIME))


class Timekeeper:
    """The last reading of the clock that was believed, kept in the state file."""

    def __init__(
        self, state: StateFile, *, clock: Clock, max_jump: timedelta, machine: Callable[[], Uptime] = uptime
    ) -> None:
        self._state = state
        self._clock = clock
        self._max_jump = max_jump
        self._machine = machine

    def expected(self) -> datetime | None:
        """Where the clock should stand now, or stood last if the machine was started since; ``None`` when nobody knows."""
        found = self._reading("clock")
        if found is None:
            return None
        wall, then = found
        machine = self._machine()
        return wall + timedelta(seconds=machine.seconds - then.seconds) if machine.boot == then.boot else wall

    def read(self) -> bool:
        """Take a reading; whether it is believed.

        One that is not leaves the last good one in force: until the clock is put right, a person says that it is right
        (:meth:`trust`), or, where the machine was off in between, it has gone evenly for a day.
        """
        expected, now, machine = self.expected(), self._clock.now(), self._machine()
        if expected is None or -_BACK <= now - expected <= self._max_jump:
            self._save("clock", now, machine)
            return True
        found = self._reading("clock")
        if found is not None and found[1].boot != machine.boot and self._is_steady(now, machine):
            self._save("clock", now, machine)
            return True
        return False

    def trust(self) -> None:
        """Believe the clock as it is."""
        self._save("clock", self._clock.now(), self._machine())

    def _is_steady(self, now: datetime, machine: Uptime) -> bool:
        """Whether the clock has gone evenly for a day since it was first doubted in this start of the machine."""
        found = self._reading("clock_doubted")
        if found is not None and found[1].boot == machine.boot:
            wall, then = found
            elapsed_s = machine.seconds - then.seconds
            if abs(now - wall - timedelta(seconds=elapsed_s)) <= _BACK:
                return elapsed_s >= _STEADY_S
        self._save("clock_doubted", now, machine)
        return False

    def _reading(self, name: str) -> tuple[datetime, Uptime] | None:
        found = self._state.fact(name)
        if found is None:
            return None
        wall, boot, seconds = str(found).split(" ")
        return datetime.fromisoformat(wall), Uptime(boot, float(seconds))

    def _save(self, name: str, now: datetime, machine: Uptime) -> None:
        self._state.save_facts(**{name: f"{now.astimezone(UTC).isoformat()} {machine.boot} {machine.seconds}"})
