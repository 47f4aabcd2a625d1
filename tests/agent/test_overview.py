"""What the status page is told of a real store, by a clock that the test sets."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hyperjobs.store.sqlite import open_store
from hyperjobs.testing import START, make_job
from hyperjobs.web.shapes import Level
from support.scrapes import hand_turned
from support.stores import script

HOUR = timedelta(hours=1)


def finished(status, ago, **changes):
    """A job that ran for an hour and ended so long ago."""
    at = START - ago
    return make_job(status=status, created_at=at - 2 * HOUR, started_at=at - HOUR, completed_at=at, **changes)


@pytest.fixture
def make(tmp_path):
    """Turns the agent by hand on a store with these jobs."""

    def make(*jobs, **options):
        path = tmp_path / "jobs.db"
        with open_store(path, create=True) as store:
            store.save_jobs(jobs)
        return hand_turned(path, tmp_path / "state", **options)

    return make


def ids(notices):
    return [notice.id for notice in notices]


@pytest.mark.parametrize("ledger", ["triggers", "scan"])
def test_jobs_are_counted_by_provider_and_status_and_hour(make, ledger):
    jobs = [
        finished("completed", timedelta(minutes=1)),
        finished("failed", 30 * HOUR, provider="kvm", error="x"),
        finished("completed", timedelta(days=9)),
        make_job(),
    ]
    with make(*jobs, store__ledger=ledger) as turned:
        turned.turn()
        turned.turn()
        seen = turned.overview()

    assert (seen.jobs.total, seen.jobs.completed, seen.jobs.failed, seen.jobs.pending) == (4, 2, 1, 1)
    assert [(each.provider, each.total) for each in seen.providers] == [("vsphere", 3), ("kvm", 1)]
    day, week = seen.success
    assert (day.window, day.completed, day.failed, day.success_rate) == ("24h", 1, 0, 100.0)
    assert (week.window, week.completed, week.failed, week.success_rate) == ("7d", 1, 1, 50.0)
    assert len(seen.hours) == 168
    assert {hour.at: (hour.completed, hour.failed) for hour in seen.hours if hour.total} == {
        START - HOUR: (1, 0),
        START - 30 * HOUR: (0, 1),
    }


def test_jobs_that_are_not_folded_yet_are_in_the_numbers(make):
    with make() as turned:
        turned.turn()
        with open_store(turned.workshop.store) as store:
            store.save_job(finished("completed", timedelta(minutes=1)))
        seen = turned.overview()

    assert seen.jobs.completed == 1
    assert sum(hour.completed for hour in seen.hours) == 1


def test_the_time_left_is_told_from_the_pace_so_far_and_not_guessed(make):
    def running(name, minutes, progress):
        return make_job(id=name, status="running", started_at=START - timedelta(minutes=minutes), progress=progress)

    jobs = [running("half", 30, 50.0), running("new", 0.5, 50.0), running("still", 30, 0.0), running("done", 30, 100.0)]
    with make(*jobs) as turned:
        turned.turn()
        left = {job.id: job.remaining_seconds for job in turned.overview().running}

    assert left == {"half": 1800.0, "new": None, "still": None, "done": None}


def test_a_job_whose_progress_does_not_move_has_no_time_left_and_is_said_to_stall(make):
    job = make_job(id="slow", status="running", started_at=START - HOUR, progress=40.0)
    with make(job, metrics__stalled_after="10m") as turned:
        turned.turn()
        turned.care._stalls.sample()
        turned.clock.advance(timedelta(minutes=9))
        before = turned.overview()
        turned.clock.advance(timedelta(minutes=2))
        turned.care._stalls.sample()
        after = turned.overview()

    assert before.running[0].stalled_seconds is None
    assert before.running[0].remaining_seconds is not None
    assert after.running[0].stalled_seconds == 660.0
    assert after.running[0].remaining_seconds is None
    assert "stalled" in ids(after.notices)


def test_failures_are_gathered_by_kind_the_most_of_the_last_day_first(make):
    jobs = [finished("failed", n * HOUR, error=f"disk {n} of 9 is full", id=f"full-{n}") for n in (1, 2, 3)]
    jobs += [finished("failed", 60 * HOUR, error="dial tcp 10.0.0.7:443: refused") for _ in range(5)]
    jobs += [finished("failed", 5 * HOUR, error="", provider="kvm")]
    with make(*jobs) as turned:
        turned.turn()
        seen = turned.overview()

    kinds = {kind.kind: (kind.jobs, kind.jobs_24h, kind.is_new) for kind in seen.failures}
    assert list(kinds.items()) == [
        ("disk <n> of <n> is full", (3, 3, True)),
        ("", (1, 1, True)),
        ("dial tcp <host>: refused", (5, 0, False)),
    ]
    newest = seen.failures[0]
    assert (newest.example_id, newest.example) == ("full-1", "disk 1 of 9 is full")
    assert (newest.first_at, newest.last_at) == (START - 3 * HOUR, START - HOUR)
    assert seen.failures_read == 9


def test_a_failed_job_that_says_no_end_failed_when_it_started(make):
    job = make_job(id="a", status="failed", created_at=START - 60 * HOUR, started_at=START - 2 * HOUR, error="gone")
    with make(job) as turned:
        turned.turn()
        (kind,) = turned.overview().failures

    assert (kind.last_at, kind.jobs_24h) == (START - 2 * HOUR, 1)


def test_without_single_jobs_the_counts_stay_and_names_and_errors_go(make):
    secret = make_job(id="id-s3cret", name="n-s3cret", vm_name="v-s3cret", user="u-s3cret", status="running")
    failed = finished("failed", HOUR, id="f-s3cret", error="error-s3cret")
    with make(secret, failed, web__jobs="false") as turned:
        turned.turn()
        seen = turned.overview()

    assert (seen.jobs.running, seen.jobs.failed, sum(hour.failed for hour in seen.hours)) == (1, 1, 1)
    assert (seen.running, seen.failures, seen.failures_read) == ((), (), 0)
    assert "s3cret" not in repr(seen)


def test_a_healthy_store_with_its_maintenance_done_has_nothing_to_say(make):
    with make(*(finished("completed", HOUR) for _ in range(9))) as turned:
        turned.turn()
        for task in ("integrity-quick", "backup", "drill"):
            turned.run(task)
        seen = turned.overview()

    assert seen.notices == ()
    assert seen.level is Level.OK
    assert seen.store.is_whole is True
    assert seen.drill is not None
    assert seen.drill.is_ok
    assert [(backup.state, backup.jobs) for backup in seen.backups] == [("verified", 9)]
    assert [(place.name, place.verified) for place in seen.destinations] == [("local", 1)]
    assert {run.task: run.outcome for run in seen.runs} == dict.fromkeys(("integrity-quick", "backup", "drill"), "ok")


def test_a_store_that_is_missing_is_said_with_what_to_do(tmp_path):
    with hand_turned(tmp_path / "jobs.db", tmp_path / "state") as turned:
        seen = turned.overview()

    assert (seen.store.is_readable, seen.store.reason, seen.store.read_at) == (False, "missing", None)
    assert (seen.jobs, seen.providers, seen.success) == (None, (), ())  # nobody knows them, which is not 0
    assert seen.notices[0].id == "store"
    assert seen.level is Level.CRITICAL
    assert "store.path" in seen.notices[0].remedy


def test_numbers_of_before_stay_with_their_time_while_the_store_cannot_be_read(make):
    with make(make_job()) as turned:
        turned.turn()
        turned.overview()
        path = turned.workshop.store
        path.rename(path.with_suffix(".gone"))
        turned.clock.advance(timedelta(minutes=5))
        seen = turned.overview()
        path.with_suffix(".gone").rename(path)
        again = turned.overview()

    assert not seen.store.is_readable
    assert seen.store.read_at == START
    assert seen.jobs.pending == 1
    assert again.store.is_readable
    assert again.store.read_at == START + timedelta(minutes=5)


def test_a_damaged_store_is_said_and_nothing_raises(tmp_path):
    path = tmp_path / "jobs.db"
    path.write_bytes(b"SQLite format 3\0" + b"\xff" * 8176)
    with hand_turned(path, tmp_path / "state") as turned:
        seen = turned.overview()

    assert not seen.store.is_readable
    assert seen.store.reason in {"damaged", "not_a_store"}
    assert seen.level is Level.CRITICAL


def test_rows_that_others_left_odd_are_shown_as_they_can_be(make):
    with make(make_job(id="a"), make_job(id="b", status="running")) as turned:
        script(
            turned.workshop.store,
            "UPDATE jobs SET name=CAST(x'ff41c3' AS TEXT), progress='x', created_at='?', started_at='' WHERE id='b'",
            "UPDATE jobs SET status='failed', error=CAST(x'c328' AS TEXT) WHERE id='a'",
            "INSERT INTO jobs VALUES(x'00ff','','','','','','failed','','','',1e999,x'ff','','',0,0)",
        )
        turned.turn()
        seen = turned.overview()

    assert [(job.id, job.name, job.started_at, job.progress) for job in seen.running] == [
        ("b", "\ufffdA\ufffd", None, 0.0)
    ]
    assert seen.failures_read == 2


def test_a_hold_on_maintenance_is_said_with_its_end(make):
    with make() as turned:
        turned.turn()
        turned.workshop.holds.pause(START + HOUR, "wave 7", START)
        turned.workshop.holds.freeze("damaged", "page 7 is bad", START)
        turned.workshop.holds.distrust("jobs-1.db", "its digest is another", START)
        seen = turned.overview()

    assert [(hold.kind, hold.reason) for hold in seen.holds] == [
        ("frozen", "damaged"),
        ("paused", "wave 7"),
        ("distrust", "jobs-1.db"),
    ]
    assert {"frozen", "paused", "distrust"} <= set(ids(seen.notices))


def test_a_backup_that_is_late_is_said_before_it_is_too_late(make):
    with make() as turned:
        turned.turn()
        turned.run("backup")
        levels = {}
        for hours in (30, 40, 80):
            turned.clock.set(START + hours * HOUR)
            notices = {notice.id: notice.level for notice in turned.overview().notices}
            levels[hours] = notices.get("old_backup")

    assert levels == {30: None, 40: Level.WARNING, 80: Level.CRITICAL}


def test_tasks_tell_when_they_run_next_in_their_own_zone(make):
    with make(maintenance__timezone="Europe/Madrid") as turned:
        turned.turn()
        tasks = {task.task: task for task in turned.overview().tasks}

    assert tasks["backup"].local == "2026-01-22T01:30:00+01:00"
    assert tasks["backup"].next_at.isoformat() == "2026-01-22T00:30:00+00:00"
    assert tasks["backup"].interval_seconds == 86400.0
    assert tasks["backup"].last_outcome is None


def test_reading_for_the_page_waits_for_no_writer_and_holds_up_none(make):
    with make(make_job()) as turned:
        turned.turn()
        with open_store(turned.workshop.store) as writer, writer.transaction():
            writer.save_job(make_job())
            seen = turned.overview()
        with open_store(turned.workshop.store) as writer:
            writer.save_job(make_job())

    assert seen.store.is_readable
    assert seen.jobs.total == 1
