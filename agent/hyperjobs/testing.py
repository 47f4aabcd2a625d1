"""What programs that use hyperjobs need in their own tests: a clock they set, jobs they need not spell out."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from hyperjobs.store.models import Job, JobStatus

START = datetime(2026, 1, 21, 10, 0, tzinfo=UTC)
"""What a :class:`FakeClock` shows at first."""

_numbers = itertools.count(1)


class FakeClock:
    """A clock that stands still until it is moved.

    Args:
        now: the first instant it shows (aware).
    """

    def __init__(self, now: datetime = START) -> None:
        self._now = now
        self._monotonic = 1000.0

    def now(self) -> datetime:
        """The instant it was set to."""
        return self._now

    def monotonic(self) -> float:
        """Seconds it was advanced by, from an arbitrary start; :meth:`set` does not move it."""
        return self._monotonic

    def advance(self, by: timedelta | float) -> None:
        """Let time pass, in seconds or as a timedelta; both readings move."""
        step = by if isinstance(by, timedelta) else timedelta(seconds=by)
        self._now += step
        self._monotonic += step.total_seconds()

    def set(self, now: datetime) -> None:
        """Step the wall clock, as an administrator or NTP does; ``monotonic`` stays."""
        self._now = now


def make_job(**changes: Any) -> Job:
    """Return a sound pending job created at :data:`START`, with an id of its own, changed as asked."""
    number = next(_numbers)
    values: dict[str, Any] = {
        "id": f"migration-{number:06d}",
        "name": "Export web-01",
        "vm_name": "web-01",
        "vm_path": "/datacenter/vm/web-01",
        "provider": "vsphere",
        "output_dir": "/exports/web-01",
        "status": JobStatus.PENDING,
        "created_at": START,
        "user": "admin",
    }
    return Job(**{**values, **changes})
