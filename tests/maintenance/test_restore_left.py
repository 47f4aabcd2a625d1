"""What is left of a store that was removed or emptied is never written into the one that takes its name."""

from __future__ import annotations

import os

import apsw
import pytest

from hyperjobs.errors import StoreRefusedError
from hyperjobs.maintenance.backup.create import create_backup
from hyperjobs.maintenance.backup.directory import BackupDirectory
from hyperjobs.maintenance.backup.name import BackupName
from hyperjobs.maintenance.publish import publish
from hyperjobs.maintenance.restore.staging import staged
from hyperjobs.maintenance.restore.swap import put_store
from hyperjobs.store.snapshot import Pace
from hyperjobs.testing import FakeClock
from support.holders import held
from support.ledgers import insert, make_store

NOW = FakeClock().now()


@pytest.fixture
def store(tmp_path):
    path = make_store(tmp_path / "jobs.db")
    add(path, "old")
    return path


@pytest.fixture
def backup(store, tmp_path):
    """Brings the backup out, as a file that can take a name."""
    directory = BackupDirectory(tmp_path / "backups")
    made = create_backup(store, directory, clock=FakeClock(), pace=Pace())
    return lambda target=store: staged(directory.path, BackupName.parse(made.name), target)


def add(path, job_id):
    """A job that is in the -wal alone."""
    db = apsw.Connection(str(path))
    db.execute("PRAGMA wal_autocheckpoint=0").fetchall()
    insert(db, job_id, "completed")
    return db


def left_of(store, *, empty):
    """Remove or empty the store, and leave its -wal; what that holds."""
    wal = store.with_name("jobs.db-wal")
    db = add(store, "late")
    held_bytes = wal.read_bytes()
    db.close()
    os.truncate(store, 0)
    if not empty:
        store.unlink()
    wal.write_bytes(held_bytes)
    return held_bytes


def ids(path):
    db = apsw.Connection(str(path))
    try:
        return [row[0] for row in db.execute("SELECT id FROM jobs")]
    finally:
        db.close()


@pytest.mark.parametrize("empty", [False, True])
def test_the_wal_of_a_store_that_is_gone_is_kept_beside_and_not_read(store, backup, empty):
    wal = left_of(store, empty=empty)

    with backup() as (database, _):
        kept = put_store(database, store, now=NOW)

    assert ids(store) == ["old"]
    assert kept.with_name(f"{kept.name}-wal").read_bytes() == wal
    assert kept.read_bytes() == b""


def test_where_nothing_is_left_nothing_is_kept(store, backup):
    add(store, "late").close()
    store.unlink()

    with backup() as (database, _):
        assert put_store(database, store, now=NOW) is None

    assert ids(store) == ["old"]


def test_what_is_left_of_a_store_and_still_open_is_not_taken_away(store, backup):
    with held(store, "PRAGMA wal_autocheckpoint=0", "DELETE FROM jobs") as pid:
        store.unlink()

        with backup() as (database, _), pytest.raises(StoreRefusedError, match=rf"was removed while pid {pid} \("):
            put_store(database, store, now=NOW)

        assert not store.exists()
        assert store.with_name("jobs.db-wal").stat().st_size


def test_a_store_that_a_writer_goes_on_with_though_all_of_it_was_removed_is_not_replaced_under_it(store, backup):
    with held(store, "DELETE FROM jobs") as pid:
        for path in store.parent.glob("jobs.db*"):
            path.unlink()

        with backup() as (database, _), pytest.raises(StoreRefusedError, match=rf"pid {pid} \(.*/proc/{pid}/fd"):
            put_store(database, store, now=NOW)

        assert not store.exists()

    with backup() as (database, _):
        put_store(database, store, now=NOW)
    assert ids(store) == ["old"]


@pytest.mark.parametrize("suffix", ["-wal", "-journal"])
def test_a_new_file_gets_no_name_that_something_is_left_of(backup, tmp_path, suffix):
    target = tmp_path / "new.db"
    target.with_name(f"new.db{suffix}").write_bytes(b"left")

    with backup(target) as (database, _), pytest.raises(StoreRefusedError, match=f"{suffix}: is left of a store"):
        publish(database, target)

    assert not target.exists()


@pytest.mark.parametrize("suffix", ["-wal", "-journal", "-shm"])
def test_a_new_file_gets_no_name_under_which_sqlite_would_delete_it(backup, tmp_path, suffix):
    target = tmp_path / f"other.db{suffix}"

    with backup(target) as (database, _), pytest.raises(StoreRefusedError, match="name another"):
        publish(database, target)

    assert not target.exists()
