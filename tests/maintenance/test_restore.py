"""A restore puts a proven backup in the store's place, or changes nothing."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import apsw
import pytest

from hyperjobs.errors import BackupDamagedError, StoreInterruptedError, StoreRefusedError
from hyperjobs.maintenance.backup.create import create_backup
from hyperjobs.maintenance.backup.directory import BackupDirectory
from hyperjobs.maintenance.backup.name import BackupName
from hyperjobs.maintenance.publish import publish
from hyperjobs.maintenance.restore.live import restore_live
from hyperjobs.maintenance.restore.staging import staged
from hyperjobs.maintenance.restore.swap import swap
from hyperjobs.store.connection import Connection
from hyperjobs.store.snapshot import Pace
from hyperjobs.testing import FakeClock
from support.holders import execute, held
from support.ledgers import Kept, insert, make_store
from support.turns import stop_after

DEADLINE_S = 60
NOW = FakeClock().now()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = make_store(tmp_path / "jobs.db")
    add(path, *(f"old-{number}" for number in range(50)))
    return path


@pytest.fixture
def directory(tmp_path: Path) -> BackupDirectory:
    return BackupDirectory(tmp_path / "backups")


def add(path: Path, *ids: str) -> None:
    db = apsw.Connection(str(path))
    for job_id in ids:
        insert(db, job_id, "completed")
    db.close()


def ids(path: Path) -> set[str]:
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        return {row[0] for row in db.execute("SELECT id FROM jobs")}
    finally:
        db.close()


def back_up(store: Path, directory: BackupDirectory, compression: str = "none") -> BackupName:
    name = BackupName.parse(
        create_backup(store, directory, clock=FakeClock(), pace=Pace(), compression=compression).name
    )
    assert name is not None
    return name


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_who_opens_the_store_after_it_was_looked_who_has_it_is_found_all_the_same(store, directory, monkeypatch, mode):
    name = back_up(store, directory)
    add(store, "new")
    execute(store, f"PRAGMA journal_mode={mode}")
    late = contextlib.ExitStack()

    def opened_late(path, **options):
        late.enter_context(held(store, "SELECT count(*) FROM jobs"))  # idle: no lock of it is in the way
        return Connection(path, **options)

    with staged(directory.path, name, store) as (database, _), late:
        monkeypatch.setattr("hyperjobs.maintenance.restore.swap.Connection", opened_late)
        with pytest.raises(StoreRefusedError, match="has the store open"):
            swap(database, store, now=NOW)

    assert ids(store) == OLD | {"new"}
    assert not list(store.parent.glob("*before-restore*"))


OLD = {f"old-{number}" for number in range(50)}


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_the_store_is_as_it_was_and_what_replaced_it_is_kept(store, directory, compression):
    name = back_up(store, directory, compression)
    add(store, "new")

    with staged(directory.path, name, store) as (database, manifest):
        kept = swap(database, store, now=NOW)

    assert manifest.jobs == 50
    assert ids(store) == OLD
    assert ids(kept) == OLD | {"new"}
    assert not [path for path in store.parent.iterdir() if "hyperjobs-restore" in path.name]


def test_a_hot_wal_goes_with_the_old_store_and_no_row_of_it_into_the_new(store, directory):
    name = back_up(store, directory)
    crashed = subprocess.run(
        [sys.executable, "-c", _CRASH, str(store)], check=False, timeout=DEADLINE_S, stdin=subprocess.DEVNULL
    )
    assert crashed.returncode != 0
    assert store.with_name("jobs.db-wal").stat().st_size

    with staged(directory.path, name, store) as (database, _):
        kept = swap(database, store, now=NOW)

    assert ids(store) == OLD
    assert ids(kept) == OLD | {"in-the-wal"}


_CRASH = """
import apsw, os, sys
db = apsw.Connection(sys.argv[1])
db.execute("PRAGMA wal_autocheckpoint=0").fetchall()
db.execute("INSERT INTO jobs(id,name,vm_name,vm_path,provider,output_dir,status,created_at)"
           " VALUES('in-the-wal','n','v','p','vsphere','o','completed','2026-01-01 10:00:00+00:00')")
os.abort()
"""


@pytest.mark.parametrize("statements", [["SELECT * FROM jobs"], ["BEGIN IMMEDIATE"], ["BEGIN", "SELECT 1 FROM jobs"]])
def test_a_store_that_another_process_has_open_is_left_alone(store, directory, statements):
    name = back_up(store, directory)
    add(store, "new")

    with (
        held(store, *statements) as pid,
        staged(directory.path, name, store) as (database, _),
        pytest.raises(StoreRefusedError, match=rf"pid {pid} .*--live"),
    ):
        swap(database, store, now=NOW)

    assert ids(store) == OLD | {"new"}
    assert [path.name for path in store.parent.iterdir() if "before-restore" in path.name] == []


def test_a_damaged_store_is_replaced_and_kept_as_it_lies(store, directory):
    name = back_up(store, directory)
    damage = b"damaged" * 1000
    store.write_bytes(damage)

    with staged(directory.path, name, store) as (database, _):
        kept = swap(database, store, now=NOW)

    assert ids(store) == OLD
    assert kept.read_bytes() == damage


def test_a_rename_that_was_done_and_answered_with_an_error_does_not_cost_the_old_store(store, directory, monkeypatch):
    name = back_up(store, directory)
    add(store, "new")
    real = Path.replace

    def replace_and_fail(self, target):
        real(self, target)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with staged(directory.path, name, store) as (database, _):
        monkeypatch.setattr(Path, "replace", replace_and_fail)
        kept = swap(database, store, now=NOW)

    assert ids(store) == OLD
    assert ids(kept) == OLD | {"new"}


def test_an_interrupt_right_after_the_rename_does_not_cost_the_old_store(store, directory, monkeypatch):
    name = back_up(store, directory)
    add(store, "new")
    real = Path.replace

    def replace_and_stop(self, target):
        real(self, target)
        raise KeyboardInterrupt

    with staged(directory.path, name, store) as (database, _):
        monkeypatch.setattr(Path, "replace", replace_and_stop)
        with pytest.raises(KeyboardInterrupt):
            swap(database, store, now=NOW)

    assert ids(store) == OLD
    (kept,) = store.parent.glob("jobs.db.before-restore-*")
    assert ids(kept) == OLD | {"new"}


def test_the_new_file_has_the_mode_of_the_old(store, directory):
    name = back_up(store, directory)
    store.chmod(0o640)

    with staged(directory.path, name, store) as (database, _):
        swap(database, store, now=NOW)

    assert store.stat().st_mode & 0o777 == 0o640


def test_what_litestream_remembers_of_the_old_file_goes_with_it(store, directory):
    name = back_up(store, directory)
    memory = store.with_name(".jobs.db-litestream")
    memory.mkdir()

    with staged(directory.path, name, store) as (database, _):
        kept = swap(database, store, now=NOW)

    assert not memory.exists()
    assert kept.with_name(f".{kept.name}-litestream").is_dir()


def test_a_damaged_backup_changes_nothing(store, directory):
    name = back_up(store, directory)
    file = directory.path / str(name)
    data = bytearray(file.read_bytes())
    data[-10] ^= 1
    file.write_bytes(data)

    with pytest.raises(BackupDamagedError), staged(directory.path, name, store):
        pytest.fail("it was brought out")

    assert ids(store) == OLD
    assert sorted(path.name for path in store.parent.iterdir()) == ["backups", "jobs.db"]


def test_a_new_file_never_takes_the_place_of_one(store, directory, tmp_path):
    name = back_up(store, directory)

    with staged(directory.path, name, tmp_path / "new.db") as (database, _):
        publish(database, tmp_path / "new.db")
    with (
        staged(directory.path, name, tmp_path / "new.db") as (database, _),
        pytest.raises(StoreRefusedError, match="is there already"),
    ):
        publish(database, tmp_path / "new.db")

    assert ids(tmp_path / "new.db") == OLD


def test_a_live_restore_is_seen_by_who_has_the_store_open_and_they_go_on(store, directory):
    name = back_up(store, directory)
    add(store, "new")
    user = apsw.Connection(str(store))
    user.set_busy_timeout(10_000)
    assert user.execute("SELECT count(*) FROM jobs").fetchall() == [(51,)]

    with staged(directory.path, name, store) as (database, _):
        kept = restore_live(database, store, now=NOW)

    assert {row[0] for row in user.execute("SELECT id FROM jobs")} == OLD
    insert(user, "after")
    assert user.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert user.execute("PRAGMA journal_mode").fetchall() == [("wal",)]
    user.close()
    assert ids(store) == OLD | {"after"}
    assert ids(kept) == OLD | {"new"}


def test_a_live_restore_heals_a_store_whose_pages_are_damaged_and_keeps_them(store, directory):
    name = back_up(store, directory)
    data = bytearray(store.read_bytes())
    for start in range(3 * 4096, len(data), 4096):
        data[start + 100 : start + 700] = os.urandom(600)
    store.write_bytes(data)
    user = apsw.Connection(str(store))
    user.set_busy_timeout(10_000)
    with pytest.raises(apsw.CorruptError):
        user.execute("PRAGMA cell_size_check=1; SELECT * FROM jobs").fetchall()

    with staged(directory.path, name, store) as (database, _):
        kept = restore_live(database, store, now=NOW)

    assert {row[0] for row in user.execute("SELECT id FROM jobs")} == OLD
    assert user.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    user.close()
    assert kept.read_bytes()[3 * 4096 :] == data[3 * 4096 :]


def test_a_live_restore_into_a_store_with_a_rollback_journal_switches_it_to_wal(store, directory):
    name = back_up(store, directory)
    add(store, "new")
    user = apsw.Connection(str(store))
    user.set_busy_timeout(10_000)
    assert user.execute("PRAGMA journal_mode=DELETE").fetchall() == [("delete",)]

    with staged(directory.path, name, store) as (database, _):
        kept = restore_live(database, store, now=NOW)

    assert {row[0] for row in user.execute("SELECT id FROM jobs")} == OLD
    insert(user, "after")
    user.close()
    assert ids(store) == OLD | {"after"}
    assert ids(kept) == OLD | {"new"}


def test_a_stop_of_a_live_restore_is_obeyed_until_the_store_is_copied_and_leaves_it_as_it_was(store, directory):
    """Each look at the stop is answered with yes once; what comes after the last look has been done."""
    name = back_up(store, directory)
    add(store, "new", *(f"more-{number}" for number in range(20_000)))
    before = ids(store)
    looks = 0
    with staged(directory.path, name, store) as (database, _):
        while True:
            try:
                kept = restore_live(database, store, now=NOW, is_stopping=stop_after(looks))
            except StoreInterruptedError:
                assert ids(store) == before
                assert [path for path in store.parent.iterdir() if "before-restore" in path.name] == []
                add(store, "new")  # nobody holds its lock
                looks += 1
            else:
                break

    assert looks > 2
    assert ids(store) == OLD
    assert ids(kept) == before


def test_a_stop_ends_a_live_restores_wait_for_a_writer(store, directory):
    name = back_up(store, directory)
    add(store, "new")

    with (
        held(store, "BEGIN IMMEDIATE"),
        staged(directory.path, name, store) as (database, _),
        pytest.raises(StoreInterruptedError),
    ):
        restore_live(database, store, now=NOW, is_stopping=stop_after(30))

    assert ids(store) == OLD | {"new"}
    assert [path for path in store.parent.iterdir() if "before-restore" in path.name] == []


def test_a_writer_at_work_sees_no_error_in_a_live_restore_and_loses_nothing_after_it(store, directory):
    name = back_up(store, directory)
    stop, errors, written = threading.Event(), [], []

    def write() -> None:
        db = apsw.Connection(str(store))
        db.set_busy_timeout(20_000)
        number = 0
        while not stop.is_set():
            number += 1
            try:
                insert(db, f"w-{number}")
                written.append(f"w-{number}")
            except apsw.Error as exc:
                errors.append(exc)
                return
        db.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with staged(directory.path, name, store) as (database, _):
            restore_live(database, store, now=NOW)
        before = len(written)
        while len(written) < before + 20 and not errors:
            stop.wait(0.01)
    finally:
        stop.set()
        writer.join()

    assert errors == []
    assert set(written[before + 1 :]) <= ids(store)
    assert ids(store) >= OLD


def test_counters_do_not_fall_over_a_restore(store, directory, tmp_path):
    kept = Kept(store, tmp_path / "state")
    kept.turn()
    add(store, "counted")
    kept.turn()
    name = back_up(store, directory)
    add(store, "lost")
    kept.turn()
    before = kept.exported()

    with staged(directory.path, name, store) as (database, _):
        restore_live(database, store, now=NOW)
    kept.turn()

    after = kept.exported()
    assert all(after[key] >= value for key, value in before.items())
    assert kept.view().rollup.gauges == {("vsphere", "completed"): 51}
    assert kept.keeper.check_drift() == 0
    kept.stop()


def test_killed_at_any_point_either_store_is_whole_and_a_second_run_completes(store, directory, tmp_path):
    """The restore runs as a command and is killed after a growing number of its system calls that change files."""
    name = back_up(store, directory)
    add(store, "new")
    original = store.read_bytes()
    outcomes = set()
    for step in range(16):
        for path in list(tmp_path.iterdir()):
            if path.name.startswith(("jobs.db", ".jobs.db")) and path.is_file():
                path.unlink()
        store.write_bytes(original)
        killed = subprocess.run(
            [sys.executable, "-c", _KILLED, str(directory.path), str(name), str(store), str(step)],
            check=False,
            timeout=DEADLINE_S,
            capture_output=True,
        )
        found = ids(store)
        assert found in (OLD, OLD | {"new"}), killed.stderr
        outcomes.add((killed.returncode == 0, frozenset(found)))
        with staged(directory.path, name, store) as (database, _):
            swap(database, store, now=NOW.replace(year=2030))
        assert ids(store) == OLD

    assert len(outcomes) == 3  # killed before and after the rename, and not at all


_KILLED = """
import os, signal, sys
from datetime import datetime, UTC
from pathlib import Path
left = int(sys.argv[4])
def counted(call):
    def wrapped(*args, **kwargs):
        global left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        return call(*args, **kwargs)
    return wrapped
from hyperjobs.maintenance.backup.name import BackupName
from hyperjobs.maintenance.restore.staging import staged
from hyperjobs.maintenance.restore.swap import swap
with staged(Path(sys.argv[1]), BackupName.parse(sys.argv[2]), Path(sys.argv[3])) as (database, _):
    for name in ("link", "rename", "replace", "fsync", "fchmod", "close"):
        setattr(os, name, counted(getattr(os, name)))
    swap(database, Path(sys.argv[3]), now=datetime.now(UTC))
    left = -1
"""
