"""Runs of tasks, as the runner would give them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hyperjobs.maintenance.task import Turn
from hyperjobs.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable


def make_turn(**changes: Any) -> Turn:
    """A run on a clock that stands still, which nobody stops."""
    clock = changes.pop("clock", FakeClock())
    return Turn(**{"now": clock.now(), "clock": clock, **changes})


def stop_after(looks: int) -> Callable[[], bool]:
    """What says go on so many times, and stop from then on."""
    left = [looks]

    def is_stopping() -> bool:
        left[0] -= 1
        return left[0] < 0

    return is_stopping
