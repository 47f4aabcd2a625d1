"""Events are kept beside the run ledger, and nothing of a task changes by them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hyperjobs.store import events
from hyperjobs.store.events import Event, EventKind, Events
from hyperjobs.store.runs import Outcome, Runs
from hyperjobs.store.state import StateFile
from hyperjobs.testing import START, FakeClock


@pytest.fixture
def state(tmp_path):
    state = StateFile(tmp_path, tmp_path / "jobs.db", clock=FakeClock())
    yield state
    state.close()


def event(kind=EventKind.RESTORE, at=START, **more):
    return Event(task=kind, started_at=at, ended_at=at + timedelta(seconds=3), summary="s", by="alice", **more)


def test_an_event_is_read_back_as_it_was_by_another_process(state):
    Events(state).add(event(detail={"jobs": 5}, reason="why", outcome=Outcome.INTERRUPTED, host="web-01"))

    (found,) = Events(state).latest()

    assert (found.task, found.started_at, found.ended_at) == ("restore", START, START + timedelta(seconds=3))
    assert (found.detail, found.reason, found.outcome) == ({"jobs": 5}, "why", Outcome.INTERRUPTED)
    assert (found.by, found.host, found.id) == ("alice", "web-01", 1)


def test_the_newest_come_first_and_one_kind_can_be_asked_for(state):
    known = Events(state)
    for kind in (EventKind.PAUSE, EventKind.RESUME, EventKind.PAUSE):
        known.add(event(kind))

    assert [found.id for found in known.latest()] == [3, 2, 1]
    assert [found.id for found in known.latest("pause")] == [3, 1]
    assert [found.id for found in known.latest(limit=1)] == [3]


def test_no_task_has_run_failed_or_missed_anything_by_an_event(state):
    runs = Runs(state)
    before = (runs.tallies(), runs.statuses(), runs.latest(), runs.running())

    for kind in EventKind:
        Events(state).add(event(kind))

    assert (runs.tallies(), runs.statuses(), runs.latest(), runs.running()) == before


def test_of_very_many_the_oldest_go(state, monkeypatch):
    monkeypatch.setattr(events, "_KEPT", 3)
    known = Events(state)
    for _ in range(5):
        known.add(event())

    assert [found.id for found in known.latest()] == [5, 4, 3]
