"""What lies in a directory of backups: the store's own are told from all else, and nothing strange is touched."""

from __future__ import annotations

import json
import os
import shutil
import stat
from datetime import timedelta

import pytest

from hyperjobs.errors import BackupNotFoundError, StoreRefusedError
from hyperjobs.maintenance.backup.catalogue import is_own, newest_verified, read_catalogue
from hyperjobs.maintenance.backup.choice import choose
from hyperjobs.maintenance.backup.directory import BackupDirectory
from hyperjobs.maintenance.backup.mark import is_pinned, mark_failed, pin, reason_of, unpin
from hyperjobs.maintenance.backup.name import MAX_SEQUENCE, PINNED, BackupName
from hyperjobs.testing import START
from support.backups import store_of, take, take_daily


@pytest.fixture
def store(tmp_path):
    return store_of(tmp_path / "jobs.db")


@pytest.fixture
def directory(tmp_path):
    return BackupDirectory(tmp_path / "backups")


@pytest.fixture
def other(tmp_path):
    """A store of the same file name elsewhere, which uses the same directory."""
    (tmp_path / "elsewhere").mkdir()
    return store_of(tmp_path / "elsewhere" / "jobs.db", jobs=3)


def states(directory, store):
    return {entry.name.sequence: str(entry.state) for entry in read_catalogue(directory.path, store)}


def test_a_store_sees_its_own_backups_alone(store, other, directory):
    own, foreign = take(store, directory), take(other, directory)

    assert [entry.name for entry in read_catalogue(directory.path, store)] == [own]
    assert [entry.name for entry in read_catalogue(directory.path, other)] == [foreign]
    assert len(read_catalogue(directory.path, None)) == 2


def test_the_latest_is_the_stores_own_also_when_anothers_is_newer(store, other, directory):
    own = take(store, directory)
    take(other, directory, at=START + timedelta(days=1))

    assert choose(directory.path, store).name == own
    assert choose(directory.path, store, at=START + timedelta(days=9)).name == own


def test_anothers_backup_is_given_when_it_is_named(store, other, directory):
    foreign = take(other, directory)

    entry = choose(directory.path, store, str(foreign))

    assert entry.name == foreign
    assert not is_own(entry, store)


def test_where_only_others_have_backups_one_has_to_be_named(store, other, directory):
    foreign = take(other, directory)

    with pytest.raises(
        BackupNotFoundError, match=rf"no backups of .*jobs.db, and 1 of other stores; name one .*{foreign}"
    ):
        choose(directory.path, store)


def test_without_a_store_the_latest_is_not_guessed_among_several(store, other, directory):
    take(store, directory)
    assert choose(directory.path, None).name.sequence == 1
    take(other, directory)

    with pytest.raises(BackupNotFoundError, match="several stores"):
        choose(directory.path, None)


def test_a_time_gives_the_newest_of_then_or_before(store, directory):
    first, second = take_daily(store, directory, 2)

    assert choose(directory.path, store, at=second.at).name == second
    assert choose(directory.path, store, at=second.at - timedelta(seconds=1)).name == first
    with pytest.raises(BackupNotFoundError, match="or before"):
        choose(directory.path, store, at=first.at - timedelta(seconds=1))


def test_the_latest_is_told_by_its_number_and_not_by_a_clock_that_went_back(store, directory):
    take(store, directory, at=START + timedelta(days=30))
    later = take(store, directory, at=START)

    assert choose(directory.path, store).name == later


def test_only_what_counts_is_the_latest(store, directory):
    good, bad, doubtful = take(store, directory), take(store, directory), take(store, directory, doubt="frozen")
    mark_failed(directory.path, bad, found="a flipped bit", now=START)

    assert choose(directory.path, store).name == good
    assert choose(directory.path, store, str(bad)).found == "a flipped bit"
    assert choose(directory.path, store, str(doubtful)).found == "frozen"


def test_the_states_are_told_without_reading_a_backup(store, directory):
    names = [take(store, directory) for _ in range(7)]
    paths = [directory.path / str(name) for name in names]
    mark_failed(directory.path, names[1], found="x", now=START)
    os.truncate(paths[2], 10)
    (directory.path / names[3].manifest).unlink()
    shutil.copy(directory.path / names[0].manifest, directory.path / names[4].manifest)
    (directory.path / names[5].manifest).write_text("{")
    (directory.path / names[6].manifest).unlink()
    os.mkfifo(directory.path / names[6].manifest)

    assert states(directory, store) == {
        1: "verified",
        2: "failed",
        3: "failed",
        4: "unverified",
        5: "unverified",
        6: "unverified",
        7: "unverified",
    }


def test_a_directory_that_is_not_there_holds_nothing(store, directory):
    assert read_catalogue(directory.path, store) == []
    assert newest_verified([]) is None


def test_garbage_is_neither_listed_nor_touched(store, directory):
    name = take(store, directory)
    outside = directory.path.parent / "outside"
    outside.write_text("x")
    strange = {
        "jobs.db": "x",
        "notes.json": "{}",
        "jobs-20261340T000000Z-0001.db": "no such month",
        "jobs-20260101T000000Z-1.db": "short number",
        "jobs-20260101T000000Z-0009.db.json": '{"mine": true}',
        "jobs-20260101T000000Z-0009.db.xz": "x",
        "other-20260101T000000Z-0002.db": "x",
        "other-20260101T000000Z-0002.db.json": "[]",
    }
    for file, text in strange.items():
        (directory.path / file).write_text(text)
    (directory.path / "jobs-20260101T000000Z-0007.db").symlink_to(outside)
    (directory.path / "jobs-20260101T000000Z-0008.db").mkdir()

    with directory.locked():  # whoever takes it clears what the dead left
        entries = read_catalogue(directory.path, store)

    assert [entry.name for entry in entries] == [name]
    assert {file: (directory.path / file).read_text() for file in strange} == strange
    assert outside.read_text() == "x"


def test_a_manifest_from_before_the_newest_field_is_still_read(store, directory):
    name = take(store, directory)
    path = directory.path / name.manifest
    assert "found" not in json.loads(path.read_text())

    assert states(directory, store) == {1: "verified"}


@pytest.mark.parametrize("change", [{"state": "splendid"}, {"format": 2}, {"bytes": -1}, {"more": 1}])
def test_a_manifest_of_a_form_not_known_here_counts_for_nothing(store, directory, change):
    name = take(store, directory)
    path = directory.path / name.manifest
    path.write_text(json.dumps(json.loads(path.read_text()) | change))

    assert states(directory, store) == {1: "unverified"}


def test_a_pin_is_a_file_beside_the_backup_for_its_owner_alone(store, directory):
    name = take(store, directory)

    pin(directory.path, name, reason="before the upgrade\n", now=START)

    assert is_pinned(directory.path, name)
    assert reason_of(directory.path, name, PINNED) == "before the upgrade\n"
    assert stat.S_IMODE((directory.path / f"{name}{PINNED}").stat().st_mode) == 0o600
    assert read_catalogue(directory.path, store)[0].is_pinned
    assert unpin(directory.path, name)
    assert not unpin(directory.path, name)
    assert not is_pinned(directory.path, name)


@pytest.mark.parametrize("content", [b"", b"{", b'{"reason": 3}', b"\xff" * 70_000])
def test_a_mark_counts_whatever_is_in_it(store, directory, content):
    name = take(store, directory)
    (directory.path / f"{name}{PINNED}").write_bytes(content)

    assert is_pinned(directory.path, name)
    assert reason_of(directory.path, name, PINNED) == ""


def test_a_backup_that_is_gone_is_not_marked(store, directory):
    name = take(store, directory)
    (directory.path / str(name)).unlink()

    mark_failed(directory.path, name, found="x", now=START)

    assert not list(directory.path.glob("*.failed"))


@pytest.mark.parametrize(("sequence", "is_refused"), [(MAX_SEQUENCE - 1, False), (MAX_SEQUENCE, True)])
def test_a_planted_last_number_is_named_and_not_stumbled_over(store, directory, sequence, is_refused):
    directory.prepare()
    planted = directory.path / str(BackupName(sequence, START, "jobs"))
    planted.write_text("")

    if is_refused:
        with pytest.raises(StoreRefusedError, match="last sequence number"):
            take(store, directory)
    else:
        assert take(store, directory).sequence == sequence + 1
