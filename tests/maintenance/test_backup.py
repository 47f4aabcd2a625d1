"""A backup is a moment of the store, proven, or it is not there."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import stat
import subprocess
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import apsw
import pytest

from hyperjobs.errors import (
    BackupDamagedError,
    BackupRunningError,
    StoreError,
    StoreFullError,
    StoreInterruptedError,
    StorePermissionError,
    StoreRefusedError,
)
from hyperjobs.maintenance.backup import create
from hyperjobs.maintenance.backup.catalogue import newest_verified, read_catalogue
from hyperjobs.maintenance.backup.create import create_backup
from hyperjobs.maintenance.backup.directory import BackupDirectory
from hyperjobs.maintenance.backup.manifest import read_manifest
from hyperjobs.maintenance.backup.name import BackupName
from hyperjobs.maintenance.backup.proof import verify
from hyperjobs.maintenance.room import require_room
from hyperjobs.store.snapshot import Pace
from hyperjobs.testing import FakeClock
from support.ledgers import insert, make_store

if TYPE_CHECKING:
    from pathlib import Path

DEADLINE_S = 60


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = make_store(tmp_path / "jobs.db")
    db = apsw.Connection(str(path))
    for number in range(200):
        insert(db, f"job-{number}", "completed", size=number)
    db.close()
    return path


@pytest.fixture
def directory(tmp_path: Path) -> BackupDirectory:
    return BackupDirectory(tmp_path / "backups")


def take(store: Path, directory: BackupDirectory, **options: object) -> BackupName:
    options = {"clock": FakeClock(), "pace": Pace(), "compression": "none", **options}
    name = BackupName.parse(create_backup(store, directory, **options).name)
    assert name is not None
    return name


def _entries(directory: BackupDirectory) -> list[str]:
    return [path.name for path in directory.path.iterdir()]


def left_over(directory: BackupDirectory) -> list[str]:
    return [name for name in _entries(directory) if name.startswith(".hyperjobs-tmp")]


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_a_backup_holds_the_jobs_of_the_store_and_verifies(store, directory, compression):
    name = take(store, directory, compression=compression)

    manifest = verify(directory.path, name)

    assert manifest.jobs == 200
    assert sorted(_entries(directory)) == [".hyperjobs-backup.lock", str(name), name.manifest]


def test_an_uncompressed_backup_is_a_database_that_needs_no_wal(store, directory):
    name = take(store, directory)

    db = apsw.Connection(str(directory.path / str(name)), flags=apsw.SQLITE_OPEN_READONLY)
    jobs = db.execute("SELECT count(*) FROM jobs").fetchall()
    db.close()

    assert jobs == [(200,)]
    assert not [entry for entry in _entries(directory) if entry.endswith(("-wal", "-shm"))]


def test_backups_are_readable_by_their_owner_alone(store, directory):
    old = os.umask(0)
    try:
        name = take(store, directory)
    finally:
        os.umask(old)

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.path.iterdir()}
    assert stat.S_IMODE(directory.path.stat().st_mode) == 0o700
    assert modes == {".hyperjobs-backup.lock": 0o600, str(name): 0o600, name.manifest: 0o600}


def test_two_backups_of_the_same_second_have_two_names(store, directory):
    clock = FakeClock()

    first, second = take(store, directory, clock=clock), take(store, directory, clock=clock)

    assert (first.sequence, second.sequence) == (1, 2)
    assert first.at == second.at
    assert directory.names() == [first, second]


def test_a_backup_beside_a_busy_writer_ends_and_is_one_moment(store, directory):
    """A job and its twin are written in one transaction, so no moment has one without the other."""
    stop = threading.Event()

    def write() -> None:
        db = apsw.Connection(str(store))
        db.set_busy_timeout(10_000)
        number = 0
        while not stop.is_set():
            number += 1
            with db:
                insert(db, f"a-{number}")
                insert(db, f"b-{number}")
        db.close()

    writer = threading.Thread(target=write)
    steps: list[int] = []
    writer.start()
    try:
        # a few pages at a time, so that many commits fall into the copy
        name = take(store, directory, pace=Pace(pages=1, progress=lambda done, _all: steps.append(done)))
    finally:
        stop.set()
        writer.join()

    assert steps == sorted(steps)  # never begun anew
    db = apsw.Connection(str(directory.path / str(name)), flags=apsw.SQLITE_OPEN_READONLY)
    pairs = db.execute("SELECT substr(id,1,1),count(*) FROM jobs WHERE id LIKE '_-%' GROUP BY 1").fetchall()
    db.close()
    assert len({count for _, count in pairs}) <= 1


def test_the_digest_is_of_the_jobs_and_not_of_their_places_in_the_file(store, directory):
    first = take(store, directory)
    db = apsw.Connection(str(store))
    db.execute("DELETE FROM jobs WHERE id='job-7'")
    insert(db, "job-7", "completed", size=7)
    db.execute("VACUUM")
    db.close()

    second = take(store, directory)

    digests = {read_manifest(directory.path / name.manifest).digest for name in (first, second)}
    assert len(digests) == 1


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE jobs SET total_size=total_size+1 WHERE id='job-7'",
        "UPDATE jobs SET total_size=CAST(total_size AS TEXT) WHERE id='job-7'; UPDATE jobs SET total_size=CAST('7' AS BLOB) WHERE id='job-7'",
        "UPDATE jobs SET error=CAST(X'FF' AS TEXT) WHERE id='job-7'",
        "UPDATE jobs SET error=char(0,65) WHERE id='job-7'",
        "DELETE FROM jobs WHERE id='job-7'",
    ],
)
def test_the_digest_tells_any_change_of_a_job(store, directory, change):
    first = take(store, directory)
    db = apsw.Connection(str(store))
    db.execute(change)
    db.close()

    second = take(store, directory)

    digests = {read_manifest(directory.path / name.manifest).digest for name in (first, second)}
    assert len(digests) == 2


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _set(manifest: Path, **values: object) -> None:
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | values))


_HARM = {
    "a flipped bit": lambda file, _: _flip(file),
    "a lost end": lambda file, _: os.truncate(file, file.stat().st_size - 4096),
    "an emptied file": lambda file, _: os.truncate(file, 0),
    "a lost file": lambda file, _: file.unlink(),
    "a lost manifest": lambda _, manifest: manifest.unlink(),
    "an emptied manifest": lambda _, manifest: os.truncate(manifest, 0),
    "a manifest of another count": lambda _, manifest: _set(manifest, jobs=199),
    "a manifest of another digest": lambda _, manifest: _set(manifest, digest="0" * 64),
    "a manifest of another name": lambda _, manifest: _set(manifest, name="jobs-20200101T000000Z-0001.db"),
    "a manifest of another type": lambda _, manifest: _set(manifest, jobs="200"),
    "a manifest with another field": lambda _, manifest: _set(manifest, more=1),
    "a manifest that is a list": lambda _, manifest: manifest.write_text("[]"),
    "a manifest of deep nesting": lambda _, manifest: manifest.write_text("[" * 60_000),
}


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
@pytest.mark.parametrize("harm", _HARM)
def test_a_harmed_backup_does_not_verify(store, directory, harm, compression):
    name = take(store, directory, compression=compression)
    _HARM[harm](directory.path / str(name), directory.path / name.manifest)

    with pytest.raises(BackupDamagedError):
        verify(directory.path, name)


def test_two_backups_with_their_manifests_swapped_do_not_verify(store, directory):
    first, second = take(store, directory), take(store, directory)
    one, other = (directory.path / name.manifest for name in (first, second))
    texts = one.read_text(), other.read_text()
    one.write_text(texts[1])
    other.write_text(texts[0])

    for name in (first, second):
        with pytest.raises(BackupDamagedError, match="manifest beside it is of"):
            verify(directory.path, name)


def harm(store: Path) -> None:
    """Overwrite a page of the table; the file stays one that SQLite opens."""
    apsw.Connection(str(store)).close()
    data = bytearray(store.read_bytes())
    data[3 * 4096 : 4 * 4096] = os.urandom(4096)
    store.write_bytes(data)


def harm_cells(store):
    """Inside of pages whose heads are whole: SQLite meets it in the middle of a statement."""
    data = bytearray(store.read_bytes())
    for start in range(3 * 4096, len(data), 4096):
        data[start + 100 : start + 700] = os.urandom(600)
    store.write_bytes(data)


@pytest.mark.parametrize("harm", [harm, harm_cells], ids=["a page", "cells"])
@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_the_copy_of_a_damaged_store_is_kept_and_counts_for_nothing(store, directory, compression, harm):
    good = take(store, directory)
    harm(store)

    with pytest.raises(BackupDamagedError, match="marked damaged") as refused:
        take(store, directory, compression=compression)

    kept = directory.names()[-1]
    entries = read_catalogue(directory.path, store)
    assert refused.value.exit_code == 3
    assert [(entry.name.sequence, str(entry.state)) for entry in entries] == [(1, "verified"), (2, "damaged")]
    assert entries[1].found
    assert newest_verified(entries) == entries[0]
    assert verify(directory.path, good).jobs == 200
    with pytest.raises(BackupDamagedError, match="taken of a damaged store"):
        verify(directory.path, kept)
    assert left_over(directory) == []


def test_of_one_trouble_three_copies_are_kept_and_no_more(store, directory):
    take(store, directory)
    harm(store)

    for _ in range(3):
        with pytest.raises(BackupDamagedError, match="it was kept as"):
            take(store, directory)
    with pytest.raises(BackupDamagedError, match="so this one was not"):
        take(store, directory)

    assert [str(entry.state) for entry in read_catalogue(directory.path, store)] == ["verified", *["damaged"] * 3]
    assert left_over(directory) == []


def test_after_a_good_backup_a_new_trouble_has_its_own_three(store, directory):
    for _ in range(3):
        take(store, directory, doubt="frozen")
    with pytest.raises(StoreRefusedError, match="unfreeze"):
        take(store, directory, doubt="frozen")

    take(store, directory)

    assert take(store, directory, doubt="frozen").sequence == 5


def test_a_backup_of_a_store_in_doubt_verifies_and_does_not_count(store, directory):
    name = take(store, directory, doubt="the store was frozen")

    [entry] = read_catalogue(directory.path, store)

    assert (str(entry.state), entry.found) == ("damaged", "the store was frozen")
    assert verify(directory.path, name).jobs == 200


def test_a_stop_leaves_nothing(store, directory):
    with pytest.raises(StoreInterruptedError):
        take(store, directory, pace=Pace(pages=1, is_stopping=lambda: True))

    assert _entries(directory) == [".hyperjobs-backup.lock"]


def test_a_second_backup_at_the_same_time_is_refused_with_the_name_of_the_first(store, directory):
    directory.prepare()
    with directory.locked(), pytest.raises(BackupRunningError, match=rf"pid {os.getpid()} on "):
        take(store, directory)

    assert take(store, directory).sequence == 1


@pytest.mark.parametrize(
    ("number", "error"), [(errno.ENOSPC, StoreFullError), (errno.EDQUOT, StoreFullError), (errno.EIO, StoreError)]
)
@pytest.mark.parametrize("point", ["pack", "file_sha256", "write_new"])
def test_a_disk_that_fails_on_the_way_leaves_nothing_and_keeps_what_was_there(  # noqa: PLR0913, PLR0917 - what fails, where, and what of it
    store, directory, monkeypatch, number, error, point
):
    good = take(store, directory)

    def fail(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(create, point, fail)
    with pytest.raises(error, match="nothing of it was kept"):
        take(store, directory, compression="zstd")

    assert sorted(_entries(directory)) == [".hyperjobs-backup.lock", str(good), good.manifest]


def test_a_killed_readers_directory_is_cleared_and_a_living_ones_is_not(directory):
    directory.prepare()
    (directory.path / ".hyperjobs-read-killed").mkdir()

    with directory.scratch() as living, directory.locked():
        assert [path for path in directory.path.iterdir() if path.is_dir()] == [living]

    assert _entries(directory) == [".hyperjobs-backup.lock"]


def test_a_disk_without_room_is_told_from_one_with(tmp_path):
    with pytest.raises(StoreFullError, match=r"a backup needs .* MiB, .* MiB are free"):
        require_room(tmp_path, 10**18, "a backup")
    require_room(tmp_path, 1, "a backup")


@pytest.mark.parametrize(("mode", "is_refused"), [(0o770, True), (0o702, True), (0o750, False), (0o700, False)])
def test_a_directory_that_others_may_write_to_is_refused(store, directory, mode, is_refused):
    directory.path.mkdir()
    directory.path.chmod(mode)

    if is_refused:
        with pytest.raises(StoreRefusedError, match="chmod"):
            take(store, directory)
    else:
        assert take(store, directory).sequence == 1


def test_a_directory_that_is_a_file_is_refused(store, directory):
    directory.path.write_text("")

    with pytest.raises(StorePermissionError, match="is a file"):
        take(store, directory)


def test_files_of_others_in_the_directory_are_left_alone(store, directory):
    directory.prepare()
    strange = ["jobs.db", "notes.json", "jobs-20261340T000000Z-0001.db", "jobs-20260101T000000Z-1.db", ".hidden"]
    for name in strange:
        (directory.path / name).write_text(name)

    take(store, directory)

    assert all((directory.path / name).read_text() == name for name in strange)
    assert len(directory.names()) == 1


def in_the_middle(store: Path, directory: BackupDirectory) -> subprocess.Popen[bytes]:
    """The command in a process of its own, with its copy begun and far from done."""
    words = ["backup", "create", "--store", str(store), "--dir", str(directory.path), "--pages", "1", "--pause", "5000"]
    process = subprocess.Popen(
        [sys.executable, "-m", "hyperjobs", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    while not (directory.path.exists() and left_over(directory)):
        assert process.poll() is None, process.stderr.read()
    return process


def test_the_leftovers_of_a_killed_backup_are_cleared_by_the_next(store, directory):
    process = in_the_middle(store, directory)
    process.kill()
    process.communicate(timeout=DEADLINE_S)
    gone = take(store, directory)
    (directory.path / str(gone)).unlink()  # as if killed between the two
    (directory.path / f"{gone}.pinned").write_text("")
    strange = directory.path / replace(_a_name(), sequence=9).manifest
    strange.write_text("{}")

    name = take(store, directory)

    assert left_over(directory) == []
    assert sorted(_entries(directory)) == sorted([".hyperjobs-backup.lock", str(name), name.manifest, strange.name])
    assert verify(directory.path, name).jobs == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_command_that_is_told_to_stop_leaves_nothing_and_says_how_it_ended(store, directory, number):
    process = in_the_middle(store, directory)
    process.send_signal(number)
    _, err = process.communicate(timeout=DEADLINE_S)

    assert process.returncode == 128 + number
    assert b"Traceback" not in err
    assert _entries(directory) == [".hyperjobs-backup.lock"]


def test_the_lock_is_free_once_its_holder_is_gone(store, directory):
    take(store, directory)

    with (directory.path / ".hyperjobs-backup.lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _a_name() -> BackupName:
    name = BackupName.parse("jobs-20260101T000000Z-0001.db")
    assert name is not None
    return name


def test_a_directory_that_a_link_on_the_way_leads_to_is_as_good_as_any(store, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")

    name = take(store, BackupDirectory(tmp_path / "link" / "backups"))

    assert verify(tmp_path / "disk" / "backups", name).jobs == 200
