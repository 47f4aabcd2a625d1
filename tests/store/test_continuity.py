"""Counters that never fall, whatever becomes of what they are counted from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import hypothesis.strategies as st
import pytest
from hypothesis import given

from hyperjobs.store.continuity import Continuity
from hyperjobs.store.state import StateFile
from hyperjobs.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = ("finished", "vsphere", "completed", 0)
OTHER_KEY = ("created", "vsphere", "", 0)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[StateFile]:
    state = StateFile(tmp_path / "state", tmp_path / "jobs.db", clock=FakeClock())
    yield state
    state.close()


@pytest.mark.parametrize(
    ("totals", "shown"),
    [
        ([3, 5, 9], [3, 5, 9]),
        ([5, 5], [5, 5]),
        ([5, 4], [5, 5]),
        ([5, 0, 0, 2], [5, 5, 5, 7]),
        ([5, 3, 4, 1, 2], [5, 5, 6, 6, 7]),
    ],
)
def test_what_was_lost_is_made_up_for_and_growth_goes_on_from_there(totals: list[int], shown: list[int]) -> None:
    continuity = Continuity()

    assert [continuity.export({KEY: total})[KEY] for total in totals] == shown


def test_a_counter_that_is_gone_is_shown_as_it_was() -> None:
    continuity = Continuity()
    continuity.export({KEY: 5})

    assert continuity.export({OTHER_KEY: 1}) == {KEY: 5, OTHER_KEY: 1}
    assert continuity.export({KEY: 2}) == {KEY: 7, OTHER_KEY: 1}


def test_what_was_shown_is_remembered_by_the_state_file(state: StateFile) -> None:
    first = Continuity(state)
    first.export({KEY: 10})
    first.export({KEY: 4})
    first.save()

    second = Continuity(state)

    assert second.export({KEY: 4}) == {KEY: 10}
    assert second.export({KEY: 5}) == {KEY: 11}


def test_what_was_not_saved_is_not_remembered(state: StateFile) -> None:
    first = Continuity(state)
    first.export({KEY: 10})
    first.save()
    first.export({KEY: 12})

    assert Continuity(state).export({KEY: 11}) == {KEY: 11}


def test_a_value_past_what_the_state_file_can_hold_stops_there(state: StateFile) -> None:
    continuity = Continuity(state)
    for total in (2**62 - 1, 0, 2**62 - 1, 2**80):
        assert continuity.export({KEY: total}) == {KEY: 2**62 - 1}
        continuity.save()

    assert Continuity(state).export({KEY: 1}) == {KEY: 2**62 - 1}


@given(steps=st.lists(st.one_of(st.integers(0, 20), st.just("restart")), max_size=30))
def test_no_counter_ever_falls_and_each_shows_all_growth(
    steps: list[int | str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("continuity")
    state = StateFile(folder, folder / "jobs.db", clock=FakeClock())
    continuity, last, total, grown = Continuity(state), 0, 0, 0
    for step in steps:
        if isinstance(step, str):
            continuity.save()
            continuity = Continuity(state)
            continue
        grown += max(0, step - total)
        total = step
        shown = continuity.export({KEY: step})[KEY]
        assert shown >= last
        assert shown == grown
        last = shown
    state.close()
