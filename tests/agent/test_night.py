"""A night, unattended: slots become runs, in their order, once, and a stop is obeyed."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import apsw
import pytest

from hyperjobs.agent.night import Night
from hyperjobs.errors import ConfigError, StoreError
from hyperjobs.maintenance.task import Report
from hyperjobs.store.runs import Outcome
from hyperjobs.testing import START, FakeClock
from support.ledgers import insert, make_store
from support.processes import until
from support.scrapes import hand_turned, value
from support.stores import BUSY_MS

DEADLINE_S = 30
EVENING = START.replace(hour=23, minute=0)


def await_runs(agent, count):
    """The runs, the oldest first, once there are so many that ended and are no checkpoints."""

    def ended():
        runs = [run for run in agent.workshop.runs.latest(limit=1000) if run.task != "checkpoint"]
        return runs[::-1] if len(runs) >= count and all(run.outcome is not None for run in runs) else None

    return until(ended, f"{count} runs that ended", timeout_s=DEADLINE_S)


def await_start(agent, task):
    """Return once a run of the task goes on."""
    until(lambda: task in {run.task for run in agent.workshop.runs.running()}, f"a run of {task}", timeout_s=DEADLINE_S)


@pytest.fixture
def store(tmp_path):
    path = make_store(tmp_path / "jobs.db")
    db = apsw.Connection(str(path))
    db.set_busy_timeout(BUSY_MS)
    for number in range(50):
        old = START - timedelta(days=40, seconds=number)
        insert(db, f"old-{number}", "completed", created=str(old), started=str(old), completed=str(old))
        insert(db, f"new-{number}", "completed", created=str(START), started=str(START), completed=str(START))
    db.close()
    return path


@pytest.fixture
def night(store, tmp_path):
    options = {"maintenance__prune__retention__completed": "30d", "maintenance__vacuum__schedule": "0 3 * * *"}
    with hand_turned(store, tmp_path / "state", clock=FakeClock(EVENING), **options) as agent:
        agent.turn()
        agent.care.night.start()
        yield agent


def sleep_until(agent, moment):
    """Let the clock stand at another time, as a machine that was asleep finds it."""
    agent.clock.advance(moment - agent.clock.now())
    agent.care.night._scheduler.look()


def test_a_whole_night_goes_in_its_order_and_prunes_only_what_the_backup_holds(night, store):
    for hour, minute, count in ((1, 15, 1), (1, 30, 2), (2, 30, 3), (2, 50, 4), (3, 0, 5)):
        sleep_until(night, (EVENING + timedelta(days=1)).replace(hour=hour, minute=minute, second=1))
        runs = await_runs(night, count)

    assert [run.task for run in runs] == ["integrity-quick", "backup", "prune", "optimize", "vacuum"]
    assert {run.outcome for run in runs} <= {Outcome.OK, Outcome.SKIPPED}
    assert [run.slot for run in runs][:2] == ["2026-01-22T01:15 UTC", "2026-01-22T01:30 UTC"]
    assert runs[1].detail["jobs"] == 100
    db = apsw.Connection(str(store))
    db.set_busy_timeout(BUSY_MS)
    assert db.execute("SELECT count(*) FROM jobs").fetchall() == [(50,)]
    db.close()
    samples = night.samples()
    assert value(samples, "task_runs_total", task="prune", outcome="ok") == 1
    assert value(samples, "pruned_jobs_total", status="completed") == 50
    assert value(samples, "backups", destination="local", state="verified") == 1
    assert value(samples, "jobs_finished_total", provider="vsphere", status="completed") == 100


def test_three_days_asleep_are_one_run_a_task_in_the_order_of_the_night_and_the_rest_is_missed(night):
    sleep_until(night, EVENING + timedelta(days=3))

    runs = await_runs(night, 5)
    assert [run.task for run in runs] == ["integrity-quick", "backup", "prune", "vacuum", "optimize"]
    samples = night.samples()
    for task in ("integrity-quick", "backup", "prune", "vacuum", "optimize"):
        assert value(samples, "task_missed_runs_total", task=task) == 2


def test_a_pause_lets_a_slot_pass_and_says_so(night):
    night.workshop.holds.pause(EVENING + timedelta(hours=3), "storage work", EVENING)
    assert value(night.samples(), "maintenance_window") == 1
    sleep_until(night, EVENING + timedelta(hours=2, minutes=15, seconds=1))

    (run,) = await_runs(night, 1)
    assert (run.task, run.outcome, run.reason) == ("integrity-quick", Outcome.SKIPPED, "paused")


def test_a_stop_ends_the_run_that_is_under_way_and_begins_no_other(night):
    class Long:
        name, heeds_freeze = "integrity-quick", False

        def run(self, turn):
            while not turn.wait(0.05):
                pass
            turn.keep_on()
            return Report(summary="never")

    night.care.night._tasks["integrity-quick"] = Long()
    sleep_until(night, EVENING + timedelta(hours=2, minutes=30, seconds=1))
    await_start(night, "integrity-quick")

    began = time.monotonic()
    assert night.care.night.stop(5.0)

    assert time.monotonic() - began < 1
    (run,) = [run for run in night.workshop.runs.latest() if run.task != "checkpoint"]
    assert run.outcome is Outcome.INTERRUPTED


def test_a_slot_that_comes_with_the_stop_is_left_to_who_comes_next(night):
    night.care.night._stopping.set()  # as when the stop comes between the look and the run
    sleep_until(night, EVENING + timedelta(hours=2, minutes=30, seconds=1))
    assert night.care.night.stop(5.0)

    assert night.workshop.runs.latest() == []
    again = Night(night.workshop)
    again.start()
    try:
        assert [run.slot for run in await_runs(night, 2)] == ["2026-01-22T01:15 UTC", "2026-01-22T01:30 UTC"]
    finally:
        again.stop(5.0)


def test_a_reload_lets_the_run_that_is_under_way_come_to_its_end(night):
    done = threading.Event()

    class Long:
        name, heeds_freeze = "integrity-quick", False

        def run(self, turn):
            while not done.is_set():
                assert not turn.wait(0.01)
            return Report(summary="whole")

    night.care.night._tasks["integrity-quick"] = Long()
    sleep_until(night, EVENING + timedelta(hours=2, minutes=30, seconds=1))
    await_start(night, "integrity-quick")

    assert not night.care.night.retire()
    done.set()

    assert [run.outcome for run in await_runs(night, 1)] == [Outcome.OK]


def test_damage_freezes_the_store_stops_prune_and_marks_the_backup(night):
    night.workshop.freeze("damaged", "row 3 missing from index idx_user")
    sleep_until(night, (EVENING + timedelta(days=1)).replace(hour=2, minute=31))

    runs = {run.task: run for run in await_runs(night, 3)}

    assert (runs["prune"].outcome, runs["prune"].reason) == (Outcome.SKIPPED, "frozen")
    assert runs["backup"].detail["state"] == "damaged"
    samples = night.samples()
    assert value(samples, "store_frozen", reason="damaged") == 1
    assert value(samples, "backups", destination="local", state="damaged") == 1
    assert value(samples, "backups", destination="local", state="verified") == 0


def test_a_run_that_the_stop_ended_is_made_again_at_the_next_start(night):
    class Long:
        name, heeds_freeze = "integrity-quick", False

        def run(self, turn):
            while not turn.wait(0.05):
                pass
            turn.keep_on()

    night.care.night._tasks["integrity-quick"] = Long()
    sleep_until(night, EVENING + timedelta(hours=2, minutes=20))
    await_start(night, "integrity-quick")
    assert night.care.night.stop(5.0)

    again = Night(night.workshop)
    again.start()
    try:
        stopped, made = await_runs(night, 2)
    finally:
        again.stop(5.0)
    assert (stopped.outcome, made.outcome) == (Outcome.INTERRUPTED, Outcome.OK)
    assert made.slot == "2026-01-22T01:15 UTC"


def test_a_task_that_cannot_be_made_is_a_failed_run_and_the_others_go_on(night, monkeypatch):
    def task(name, **_changes):
        if name == "integrity-quick":
            raise ConfigError("integrity: this does not fit together")
        return make(name)

    make = night.workshop.task
    monkeypatch.setattr(night.workshop, "task", task)
    sleep_until(night, EVENING + timedelta(hours=2, minutes=31))

    check, backup = await_runs(night, 2)

    assert (check.task, check.outcome, check.reason) == ("integrity-quick", Outcome.FAILED, "config")
    assert (backup.task, backup.outcome) == ("backup", Outcome.OK)


def test_a_state_file_that_is_locked_at_the_start_does_not_keep_maintenance_from_running(night):
    again = Night(night.workshop)
    night.care.night.stop(5.0)

    def locked(*_args):
        raise StoreError("the state file is locked")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(night.workshop.runs, "know", locked)
        again.start()
    try:
        night.clock.advance(timedelta(hours=2, minutes=20))
        again._scheduler.look()
        assert [run.task for run in await_runs(night, 1)] == ["integrity-quick"]
    finally:
        again.stop(5.0)
