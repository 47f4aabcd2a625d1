"""Freezes last until a person ends them, pauses until their time; both outlive the process."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hyperjobs.store.holds import Holds
from hyperjobs.store.state import StateFile
from hyperjobs.testing import START, FakeClock

LATER = START + timedelta(days=400)


@pytest.fixture
def state(tmp_path):
    state = StateFile(tmp_path / "state", tmp_path / "jobs.db", clock=FakeClock())
    yield state
    state.close()


def test_a_freeze_lasts_until_somebody_ends_it_and_says_why_it_is_there(state):
    holds = Holds(state)
    assert holds.freeze("integrity", "row 3 missing from index", START)

    (held,) = Holds(state).frozen()

    assert (held.reason, held.message, held.since, held.until) == (
        "integrity",
        "row 3 missing from index",
        START,
        None,
    )
    assert [ended.reason for ended in holds.unfreeze("restored", LATER)] == ["integrity"]
    assert holds.frozen() == []
    assert holds.unfreeze("again", LATER) == []


def test_the_same_doubt_freezes_once_and_keeps_its_first_time(state):
    holds = Holds(state)
    holds.freeze("integrity", "first", START)

    assert not holds.freeze("integrity", "second", LATER)
    assert [held.message for held in holds.frozen()] == ["first"]
    holds.unfreeze("looked", LATER)
    assert holds.freeze("integrity", "third", LATER)


def test_a_pause_ends_at_its_time_to_the_second(state):
    holds = Holds(state)
    until = START + timedelta(hours=2)
    holds.pause(until, "storage work", START)

    assert holds.paused(until - timedelta(seconds=1)).reason == "storage work"
    assert holds.paused(until) is None
    assert holds.frozen() == []


def test_a_second_pause_replaces_the_first_and_resume_ends_it(state):
    holds = Holds(state)
    holds.pause(START + timedelta(hours=2), "first", START)
    holds.pause(START + timedelta(hours=1), "second", START)

    assert holds.paused(START + timedelta(minutes=90)) is None
    assert holds.resume(START).reason == "second"
    assert holds.paused(START) is None
    assert holds.resume(START) is None


def test_distrust_of_a_backup_stops_rotation_alone_and_unfreeze_ends_it_too(state):
    holds = Holds(state)
    assert holds.distrust("jobs-1.db", "sha256 differs", START)
    assert not holds.distrust("jobs-1.db", "sha256 differs", START)

    assert holds.frozen() == []
    assert [held.reason for held in holds.distrusted()] == ["jobs-1.db"]
    holds.unfreeze("deleted it", START)
    assert holds.distrusted() == []
