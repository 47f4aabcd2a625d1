"""What the clocks' changes did to a slot, for people who look at a schedule."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from hyperjobs.cron.slots import DAY
from hyperjobs.cron.zone import is_repeated, local_time, offset_at

if TYPE_CHECKING:
    from hyperjobs.cron.expression import Schedule
    from hyperjobs.cron.slots import Slot


class Shift(StrEnum):
    """Why a slot does not begin as on any other day."""

    GAP = "gap"
    """The clocks skip its time; it runs right after."""
    REPEATED = "repeated"
    """The clocks show its time twice; it runs the first time."""
    INTERVAL = "interval"
    """The clocks change beside it; it runs in real time all the same."""


def shift_of(schedule: Schedule, slot: Slot) -> Shift | None:
    """What was different about a slot of a schedule; ``None`` on most days."""
    local = local_time(slot.at, schedule.tz)
    if schedule.is_interval:
        if offset_at(slot.at - DAY, schedule.tz) == offset_at(slot.at, schedule.tz):
            # no change since yesterday: what is left is that the clocks are about to go back over it
            return Shift.INTERVAL if is_repeated(local, schedule.tz) else None
        before = next(schedule.before(slot.at - timedelta(microseconds=1)), None)
        is_beside_a_change = (
            before is not None
            and slot.at - before.at <= DAY
            and offset_at(before.at, schedule.tz) != offset_at(slot.at, schedule.tz)
        )
        return Shift.INTERVAL if is_beside_a_change or is_repeated(local, schedule.tz) else None
    if local != datetime.fromisoformat(slot.nominal.partition(" ")[0]):
        return Shift.GAP
    return Shift.REPEATED if is_repeated(local, schedule.tz) else None
