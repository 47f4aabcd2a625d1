"""Single jobs come back from a backup as they were in it, or nothing changes."""

from __future__ import annotations

import apsw
import pytest

from hyperjobs.errors import JobNotFoundError, StoreRefusedError
from hyperjobs.maintenance.backup.create import create_backup
from hyperjobs.maintenance.backup.directory import BackupDirectory
from hyperjobs.maintenance.restore.jobs import restore_jobs
from hyperjobs.store.snapshot import Pace
from hyperjobs.testing import FakeClock
from support.ledgers import Kept, insert, make_store


@pytest.fixture
def store(tmp_path):
    path = make_store(tmp_path / "jobs.db")
    db = apsw.Connection(str(path))
    for number in range(5):
        insert(db, f"job-{number}", "completed", size=number)
    insert(db, "running", "running")
    db.close()
    return path


@pytest.fixture
def database(store, tmp_path):
    directory = BackupDirectory(tmp_path / "backups")
    return directory.path / create_backup(store, directory, clock=FakeClock(), pace=Pace(), compression="none").name


def sql(path, statement):
    db = apsw.Connection(str(path))
    try:
        return db.execute(statement).fetchall()
    finally:
        db.close()


def restore(database, store, *ids, **options):
    return restore_jobs(database, store, ids, clock=FakeClock(), **options)


def test_the_jobs_named_come_back_and_no_other(store, database):
    sql(store, "DELETE FROM jobs")

    assert restore(database, store, "job-3", "job-1", "job-3").jobs == 2
    assert sql(store, "SELECT id,total_size FROM jobs ORDER BY id") == [("job-1", 1), ("job-3", 3)]


def test_a_job_that_the_backup_lacks_is_not_found_and_nothing_comes_back(store, database):
    sql(store, "DELETE FROM jobs")

    with pytest.raises(JobNotFoundError, match="job-9") as caught:
        restore(database, store, "job-1", "job-9")

    assert caught.value.exit_code == 7
    assert sql(store, "SELECT count(*) FROM jobs") == [(0,)]


def test_a_job_that_is_there_is_refused_and_the_way_named(store, database):
    sql(store, "DELETE FROM jobs WHERE id='job-1'")

    with pytest.raises(StoreRefusedError, match="--replace") as caught:
        restore(database, store, "job-1", "job-2")

    assert caught.value.reason == "exists"
    assert sql(store, "SELECT count(*) FROM jobs") == [(5,)]


def test_replace_puts_the_backups_job_in_its_place(store, database):
    sql(store, "UPDATE jobs SET error='changed'")

    done = restore(database, store, "job-2", replace=True)

    assert (done.jobs, done.replaced) == (1, ("job-2",))
    assert sql(store, "SELECT id FROM jobs WHERE error=''") == [("job-2",)]


@pytest.mark.parametrize("status", ["pending", "running"])
def test_a_job_that_is_not_finished_is_not_replaced(store, database, status):
    sql(store, f"UPDATE jobs SET status='{status}' WHERE id='job-2'")  # noqa: S608 - ours

    with pytest.raises(StoreRefusedError, match="not finished") as caught:
        restore(database, store, "job-2", replace=True)

    assert caught.value.reason == "in_progress"
    assert sql(store, "SELECT status FROM jobs WHERE id='job-2'") == [(status,)]


def test_a_dry_run_says_what_would_come_back_and_changes_nothing(store, database):
    before = store.read_bytes()

    done = restore(database, store, "job-2", replace=True, is_dry=True)

    assert (done.jobs, done.replaced) == (1, ("job-2",))
    assert store.read_bytes() == before


def test_gauges_move_and_counters_do_not(store, database, tmp_path):
    kept = Kept(store, tmp_path / "state")
    kept.turn()
    before = kept.exported()
    sql(store, "DELETE FROM jobs WHERE id='job-1'")
    kept.turn()

    restore(database, store, "job-1")
    restore(database, store, "job-2", replace=True)
    kept.turn()

    assert kept.exported() == before
    assert kept.keeper.check_drift() == 0
    kept.stop()
