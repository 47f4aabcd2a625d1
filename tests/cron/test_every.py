"""Intervals in real time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from hyperjobs.cron.every import Every

NOW = datetime(2026, 1, 21, 10, 7, 30, tzinfo=UTC)
FIVE = timedelta(minutes=5)


def test_an_interval_counts_from_the_epoch_so_that_a_restart_does_not_move_it():
    slots = list(islice(Every(FIVE).after(NOW), 2))

    assert [slot.nominal for slot in slots] == ["2026-01-21T10:10Z", "2026-01-21T10:15Z"]
    assert slots[0].at == datetime(2026, 1, 21, 10, 10, tzinfo=UTC)


def test_a_slot_at_the_instant_itself_is_before_it():
    at = datetime(2026, 1, 21, 10, 10, tzinfo=UTC)

    assert next(Every(FIVE).after(at)).at == at + FIVE
    assert next(Every(FIVE).before(at)).at == at
    assert next(Every(FIVE).after(at - timedelta(microseconds=1))).at == at


@pytest.mark.parametrize("seconds", [1, 7, 300, 86_400])
def test_the_number_of_slots_is_that_of_those_listed(seconds):
    every, end = Every(timedelta(seconds=seconds)), NOW + timedelta(seconds=seconds * 9.5)

    slots = list(every.between(NOW, end))

    assert every.count(NOW, end) == len(slots)
    assert len({slot.nominal for slot in slots}) == len(slots)
    assert [slot.at for slot in islice(every.before(end), len(slots))] == [slot.at for slot in reversed(slots)]


def test_an_interval_below_a_second_is_refused():
    Every(timedelta(seconds=1))
    with pytest.raises(ValueError, match="is shorter than 1s"):
        Every(timedelta(milliseconds=999))


def test_the_expected_interval_is_the_interval():
    assert Every(FIVE).expected_interval(NOW) == FIVE
    assert str(Every(FIVE)) == "every 5m"


def test_at_the_ends_of_the_calendar_slots_end():
    assert list(Every(FIVE).after(datetime(9999, 12, 31, tzinfo=UTC))) == []
    assert list(Every(FIVE).before(datetime(1, 1, 1, tzinfo=UTC))) == []
