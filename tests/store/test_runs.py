"""The run ledger: once a slot, monotone counts, and nothing that a kill leaves open."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from hyperjobs.store.runs import Outcome, Run, Runs
from hyperjobs.store.state import StateFile
from hyperjobs.testing import START, FakeClock


@pytest.fixture
def state(tmp_path):
    state = StateFile(tmp_path / "state", tmp_path / "jobs.db", clock=FakeClock())
    yield state
    state.close()


@pytest.fixture
def runs(state) -> Runs:
    return Runs(state)


def ended(  # noqa: PLR0913 - whatever a test is about
    runs: Runs, outcome: Outcome = Outcome.OK, *, task="prune", slot=None, at=START, reason="", **counts: int
) -> Run:
    run_id = runs.begin(task, slot, at)
    assert run_id is not None
    run = Run(
        id=run_id,
        task=task,
        slot=slot,
        started_at=at,
        ended_at=at + timedelta(seconds=5),
        outcome=outcome,
        reason=reason,
        summary="done",
        detail={"seconds": 5.0, "jobs": 3},
    )
    runs.end(run, {("pruned_jobs", status): count for status, count in counts.items()})
    return run


def test_a_run_is_read_back_as_it_was(runs):
    run = ended(runs, slot="2026-01-21T02:30 UTC")

    (found,) = runs.latest("prune")

    assert replace(found, host="", version="", pid=0) == run
    assert found.host
    assert found.version
    assert found.pid


def test_a_slot_has_one_run(runs):
    ended(runs, slot="2026-01-21T02:30 UTC")

    assert runs.begin("prune", "2026-01-21T02:30 UTC", START) is None
    assert runs.has_run("prune", "2026-01-21T02:30 UTC")
    assert not runs.has_run("backup", "2026-01-21T02:30 UTC")
    assert runs.begin("backup", "2026-01-21T02:30 UTC", START) is not None


def test_a_person_may_run_a_task_as_often_as_they_like(runs):
    assert {run.slot for run in (ended(runs), ended(runs))} == {None}


def test_two_processes_cannot_both_have_a_slot(runs, tmp_path):
    other = StateFile(tmp_path / "state", tmp_path / "jobs.db", clock=FakeClock())
    try:
        assert runs.begin("prune", "slot", START) is not None
        assert Runs(other).begin("prune", "slot", START) is None
    finally:
        other.close()


def test_what_a_kill_left_open_is_an_interrupted_run(runs):
    runs.begin("prune", "slot", START)
    (open_run,) = runs.running()
    assert open_run.outcome is None

    assert runs.end_dead("prune", START + timedelta(hours=1)) == 1
    assert runs.running() == []
    assert runs.latest("prune")[0].outcome is Outcome.INTERRUPTED
    assert runs.tallies()["task_runs", "prune", "interrupted"] == 1
    assert runs.end_dead("prune", START) == 0


def test_counters_add_up_over_runs_and_survive_the_process(runs, tmp_path):
    ended(runs, failed=3, completed=4)
    ended(runs, failed=2)
    ended(runs, Outcome.FAILED)

    other = StateFile(tmp_path / "state", tmp_path / "jobs.db", clock=FakeClock())
    try:
        tallies = Runs(other).tallies()
    finally:
        other.close()
    assert tallies == {
        ("pruned_jobs", "failed", ""): 5,
        ("pruned_jobs", "completed", ""): 4,
        ("task_runs", "prune", "ok"): 2,
        ("task_runs", "prune", "failed"): 1,
    }


def test_counters_do_not_fall_when_old_runs_are_forgotten(runs, monkeypatch):
    monkeypatch.setattr("hyperjobs.store.runs._KEPT_RUNS", 10)
    for number in range(40):
        ended(runs, slot=str(number))

    assert len(runs.latest("prune", limit=100)) == 10
    assert runs.tallies()["task_runs", "prune", "ok"] == 40


def test_until_a_first_success_a_task_counts_from_when_it_was_known(runs):
    runs.know(["backup"], START)
    runs.know(["backup"], START + timedelta(days=9))
    assert runs.statuses()["backup"].last_success == START.timestamp()
    assert runs.statuses()["backup"].last_started is None

    ended(runs, Outcome.FAILED, task="backup", at=START + timedelta(days=1))
    assert runs.statuses()["backup"].last_success == START.timestamp()

    ended(runs, task="backup", at=START + timedelta(days=2))
    assert runs.statuses()["backup"].last_success == (START + timedelta(days=2, seconds=5)).timestamp()
    assert runs.statuses()["backup"].last_seconds == 5.0


@pytest.mark.parametrize(("reason", "counts"), [("nothing_to_free", True), ("frozen", False), ("paused", False)])
def test_a_run_with_nothing_to_do_is_a_success_and_one_that_was_held_is_none(runs, reason, counts):
    runs.know(["vacuum"], START)
    ended(runs, Outcome.SKIPPED, task="vacuum", reason=reason, at=START + timedelta(days=1))

    assert (runs.statuses()["vacuum"].last_success > START.timestamp()) is counts


def test_marks_and_misses_are_kept(runs, state):
    at = START + timedelta(microseconds=1)
    assert runs.mark("prune", "@daily UTC") is None
    runs.set_mark("prune", "@daily UTC", at)
    runs.add_missed("prune", 2)
    runs.add_missed("prune", 1)

    again = Runs(state)
    assert again.mark("prune", "@daily UTC") == at
    assert again.mark("prune", "@daily Europe/Berlin") is None
    assert again.tallies() == {("task_missed_runs", "prune", ""): 3}


def test_the_last_run_can_be_asked_for_by_how_it_ended(runs):
    good = ended(runs)
    bad = ended(runs, Outcome.FAILED)

    assert runs.last_ended("prune").id == bad.id
    assert runs.last_ended("prune", Outcome.OK).id == good.id
    assert runs.last_ended("prune", Outcome.INTERRUPTED) is None
