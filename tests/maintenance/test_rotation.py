"""Old backups go only while the newest stands, and nobody else's ever."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest

from hyperjobs.errors import BackupDamagedError, ConfigError, StoreFullError, StoreInterruptedError
from hyperjobs.maintenance.backup import proof
from hyperjobs.maintenance.backup.catalogue import read_catalogue
from hyperjobs.maintenance.backup.directory import BackupDirectory
from hyperjobs.maintenance.backup.mark import mark_failed, pin
from hyperjobs.maintenance.backup.retention import Policy
from hyperjobs.maintenance.backup.rotation import rotate
from hyperjobs.testing import START
from support.backups import store_of, take, take_daily

NOW = START + timedelta(days=10)
ONE = Policy(last=1)


@pytest.fixture
def store(tmp_path):
    return store_of(tmp_path / "jobs.db")


@pytest.fixture
def directory(tmp_path):
    return BackupDirectory(tmp_path / "backups")


def files(directory):
    return sorted(path.name for path in directory.path.iterdir())


def numbers(names):
    return [name.sequence for name in names]


def test_what_no_rule_keeps_goes_with_its_manifest_and_marks(store, directory):
    names = take_daily(store, directory, 5)

    done = rotate(directory, store, Policy(last=2), minimum=1, now=NOW)

    assert numbers(done.deleted) == [1, 2, 3]
    left = [file for name in names[3:] for file in (str(name), name.manifest)]
    assert files(directory) == sorted([".hyperjobs-backup.lock", *left])
    assert done.freed_bytes > 0
    assert [decision.stays for decision in done.decisions] == [True, True, False, False, False]


def test_a_dry_run_decides_the_same_and_deletes_nothing(store, directory):
    take_daily(store, directory, 4)
    before = files(directory)

    dry = rotate(directory, store, ONE, now=NOW, is_dry=True)

    assert files(directory) == before
    assert dry == rotate(directory, store, ONE, now=NOW)


def test_the_minimum_and_the_pinned_stay(store, directory):
    names = take_daily(store, directory, 5)
    pin(directory.path, names[0], reason="", now=NOW)

    rotate(directory, store, ONE, minimum=2, now=NOW)

    assert numbers(directory.names()) == [1, 5]
    rotate(directory, store, ONE, minimum=3, now=NOW)
    assert numbers(directory.names()) == [1, 5]


def test_another_stores_backups_are_neither_counted_nor_deleted(store, directory, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    other = store_of(tmp_path / "elsewhere" / "jobs.db")
    for day in range(3):
        take(store, directory, at=START + timedelta(days=day))
        take(other, directory, at=START + timedelta(days=day))

    rotate(directory, store, ONE, minimum=1, now=NOW)

    assert len(read_catalogue(directory.path, store)) == 1
    assert len(read_catalogue(directory.path, other)) == 3


def test_backups_that_do_not_count_take_no_place_and_stay(store, directory):
    names = take_daily(store, directory, 3)
    take(store, directory, at=START + timedelta(days=3), doubt="frozen")
    mark_failed(directory.path, names[2], found="x", now=NOW)
    (directory.path / take(store, directory, at=START + timedelta(days=4)).manifest).unlink()

    rotate(directory, store, ONE, minimum=1, now=NOW)

    assert numbers(directory.names()) == [2, 3, 4, 5]


@pytest.mark.parametrize("compression", ["none", "zstd"])
@pytest.mark.parametrize("keeps_size", [True, False])
def test_a_newest_that_does_not_stand_its_proof_stops_the_deleting(store, directory, compression, keeps_size):
    newest = take_daily(store, directory, 4, compression=compression)[-1]
    file = directory.path / str(newest)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data if keeps_size else data[:-1])

    if keeps_size:
        with pytest.raises(BackupDamagedError, match="no longer counts; retention deleted nothing"):
            rotate(directory, store, Policy(last=3), now=NOW)
        assert numbers(directory.names()) == [1, 2, 3, 4]

    # the next time it does not count: the three good ones are what there is
    assert rotate(directory, store, Policy(last=3), now=NOW).deleted == ()
    assert numbers(directory.names()) == [1, 2, 3, 4]


def test_nothing_goes_after_a_failed_run_but_for_a_full_disk(store, directory):
    take_daily(store, directory, 5)

    refused = rotate(directory, store, ONE, minimum=2, now=NOW, newest_run_ok=False)
    assert (refused.deleted, len(directory.names())) == ((), 5)
    assert "newest run failed" in refused.refused

    # not by the policy, which would keep them all
    done = rotate(directory, store, Policy(last=5), minimum=2, now=NOW, newest_run_ok=False, is_disk_full=True)
    assert numbers(done.deleted) == [1, 2, 3]


def test_thirty_days_of_failures_cost_no_good_backup(store, directory):
    take_daily(store, directory, 5)

    for day in range(30):
        rotate(directory, store, Policy(daily=2), now=NOW + timedelta(days=day), newest_run_ok=False)

    assert len(directory.names()) == 5


@pytest.mark.parametrize("is_disk_full", [False, True])
def test_nothing_goes_while_the_store_is_frozen(store, directory, is_disk_full):
    take_daily(store, directory, 4)

    done = rotate(directory, store, ONE, now=NOW, is_frozen=True, is_disk_full=is_disk_full)

    assert "frozen" in done.refused
    assert len(directory.names()) == 4


@pytest.mark.parametrize(("behind", "goes"), [(timedelta(days=1), True), (timedelta(days=1, seconds=1), False)])
def test_a_clock_more_than_a_day_behind_the_newest_backup_deletes_nothing(store, directory, behind, goes):
    newest = take_daily(store, directory, 5)[-1]

    done = rotate(directory, store, ONE, minimum=1, now=newest.at - behind)

    assert bool(done.deleted) is goes
    assert bool(done.refused) is not goes


def test_a_policy_that_keeps_nothing_is_refused_before_anything(store, directory):
    take_daily(store, directory, 3)

    with pytest.raises(ConfigError):
        rotate(directory, store, Policy(), now=NOW)

    assert len(directory.names()) == 3


def test_on_a_disk_too_full_to_decompress_the_bytes_are_proof_enough(store, directory, monkeypatch):
    take_daily(store, directory, 4, compression="zstd")

    def full(path, needed, what):
        raise StoreFullError(f"{path}: {what} needs {needed}")

    monkeypatch.setattr(proof, "require_room", full)
    with pytest.raises(StoreFullError):
        rotate(directory, store, ONE, now=NOW)
    assert len(directory.names()) == 4

    rotate(directory, store, ONE, minimum=2, now=NOW, is_disk_full=True)
    assert numbers(directory.names()) == [3, 4]


def test_a_stop_between_two_deletions_leaves_whole_backups(store, directory):
    take_daily(store, directory, 5)
    asked = 0

    def keep_on():
        nonlocal asked
        asked += 1
        if len(directory.names()) == 3:
            raise StoreInterruptedError("stopped")

    with pytest.raises(StoreInterruptedError):
        rotate(directory, store, ONE, minimum=1, now=NOW, keep_on=keep_on)

    assert {str(entry.state) for entry in read_catalogue(directory.path, store)} == {"verified"}
    assert numbers(directory.names()) == [3, 4, 5]
    assert asked > 2
    assert all(os.path.lexists(directory.path / name.manifest) for name in directory.names())
