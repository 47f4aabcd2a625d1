"""A file without a manifest becomes a backup only when it stands the full proof, and never the latest by mistake."""

from __future__ import annotations

import os
import shutil
from datetime import timedelta

import apsw
import pytest

from hyperjobs.errors import BackupDamagedError, BackupNotFoundError, StoreRefusedError
from hyperjobs.maintenance.backup.adopt import adopt
from hyperjobs.maintenance.backup.catalogue import read_catalogue
from hyperjobs.maintenance.backup.choice import choose
from hyperjobs.maintenance.backup.directory import BackupDirectory
from hyperjobs.maintenance.backup.name import BackupName
from hyperjobs.maintenance.backup.proof import verify
from hyperjobs.maintenance.publish import publish
from hyperjobs.maintenance.restore.staging import staged
from hyperjobs.testing import START, FakeClock
from support.backups import store_of, take
from support.ledgers import insert


@pytest.fixture
def store(tmp_path):
    return store_of(tmp_path / "jobs.db")


@pytest.fixture
def directory(tmp_path):
    return BackupDirectory(tmp_path / "backups")


def adopted(file, directory, store, **options):
    return adopt(file, directory, store, clock=FakeClock(), host="web-01", **options)


def elsewhere(store, folder, name="found.db", days=0):
    """A closed copy of the store somewhere, dated so many days after the start."""
    folder.mkdir(exist_ok=True)
    copy = folder / name
    db = apsw.Connection(str(store))
    db.execute("PRAGMA journal_mode=DELETE").fetchall()
    db.close()
    shutil.copyfile(store, copy)
    at = (START + timedelta(days=days)).timestamp()
    os.utime(copy, (at, at))
    return copy


@pytest.mark.parametrize("compression", ["none", "zstd", "gzip"])
def test_a_backup_that_lost_its_manifest_gets_one_and_keeps_its_name(store, directory, compression):
    name = take(store, directory, compression=compression)
    (directory.path / name.manifest).unlink()

    done = adopted(directory.path / str(name), directory, store)

    assert done.is_in_place
    assert done.manifest.name == str(name)
    assert verify(directory.path, name).jobs == 20
    (entry,) = read_catalogue(directory.path, store)
    assert entry.is_verified


def test_a_manifest_that_cannot_be_read_is_replaced_and_a_good_one_is_not(store, directory):
    name = take(store, directory)
    with pytest.raises(StoreRefusedError, match="has its manifest"):
        adopted(directory.path / str(name), directory, store)
    (directory.path / name.manifest).write_text("{")

    adopted(directory.path / str(name), directory, store)

    assert verify(directory.path, name).host == "web-01"


def test_a_database_from_elsewhere_is_copied_proven_and_stays(store, directory, tmp_path):
    copy = elsewhere(store, tmp_path / "old")
    before = copy.read_bytes()

    done = adopted(copy, directory, store)

    assert copy.read_bytes() == before
    (entry,) = read_catalogue(directory.path, store)
    assert entry.is_verified
    assert entry.manifest == done.manifest
    assert entry.name.at == START
    assert verify(directory.path, entry.name).jobs == 20


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_what_was_adopted_restores(store, directory, tmp_path, mode):
    copy = elsewhere(store, tmp_path / "old")
    db = apsw.Connection(str(copy))
    db.execute(f"PRAGMA journal_mode={mode}").fetchall()
    db.close()
    name = BackupName.parse(adopted(copy, directory, store).manifest.name)

    with staged(directory.path, name, tmp_path / "back.db") as (database, _):
        publish(database, tmp_path / "back.db")

    db = apsw.Connection(str(tmp_path / "back.db"))
    assert db.execute("SELECT count(*) FROM jobs").fetchall() == [(20,)]
    db.close()


def change(path, at, job_id="more"):
    """Have one more job end at this time, in a store that nobody else has open."""
    db = apsw.Connection(str(path))
    insert(db, job_id, "completed", completed=at.isoformat(" "))
    db.close()


@pytest.mark.parametrize(("changed", "latest"), [(9, False), (11, True), (30, False)])
def test_an_old_copy_whose_file_is_new_does_not_become_the_latest(store, directory, tmp_path, changed, latest):
    copy = elsewhere(store, tmp_path / "old")
    change(copy, START + timedelta(days=changed))
    newest = [take(store, directory, at=START + timedelta(days=day)) for day in (0, 10)][-1]
    at = (START + timedelta(days=15)).timestamp()
    os.utime(copy, (at, at))  # as cp leaves it

    done = adopted(copy, directory, store)

    found = choose(directory.path, store).name
    assert (str(found) == done.manifest.name) is latest
    assert (found == newest) is not latest


def test_a_copy_without_any_time_in_it_stands_before_all_backups(store, directory, tmp_path):
    copy = elsewhere(store, tmp_path / "old", days=15)
    db = apsw.Connection(str(copy))
    db.execute("DELETE FROM jobs").fetchall()
    db.close()
    os.utime(copy, ((START + timedelta(days=15)).timestamp(),) * 2)
    names = [take(store, directory, at=START + timedelta(days=day)) for day in (0, 10)]

    done = adopted(copy, directory, store)

    assert [str(entry.name) for entry in read_catalogue(directory.path, store)] == [
        done.manifest.name,
        *map(str, names),
    ]


def test_a_deletion_that_the_ledger_saw_dates_a_copy(store, directory, tmp_path):
    copy = elsewhere(store, tmp_path / "old")
    db = apsw.Connection(str(copy))
    db.execute("CREATE TABLE hyperjobs_history(seq INTEGER PRIMARY KEY,job_id,at INTEGER,old,new,ids)").fetchall()
    take(store, directory, at=START)
    at = int((START + timedelta(days=3)).timestamp())
    db.execute("INSERT INTO hyperjobs_history(job_id,at,old) VALUES('job-1',?,'completed')", (at,)).fetchall()
    db.execute("DELETE FROM jobs WHERE id='job-1'").fetchall()
    db.close()
    os.utime(copy, (at + 86_400,) * 2)

    done = adopted(copy, directory, store)

    assert str(choose(directory.path, store).name) == done.manifest.name


@pytest.mark.parametrize(("days", "latest"), [(5, False), (-5, False), (15, True)])
def test_an_old_copy_does_not_become_the_latest(store, directory, tmp_path, days, latest):
    newest = [take(store, directory, at=START + timedelta(days=day)) for day in (0, 10)][-1]

    done = adopted(elsewhere(store, tmp_path / "old", days=days), directory, store)

    found = choose(directory.path, store).name
    assert (str(found) == done.manifest.name) is latest
    assert (found == newest) is not latest


def test_a_backup_of_another_directory_keeps_its_name_where_its_number_is_free(store, directory, tmp_path):
    other = BackupDirectory(tmp_path / "other")
    name = take(store, other, compression="zstd")

    assert adopted(other.path / str(name), directory, store, compression="zstd").manifest.name == str(name)


@pytest.mark.parametrize(("day", "is_latest"), [(-300, False), (-1, False), (4, True)])
def test_a_great_number_of_another_directory_does_not_make_an_old_backup_the_latest(
    store, directory, tmp_path, day, is_latest
):
    newest = [take(store, directory, at=START + timedelta(days=each)) for each in (0, 1, 2)][-1]
    own = BackupName(400, START + timedelta(days=day), "jobs", "none")
    found = elsewhere(store, tmp_path / "old", str(own))

    done = adopted(found, directory, store)

    assert BackupName.parse(done.manifest.name).at == own.at
    assert (choose(directory.path, store).name == newest) is not is_latest


def test_a_great_number_that_came_into_the_directory_by_hand_is_refused(store, directory):
    newest = take(store, directory)
    old = BackupName(400, START - timedelta(days=300), "jobs", "none")
    shutil.copyfile(directory.path / str(newest), directory.path / str(old))

    with pytest.raises(StoreRefusedError, match="would be the latest"):
        adopted(directory.path / str(old), directory, store)

    assert choose(directory.path, store).name == newest


def test_a_copy_whose_last_transaction_is_half_done_is_refused(store, directory, tmp_path):
    copy = elsewhere(store, tmp_path / "old")
    journal = copy.with_name(f"{copy.name}-journal")
    journal.write_bytes(b"")
    adopted(copy, directory, store)
    journal.write_bytes(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7")

    with pytest.raises(StoreRefusedError, match="-journal"):
        adopted(copy, BackupDirectory(tmp_path / "others"), store)


def test_what_is_damaged_or_no_job_store_is_refused_and_leaves_nothing(store, directory, tmp_path):
    bad = elsewhere(store, tmp_path / "old", "bad.db")
    raw = bytearray(bad.read_bytes())
    raw[4096 * 3 : 4096 * 3 + 200] = b"\xff" * 200
    bad.write_bytes(raw)
    foreign = tmp_path / "foreign.db"
    db = apsw.Connection(str(foreign))
    db.execute("CREATE TABLE t(a)").fetchall()
    db.close()
    cut = tmp_path / "cut.db.zst"
    cut.write_bytes(b"\x28\xb5\x2f\xfd nothing")

    for file in (bad, foreign, cut):
        with pytest.raises(BackupDamagedError) as refused:
            adopted(file, directory, store)
        assert str(file) in str(refused.value)
    assert directory.names() == []
    assert [path.name for path in directory.path.iterdir()] == [".hyperjobs-backup.lock"]


def test_the_store_itself_a_file_in_use_and_one_with_a_wal_are_refused(store, directory, tmp_path):
    with pytest.raises(StoreRefusedError, match="is the store itself"):
        adopted(store, directory, store)
    with pytest.raises(BackupNotFoundError):
        adopted(tmp_path / "none.db", directory, store)
    copy = elsewhere(store, tmp_path / "old")
    copy.with_name(f"{copy.name}-wal").write_bytes(b"x")
    with pytest.raises(StoreRefusedError, match="-wal"):
        adopted(copy, directory, store)


def test_a_backup_of_a_store_of_another_name_is_refused(store, directory, tmp_path):
    other = store_of(tmp_path / "other.db")
    name = take(other, directory)
    (directory.path / name.manifest).unlink()

    with pytest.raises(StoreRefusedError, match="named as a backup of other"):
        adopted(directory.path / str(name), directory, store)


def test_the_flavour_is_in_the_manifest(directory, store, tmp_path):
    columns = "id,name,vm_path,output_path,status,created_at,started_at,completed_at,progress_json,result_json,error,definition_json"
    db = apsw.Connection(str(tmp_path / "found.db"))
    db.execute(f"CREATE TABLE jobs ({columns}); INSERT INTO jobs(id,status) VALUES('a','running')").fetchall()
    db.close()

    assert adopted(tmp_path / "found.db", directory, store).manifest.flavour == "daemon"
