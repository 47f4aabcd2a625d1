"""One way to run a task: alone, gated, recorded, and whatever happens told."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta

import pytest
import structlog

from hyperjobs.errors import MaintenanceHeldError, StoreBusyError, StoreInterruptedError, TaskRunningError
from hyperjobs.maintenance.runner import Runner
from hyperjobs.maintenance.task import Report
from hyperjobs.store.holds import Holds
from hyperjobs.store.runs import Outcome, Runs
from hyperjobs.store.state import StateFile
from hyperjobs.testing import START, FakeClock

SLOT = "2026-01-21T02:30 UTC"


class Work:
    """A task that does what it is told, and takes three seconds."""

    def __init__(self, clock, name="prune", *, heeds_freeze=True, end=None):
        self.name = name
        self.heeds_freeze = heeds_freeze
        self._clock = clock
        self._end = end or (
            lambda _turn: Report(summary="deleted 3", detail={"jobs": 3}, counts={("pruned_jobs", "failed"): 3})
        )
        self.turns = []

    def run(self, turn):
        self.turns.append(turn)
        self._clock.advance(3)
        return self._end(turn)


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def state(tmp_path, clock):
    state = StateFile(tmp_path, tmp_path / "jobs.db", clock=clock)
    yield state
    state.close()


@pytest.fixture
def runs(state):
    return Runs(state)


@pytest.fixture
def holds(state):
    return Holds(state)


@pytest.fixture
def runner(runs, holds, tmp_path, clock):
    return Runner(runs, holds, locks=tmp_path / "jobs", clock=clock)


def failing(exc):
    def end(_turn):
        raise exc

    return end


def test_a_run_is_recorded_with_its_time_numbers_and_counts(runner, runs, clock):
    finished = runner.run(Work(clock), slot=SLOT)

    (run,) = runs.latest()
    assert (run.outcome, run.summary, run.slot) == (Outcome.OK, "deleted 3", SLOT)
    assert (run.started_at, run.ended_at) == (START, START + timedelta(seconds=3))
    assert run.detail == {"jobs": 3, "seconds": 3.0}
    assert finished.run.id == run.id
    assert runs.tallies()["pruned_jobs", "failed", ""] == 3


def test_a_slot_is_run_once(runner, runs, clock):
    work = Work(clock)
    runner.run(work, slot=SLOT)

    assert runner.run(work, slot=SLOT) is None
    assert len(work.turns) == len(runs.latest()) == 1


@pytest.mark.parametrize(
    ("error", "outcome", "reason"),
    [
        (StoreBusyError("locked"), Outcome.FAILED, "busy"),
        (StoreInterruptedError("stopped"), Outcome.INTERRUPTED, "interrupted"),
        (ZeroDivisionError("oops"), Outcome.FAILED, "unexpected"),
    ],
)
def test_what_a_task_raises_is_an_outcome_and_never_escapes(runner, runs, error, outcome, reason):
    finished = runner.run(Work(FakeClock(), end=failing(error)), slot=SLOT)

    (run,) = runs.latest()
    assert (run.outcome, run.reason) == (outcome, reason)
    assert str(error) in run.summary
    assert finished.error is error


def test_what_was_done_before_a_stop_is_counted(runner, runs, clock):
    def end(turn):
        turn.partly(Report(summary="deleted 2, then stopped", counts={("pruned_jobs", "failed"): 2}))
        raise StoreInterruptedError("stopped")

    runner.run(Work(clock, end=end), slot=SLOT)

    assert runs.latest()[0].summary == "deleted 2, then stopped"
    assert runs.tallies()["pruned_jobs", "failed", ""] == 2


def test_a_run_with_nothing_to_do_is_skipped_with_its_reason(runner, runs, clock):
    runner.run(Work(clock, end=lambda _turn: Report(summary="nothing free", skipped="nothing_to_free")))

    assert (runs.latest()[0].outcome, runs.latest()[0].reason) == (Outcome.SKIPPED, "nothing_to_free")


def test_a_frozen_store_is_not_pruned_and_still_backed_up(runner, runs, holds, clock):
    holds.freeze("integrity", "row 3 missing from index", START)
    prune, backup = Work(clock), Work(clock, "backup", heeds_freeze=False)

    held = runner.run(prune, slot=SLOT)
    runner.run(backup, slot=SLOT)

    assert prune.turns == []
    assert len(backup.turns) == 1
    assert isinstance(held.error, MaintenanceHeldError)
    assert "row 3 missing" in str(held.error)
    assert "unfreeze" in str(held.error)
    assert (runs.latest("prune")[0].outcome, runs.latest("prune")[0].reason) == (Outcome.SKIPPED, "frozen")


def test_a_person_cannot_run_past_a_freeze_but_past_a_pause(runner, holds, clock):
    holds.pause(START + timedelta(hours=1), "storage work", START)
    by_hand, by_slot = Work(clock), Work(clock)
    assert runner.run(by_slot, slot=SLOT).run.reason == "paused"
    assert runner.run(by_hand).run.outcome is Outcome.OK

    holds.freeze("integrity", "damage", START)
    assert runner.run(by_hand).run.reason == "frozen"


def test_a_dry_run_leaves_no_trace(runner, runs, clock):
    work = Work(clock)
    finished = runner.run(work, is_dry=True)

    assert work.turns[0].is_dry
    assert finished.run.summary == "deleted 3"
    assert runs.latest() == []
    assert runs.tallies() == {}


def test_a_task_does_not_overlap_with_itself(runner, clock):
    def again(_turn):
        with pytest.raises(TaskRunningError, match="prune is running already"):
            runner.run(Work(clock))
        return runner.run(Work(clock, "vacuum")) and Report(summary="ok")

    assert runner.run(Work(clock, end=again)).run.outcome is Outcome.OK


def test_a_slot_whose_task_a_person_runs_is_recorded_as_left_to_them(runner, runs, clock):
    scheduled = Work(clock)

    def meanwhile(_turn):
        runner.run(scheduled, slot=SLOT)
        return Report(summary="by hand")

    runner.run(Work(clock, end=meanwhile))

    assert scheduled.turns == []
    assert {(run.slot, run.outcome, run.reason) for run in runs.latest()} == {
        (None, Outcome.OK, ""),
        (SLOT, Outcome.SKIPPED, "running"),
    }


_HOLD = """
import sys
from pathlib import Path
from hyperjobs.clock import SystemClock
from hyperjobs.maintenance.runner import Runner
from hyperjobs.store.holds import Holds
from hyperjobs.store.runs import Runs
from hyperjobs.store.state import StateFile
class Long:
    name, heeds_freeze = "prune", False
    def run(self, turn):
        print("running", flush=True)
        sys.stdin.readline()
directory = Path(sys.argv[1])
state = StateFile(directory, directory / "jobs.db", clock=SystemClock())
Runner(Runs(state), Holds(state), locks=directory / "jobs", clock=SystemClock()).run(Long(), slot="long")
"""


def test_a_task_that_another_process_runs_is_refused_by_its_pid_and_one_that_was_killed_is_told(
    runner, runs, clock, tmp_path
):
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "running\n"
        with pytest.raises(TaskRunningError, match=f"pid {process.pid}"):
            runner.run(Work(clock))
        assert [run.pid for run in runs.running()] == [process.pid]
    finally:
        process.kill()
        process.communicate()

    runner.run(Work(clock))

    assert [(run.outcome, run.reason) for run in runs.latest()] == [
        (Outcome.OK, ""),
        (Outcome.INTERRUPTED, "killed"),
    ]


def test_each_run_is_one_line_in_the_log(runner, clock):
    with structlog.testing.capture_logs() as lines:
        runner.run(Work(clock), slot=SLOT)
        runner.run(Work(clock, end=failing(StoreBusyError("locked"))))

    assert [(line["event"], line["log_level"], line["task"]) for line in lines] == [
        ("task.ended", "info", "prune"),
        ("task.failed", "error", "prune"),
    ]
    assert lines[0]["slot"] == SLOT
    assert lines[0]["jobs"] == 3
    assert lines[1]["reason"] == "busy"


def test_a_freeze_that_comes_while_a_task_runs_ends_it_and_what_was_done_counts(runner, runs, holds, clock):
    def end(turn):
        turn.partly(Report(summary="deleted 2", counts={("pruned_jobs", "failed"): 2}))
        holds.freeze("damaged", "row 3 missing from index", START)
        clock.advance(1)
        turn.keep_on()

    finished = runner.run(Work(clock, end=end), slot=SLOT)

    assert (finished.run.outcome, finished.run.reason) == (Outcome.SKIPPED, "frozen")
    assert isinstance(finished.error, MaintenanceHeldError)
    assert runs.tallies()["pruned_jobs", "failed", ""] == 2


def test_a_freeze_does_not_end_what_only_reads_or_adds(runner, holds, clock):
    def end(turn):
        holds.freeze("damaged", "row 3 missing from index", START)
        clock.advance(1)
        turn.keep_on()
        return Report(summary="backed up")

    assert runner.run(Work(clock, "backup", heeds_freeze=False, end=end)).run.outcome is Outcome.OK
