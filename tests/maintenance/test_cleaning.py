"""What does not count, and what a restore replaced, goes when enough is there to stand for it."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest

from hyperjobs.errors import BackupDamagedError
from hyperjobs.maintenance.backup.damaged import remove_damaged
from hyperjobs.maintenance.backup.directory import BackupDirectory
from hyperjobs.maintenance.backup.mark import mark_failed, pin
from hyperjobs.maintenance.backup.retention import Policy
from hyperjobs.maintenance.backup.task import BackupTask
from hyperjobs.maintenance.restore.kept import expired_stores, kept_name, kept_stores
from hyperjobs.maintenance.task import Turn
from hyperjobs.testing import START, FakeClock
from support.backups import store_of, take, take_daily

NOW = START + timedelta(days=40)


@pytest.fixture
def store(tmp_path):
    return store_of(tmp_path / "jobs.db")


@pytest.fixture
def directory(tmp_path):
    return BackupDirectory(tmp_path / "backups")


def clean(directory, store, **options):
    return remove_damaged(directory, store, **{"minimum": 2, "now": NOW, **options})


def numbers(names):
    return [name.sequence for name in names]


@pytest.mark.parametrize(("newer", "deleted"), [(1, []), (2, [1])])
def test_a_failed_backup_goes_once_the_minimum_of_verified_ones_is_newer(store, directory, newer, deleted):
    names = take_daily(store, directory, newer + 1)
    mark_failed(directory.path, names[0], found="x", now=NOW)

    done = clean(directory, store)

    assert numbers(done.deleted) == deleted
    assert (names[0] in directory.names()) is (not deleted)
    assert len([path for path in directory.path.iterdir() if str(names[0]) in path.name]) == (0 if deleted else 3)


def test_verified_ones_from_before_do_not_stand_for_it(store, directory):
    names = take_daily(store, directory, 3)
    mark_failed(directory.path, names[2], found="x", now=NOW)

    assert clean(directory, store).deleted == ()


def test_one_of_a_store_in_doubt_goes_too_and_a_pinned_one_stays(store, directory):
    take(store, directory, doubt="frozen")
    pinned = take(store, directory, at=START + timedelta(hours=1), doubt="frozen")
    pin(directory.path, pinned, reason="", now=NOW)
    take_daily(store, BackupDirectory(directory.path), 3)[-1]

    assert numbers(clean(directory, store, is_dry=True).deleted) == [1]
    assert numbers(clean(directory, store).deleted) == [1]
    assert pinned in directory.names()


def test_nothing_goes_while_the_store_is_frozen(store, directory):
    names = take_daily(store, directory, 3)
    mark_failed(directory.path, names[0], found="x", now=NOW)

    assert clean(directory, store, is_frozen=True).refused
    assert len(directory.names()) == 3


def test_one_without_a_manifest_may_be_anybodys_and_stays(store, directory):
    names = take_daily(store, directory, 3)
    (directory.path / names[0].manifest).unlink()

    assert clean(directory, store).deleted == ()


def test_nothing_goes_when_the_newest_does_not_stand_its_proof(store, directory):
    names = take_daily(store, directory, 4)
    mark_failed(directory.path, names[0], found="x", now=NOW)
    file = directory.path / str(names[3])
    raw = bytearray(file.read_bytes())
    raw[-1] ^= 1
    file.write_bytes(raw)

    with pytest.raises(BackupDamagedError):
        clean(directory, store)
    assert len(directory.names()) == 4


def replaced(store, *days):
    """What restores so many days ago left."""
    kept = []
    for age in days:
        path = kept_name(store, NOW - timedelta(days=age))
        path.write_bytes(b"old")
        kept.append(path)
    return kept


def run(store, directory, **options):
    task = BackupTask(store, directory, policy=Policy(last=5), **{"keep_replaced": timedelta(days=30), **options})
    return task.run(Turn(now=NOW, clock=FakeClock(NOW)))


def test_the_nightly_backup_deletes_what_restores_replaced_long_ago_and_never_the_newest(store, directory):
    old, older, young = replaced(store, 31, 60, 30)
    wal = older.with_name(f"{older.name}-wal")
    wal.write_bytes(b"wal")

    report = run(store, directory)

    assert not any(path.exists() for path in (old, older, wal))
    assert young.exists()
    assert report.detail["replaced_deleted"] == [older.name, old.name]
    assert report.detail["replaced_freed_bytes"] == 9


def test_the_newest_stays_however_old_it_is(store, directory):
    (only,) = replaced(store, 400)

    assert "replaced_deleted" not in run(store, directory).detail
    assert only.exists()


@pytest.mark.parametrize("options", [{"keep_replaced": None}, {"is_frozen": lambda: True}, {"is_rotating": False}])
def test_nothing_replaced_goes_by_a_run_that_deletes_no_backups(store, directory, options):
    kept = replaced(store, 60, 50)

    run(store, directory, **options)

    assert all(path.exists() for path in kept)


def test_a_second_name_of_the_store_and_what_is_named_otherwise_is_not_looked_at(store):
    link = kept_name(store, NOW - timedelta(days=90))
    os.link(store, link)
    for name in ("before-restore-x", "before-restore-20269999T000000Z", "before-restore-20260101T000000Z.txt"):
        store.with_name(f"{store.name}.{name}").write_bytes(b"")
    newer = replaced(store, 50)

    assert [kept.file for kept in kept_stores(store)] == newer
    assert expired_stores(store, now=NOW, keep=timedelta(days=1)) == []
