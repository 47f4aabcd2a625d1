"""The prune task: what goes, what is refused, and what is said of it."""

from __future__ import annotations

import functools
import threading
from datetime import timedelta
from types import SimpleNamespace

import apsw
import pytest

from hyperjobs.errors import (
    ArchiveBusyError,
    ConfigError,
    StoreBusyError,
    StoreFullError,
    StoreInterruptedError,
    StoreRefusedError,
)
from hyperjobs.maintenance import room
from hyperjobs.maintenance.prune import task
from hyperjobs.maintenance.prune.archive import Archive
from hyperjobs.maintenance.prune.task import PruneTask
from hyperjobs.store.retention import Retention
from hyperjobs.store.sqlite import open_store
from hyperjobs.testing import START
from support.ledgers import Kept
from support.pruning import ALL_30D, DAY, FINISHED, Pruned
from support.stores import held, script


@pytest.fixture
def jobs(tmp_path):
    return Pruned(tmp_path)


def test_each_status_goes_by_its_own_age_and_the_report_counts_it(jobs):
    old = jobs.add(3, "completed", days=40), jobs.add(2, "failed", days=100), jobs.add(1, "cancelled", days=31)
    kept = jobs.add(2, "failed", days=40) + jobs.add(1, "running", days=999) + jobs.add(1, "pending", days=999)

    report = jobs.prune(Retention({"completed": 30 * DAY, "failed": 90 * DAY, "cancelled": 30 * DAY}))

    assert jobs.ids() == set(kept)
    assert report.counts == {
        ("pruned_jobs", "completed"): 3,
        ("pruned_jobs", "failed"): 2,
        ("pruned_jobs", "cancelled"): 1,
    }
    assert report.detail["pruned"]["failed"] == {"vsphere": 2}
    assert report.detail["oldest"]["id"] == old[1][0]
    assert report.detail["newest"]["id"] == old[2][0]
    assert report.skipped is None
    assert "pruned 6 of 10 jobs" in report.summary


def test_a_provider_has_an_age_of_its_own_and_the_general_one_where_it_names_none(jobs):
    gone = jobs.add(1, "completed", days=40, provider="aws") + jobs.add(1, "failed", days=95, provider="aws")
    kept = jobs.add(1, "completed", days=40) + jobs.add(1, "failed", days=40, provider="aws")
    never = jobs.add(1, "completed", days=4000, provider="gcp")
    retention = Retention(
        {"completed": 60 * DAY, "failed": 90 * DAY}, {"aws": {"completed": 30 * DAY}, "gcp": {"completed": None}}
    )

    jobs.prune(retention)

    assert jobs.ids() == {*kept, *never}
    assert jobs.archived() == set(gone)


def test_without_a_retention_it_says_what_common_ones_would_delete_and_deletes_nothing(jobs):
    for days in (31, 91, 366, 10):
        jobs.add(1, "failed", days=days)

    report = jobs.prune(Retention())

    assert report.skipped == "no_retention"
    assert report.detail["would_prune_jobs"] == {"30d": 3, "90d": 2, "365d": 1}
    assert not report.counts
    assert len(jobs.ids()) == 4
    assert not jobs.directory.path.exists()


def test_a_store_with_nothing_past_its_time_is_a_good_run_and_makes_no_archive(jobs):
    jobs.add(2, days=3)

    report = jobs.prune()

    assert (report.skipped, report.detail["pruned_jobs"]) == (None, 0)
    assert jobs.directory.names() == []


def test_a_dry_run_says_the_same_and_writes_nothing(jobs):
    ids = jobs.add(300, "completed", days=40) + jobs.add(1, "failed", days=50)
    before = jobs.store.read_bytes()

    report = jobs.prune(turn=jobs.turn(is_dry=True), max_share=0.5)

    assert report.summary.startswith("would prune 150 of 301 jobs, 151 more are past their time")
    assert report.detail["due"] == {"completed": {"vsphere": 300}, "failed": {"vsphere": 1}}
    assert report.detail["left_jobs"] == 151
    assert report.detail["oldest"]["id"] == ids[-1]
    assert report.detail["archive_bytes_estimate"] > 0
    assert not report.counts
    assert jobs.store.read_bytes() == before
    assert not jobs.directory.path.exists()


def test_no_more_than_its_share_goes_in_one_run_and_the_rest_in_the_next_ones(jobs):
    oldest_first = [name for days in (90, 80, 70, 60) for name in jobs.add(5, days=days)]
    jobs.add(1, "running")

    left = [jobs.prune(max_share=0.25).detail["left_jobs"]]
    assert jobs.archived() == set(oldest_first[:5])
    while left[-1]:
        left.append(jobs.prune(max_share=0.25).detail["left_jobs"])

    assert left == [15, 11, 8, 6, 5, 4, 3, 2, 1, 0]
    assert len(jobs.ids()) == 1


def test_the_newest_finished_jobs_stay_whatever_their_age(jobs):
    jobs.add(5, days=90)
    newest = jobs.add(3, days=80)

    jobs.prune(keep_newest=3)
    assert jobs.ids() == set(newest)
    jobs.prune(keep_newest=4)
    assert jobs.ids() == set(newest)


def test_fresh_jobs_are_the_newest_that_are_kept(jobs):
    jobs.add(5, days=90)
    fresh = jobs.add(3, days=1)

    jobs.prune(keep_newest=3)

    assert jobs.ids() == set(fresh)


def test_without_an_archive_jobs_go_and_are_counted(jobs):
    jobs.add(300)

    report = jobs.prune(archive_directory=None)

    assert report.counts == {("pruned_jobs", "completed"): 300}
    assert jobs.ids() == set()


def test_a_stop_between_two_batches_keeps_what_was_done_and_says_it(jobs):
    jobs.add(600)
    partly = []

    with pytest.raises(StoreInterruptedError, match="400 of 600"):
        jobs.prune(turn=jobs.turn(wait=lambda _seconds: True, partly=partly.append))

    assert len(jobs.ids()) == 200
    assert [report.counts for report in partly] == [{("pruned_jobs", "completed"): 400}]
    assert partly[0].detail["left_jobs"] == 200
    manifest = jobs.manifest()
    assert (manifest.state, manifest.jobs) == ("interrupted", 400)
    assert len(jobs.archived()) == 400
    assert jobs.prune().detail["pruned_jobs"] == 200


def test_a_stop_while_a_lock_is_waited_for_ends_it_at_once(jobs):
    jobs.add(300)
    stopping = threading.Event()
    turn = jobs.turn(is_stopping=stopping.is_set, progress=lambda *_: stopping.set())

    with held(jobs.store), pytest.raises(StoreInterruptedError):
        jobs.prune(turn=turn)

    assert len(jobs.ids()) == 300


def test_a_store_that_stays_locked_is_busy_and_nothing_goes(jobs, monkeypatch):
    jobs.add(300)
    monkeypatch.setattr(task, "opened", functools.partial(task.opened, busy_timeout_s=0.2))

    with held(jobs.store), pytest.raises(StoreBusyError):
        jobs.prune()

    assert len(jobs.ids()) == 300
    assert jobs.archived() == set()  # what was archived and not deleted is told apart


@pytest.mark.parametrize(
    ("seen", "is_refused"),
    [
        (None, False),
        (START, False),
        (START - DAY, False),
        (START - DAY - timedelta(seconds=1), True),
        (START + timedelta(minutes=5), False),
        (START + timedelta(minutes=5, seconds=1), True),
    ],
)
def test_a_clock_that_jumped_since_it_was_last_seen_prunes_nothing(jobs, seen, is_refused):
    jobs.add(1)

    if is_refused:
        with pytest.raises(StoreRefusedError, match="clock") as caught:
            jobs.prune(last_seen=lambda: seen)
        assert caught.value.reason == "clock"
    else:
        jobs.prune(last_seen=lambda: seen)
    assert len(jobs.ids()) == int(is_refused)


@pytest.mark.parametrize(("days", "is_refused"), [(0.9, False), (1.1, True)])
def test_without_a_last_reading_the_newest_job_is_the_witness_of_a_clock_set_back(jobs, days, is_refused):
    jobs.add(1)
    jobs.add(1, "pending", days=-days, created=str(START + days * DAY))

    if is_refused:
        with pytest.raises(StoreRefusedError, match="newest job"):
            jobs.prune()
    else:
        jobs.prune()
    assert len(jobs.ids()) == 1 + is_refused


def test_strange_triggers_are_refused(jobs):
    jobs.add(1)
    jobs.sql("CREATE TRIGGER spy AFTER DELETE ON jobs BEGIN SELECT 1; END")

    with pytest.raises(StoreRefusedError, match="spy") as caught:
        jobs.prune()

    assert caught.value.reason == "triggers"


def test_the_daemons_own_store_is_refused(tmp_path):
    path = tmp_path / "daemon.db"
    script(
        path,
        "CREATE TABLE jobs(id TEXT PRIMARY KEY,name,vm_path,output_path,status,created_at,started_at,completed_at,"
        "progress_json,result_json,error,definition_json)",
    )
    turn = Pruned.turn(SimpleNamespace(clock=SimpleNamespace(now=lambda: START, monotonic=lambda: 0.0)))

    with pytest.raises(StoreRefusedError) as caught:
        PruneTask(path, retention=ALL_30D, archive_directory=None).run(turn)

    assert caught.value.reason == "daemon_store"


def test_a_disk_without_room_is_found_out_before_anything_is_deleted(jobs, monkeypatch):
    jobs.add(300)
    monkeypatch.setattr(room.os, "statvfs", lambda _path: SimpleNamespace(f_bavail=1, f_frsize=4096))

    with pytest.raises(StoreFullError, match="an archive of pruned jobs needs"):
        jobs.prune()

    assert len(jobs.ids()) == 300


def test_two_prunes_at_once_are_one(jobs):
    jobs.add(1)
    jobs.directory.prepare()

    with jobs.directory.locked(), pytest.raises(ArchiveBusyError, match=r"pid \d+"):
        jobs.prune()

    assert len(jobs.ids()) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"max_share": 0.0},
        {"max_share": 1.01},
        {"keep_newest": -1},
        {"archive_keep": timedelta(0)},
        {"max_clock_jump": timedelta(0)},
    ],
)
def test_settings_that_make_no_sense_are_refused(jobs, options):
    with pytest.raises(ConfigError):
        jobs.task(**options)


def test_progress_is_told_of_every_batch(jobs):
    jobs.add(600)
    told = []

    jobs.prune(turn=jobs.turn(progress=lambda *what: told.append(what)))

    assert told[1:] == [("pruning", done, 600) for done in (400, 600)]


# With a ledger ------------------------------------------------------------------------------------------------------


@pytest.fixture
def kept(jobs, tmp_path):
    found = Kept(jobs.store, tmp_path / "state", clock=jobs.clock)
    found.turn()
    yield found
    found.stop()


def gauges(kept):
    return {key: count for key, count in kept.view().rollup.gauges.items() if count}


def stats(jobs, **question):
    with open_store(jobs.store, read_only=True, clock=jobs.clock) as store:
        return store.get_job_stats(since=START - 365 * DAY, **question)


@pytest.mark.parametrize("is_folded", [True, False])
def test_a_year_says_the_same_before_and_after_pruning_to_thirty_days(jobs, kept, is_folded):
    for status, count in zip(FINISHED, (20, 700, 60), strict=True):
        for days in (300, 100, 10):
            jobs.add(count, status, days=days, size=7, provider=f"p-{days}")
    kept.turn()
    before = stats(jobs), stats(jobs, by="provider"), stats(jobs, by="day"), kept.exported()

    report = jobs.prune()
    if is_folded:
        kept.turn()

    assert report.detail["pruned_jobs"] == 1560
    assert (stats(jobs), stats(jobs, by="provider"), stats(jobs, by="day"), kept.exported()) == before
    assert gauges(kept) == {("p-10", status): count for status, count in zip(FINISHED, (20, 700, 60), strict=True)}


@pytest.mark.parametrize("is_folded", [True, False])
def test_prune_and_undo_leave_gauges_and_counters_as_they_were(jobs, kept, is_folded):
    for days in (300, 10):
        jobs.add(300, days=days, size=7)
    kept.turn()
    before, shown, year = gauges(kept), kept.exported(), stats(jobs)

    jobs.prune()
    if is_folded:
        kept.turn()
    assert jobs.undo() == (300, 0)
    if is_folded:
        kept.turn()

    assert (gauges(kept), kept.exported(), stats(jobs)) == (before, shown, year)
    kept.turn()
    assert kept.keeper.check_drift() == 0


def test_a_row_that_a_writer_changes_between_archive_and_delete_stays_as_the_writer_left_it(jobs, monkeypatch):
    ids = jobs.add(3)
    keep = Archive.keep
    calls = []

    def keep_and_write(self, rows):
        keep(self, rows)
        calls.append(len(rows))
        if len(calls) == 1:
            db = apsw.Connection(str(jobs.store))
            db.execute("UPDATE jobs SET error='found out later' WHERE id=?", (ids[0],))
            db.execute("UPDATE jobs SET status='running' WHERE id=?", (ids[1],))
            db.execute("DELETE FROM jobs WHERE id=?", (ids[2],))
            db.close()

    monkeypatch.setattr(Archive, "keep", keep_and_write)

    report = jobs.prune()

    assert jobs.ids() == {ids[0], ids[1]}
    assert (report.detail["pruned_jobs"], report.detail["left_jobs"]) == (0, 3)
    assert jobs.undo() == (0, 0)  # nor does the one come back that was deleted by hand
    assert jobs.prune().detail["pruned_jobs"] == 1
    jobs.undo()
    db = apsw.Connection(str(jobs.store))
    assert dict(db.execute("SELECT id,error||status FROM jobs")) == {
        ids[0]: "found out latercompleted",
        ids[1]: "running",
    }
    db.close()


@pytest.mark.parametrize(
    ("is_archived", "is_backed_up", "goes"), [(False, False, False), (False, True, True), (True, False, True)]
)
def test_without_archives_nothing_goes_that_no_good_backup_holds(tmp_path, is_archived, is_backed_up, goes):
    jobs = Pruned(tmp_path)
    jobs.add(3)
    task = PruneTask(
        jobs.store,
        retention=ALL_30D,
        archive_directory=jobs.directory.path if is_archived else None,
        is_backed_up=lambda: is_backed_up,
        max_share=1.0,
    )

    report = task.run(jobs.turn())

    assert (jobs.ids() == set()) is goes
    assert report.skipped == (None if goes else "no_backup")
