"""A clock is believed while it goes as the machine does; a jump is remembered until it is explained."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hyperjobs.store.state import StateFile
from hyperjobs.store.timekeeper import Timekeeper, Uptime, uptime
from hyperjobs.testing import START, FakeClock

DAY = timedelta(days=1)


class Machine:
    """A machine whose clock and uptime go together unless one of them is moved."""

    def __init__(self, state):
        self.clock = FakeClock()
        self.boot, self.seconds = "first", 100.0
        self.keeper = Timekeeper(state, clock=self.clock, max_jump=DAY, machine=lambda: Uptime(self.boot, self.seconds))

    def run(self, by):
        self.clock.advance(by)
        self.seconds += by.total_seconds()

    def restart(self, after):
        self.clock.advance(after)
        self.boot, self.seconds = f"{self.boot}+", 5.0


@pytest.fixture
def machine(tmp_path):
    state = StateFile(tmp_path / "state", tmp_path / "jobs.db", clock=FakeClock())
    yield Machine(state)
    state.close()


def test_before_a_first_reading_nothing_is_expected(machine):
    assert machine.keeper.expected() is None
    assert machine.keeper.read()
    assert machine.keeper.expected() == START


def test_a_machine_that_ran_or_slept_for_a_month_without_an_agent_has_its_clock_where_it_should_be(machine):
    machine.keeper.read()
    machine.run(30 * DAY)

    assert machine.keeper.expected() == machine.clock.now()
    assert machine.keeper.read()


@pytest.mark.parametrize(
    ("jump", "is_believed"), [(DAY, True), (DAY + timedelta(seconds=1), False), (365 * DAY, False)]
)
def test_a_clock_set_ahead_by_more_than_the_limit_is_not_believed(machine, jump, is_believed):
    machine.keeper.read()
    machine.clock.set(START + jump)

    assert machine.keeper.read() is is_believed


@pytest.mark.parametrize(("back", "is_believed"), [(timedelta(minutes=10), True), (timedelta(minutes=11), False)])
def test_a_clock_set_back_by_more_than_minutes_is_not_believed(machine, back, is_believed):
    machine.keeper.read()
    machine.clock.set(START - back)

    assert machine.keeper.read() is is_believed


def test_a_jump_is_not_forgotten_by_looking_again_and_ends_when_the_clock_is_put_right(machine):
    machine.keeper.read()
    machine.clock.set(START + 365 * DAY)
    for _ in range(3000):
        machine.run(timedelta(hours=1))
        assert not machine.keeper.read()
    machine.clock.set(START + timedelta(hours=3000))

    assert machine.keeper.read()


def test_a_person_can_say_that_the_clock_is_right(machine):
    machine.keeper.read()
    machine.clock.set(START + 365 * DAY)
    machine.keeper.trust()

    assert machine.keeper.expected() == START + 365 * DAY
    assert machine.keeper.read()


def test_a_machine_that_was_off_for_long_is_believed_when_its_clock_has_gone_evenly_for_a_day(machine):
    machine.keeper.read()
    machine.restart(30 * DAY)

    assert not machine.keeper.read()
    machine.run(DAY - timedelta(seconds=1))
    assert not machine.keeper.read()
    machine.run(timedelta(seconds=1))
    assert machine.keeper.read()


def test_a_clock_that_is_set_meanwhile_has_to_go_evenly_for_a_day_anew(machine):
    machine.keeper.read()
    machine.restart(30 * DAY)
    machine.keeper.read()
    machine.run(DAY / 2)
    machine.clock.advance(10 * DAY)
    machine.keeper.read()
    machine.run(DAY / 2)

    assert not machine.keeper.read()
    machine.run(DAY / 2)
    assert machine.keeper.read()


def test_a_machine_that_was_off_for_a_night_is_believed_at_once(machine):
    machine.keeper.read()
    machine.restart(timedelta(hours=9))

    assert machine.keeper.read()


def test_the_kernel_tells_which_start_of_the_machine_this_is():
    assert uptime().boot == uptime().boot != ""
    assert uptime().seconds <= uptime().seconds
