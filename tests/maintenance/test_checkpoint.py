"""The -wal is kept short beside whoever is at work, and who keeps it long is named."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from hyperjobs.errors import StoreFullError
from hyperjobs.maintenance.checkpoint import CheckpointTask
from hyperjobs.maintenance.reserve import Reserve
from hyperjobs.store.connection import Connection
from hyperjobs.store.holder import readers_of
from hyperjobs.store.wal import wal_bytes
from hyperjobs.testing import FakeClock
from support.disks import MIB, fill, small_disk
from support.holders import execute, held
from support.ledgers import make_store
from support.spaces import content_of, turn
from support.stores import script

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hyperjobs.maintenance.task import Report

_WRITE = "INSERT INTO schema_version(version) VALUES((SELECT max(version)+1 FROM schema_version))"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Path]:
    """With a user all along, or the last to close would empty its -wal."""
    path = make_store(tmp_path / "jobs.db")
    with held(path, "SELECT count(*) FROM jobs"):
        execute(path, "PRAGMA wal_autocheckpoint=0", *[_WRITE] * 20)
        yield path


def check(path: Path, **options: Any) -> Report:
    return CheckpointTask(path, **options).run(turn())


def always(_now: object) -> bool:
    return True


@contextlib.contextmanager
def stopped_reader(store: Path) -> Iterator[int]:
    """A process that was stopped in a read transaction, and goes on at the end."""
    with held(store, "BEGIN", "SELECT count(*) FROM jobs") as pid:
        os.kill(pid, signal.SIGSTOP)
        try:
            yield pid
        finally:
            os.kill(pid, signal.SIGCONT)


def test_what_nobody_reads_is_moved_and_the_wal_stays_as_long_as_it_is(store):
    before = wal_bytes(store)

    report = check(store)

    assert report.detail["frames"] == report.detail["moved"] > 0
    assert wal_bytes(store) == before > 0
    assert report.skipped is None


def test_at_its_time_the_wal_is_emptied(store):
    report = check(store, truncate=always)

    assert report.detail["is_emptied"]
    assert wal_bytes(store) == 0


def test_a_dry_run_counts_and_moves_nothing(store):
    task = CheckpointTask(store, truncate=always)

    first, second = (task.run(turn(is_dry=True)).detail for _ in range(2))

    assert first == second
    assert first["moved"] == 0 < first["frames"]
    assert task.is_blocked is None
    assert wal_bytes(store) > 0


def test_a_store_without_a_wal_has_nothing_to_move(tmp_path):
    path = make_store(tmp_path / "jobs.db")
    script(path, "PRAGMA journal_mode=DELETE")

    assert check(path).skipped == "no_wal"


def test_a_reader_that_stays_is_told_after_two_runs_by_its_name_and_until_it_goes(store):
    task = CheckpointTask(store)
    with stopped_reader(store) as pid:
        assert readers_of(store) == [pid]
        execute(store, _WRITE)
        task.run(turn())
        assert task.is_blocked is False  # it could be a short one
        execute(store, _WRITE)

        report = task.run(turn())

        assert task.is_blocked is True
        assert report.detail["is_blocked"] is True
        assert f"still by pid {pid} (" in report.summary
        assert report.detail["moved"] < report.detail["frames"]

    task.run(turn())
    assert task.is_blocked is False


def test_readers_that_come_and_go_do_not_count_as_one_that_stays(store):
    task = CheckpointTask(store)
    for _ in range(3):
        with held(store, "BEGIN", "SELECT count(*) FROM jobs"):
            execute(store, _WRITE)
            assert task.run(turn()).detail["readers"]

        assert task.is_blocked is False


def test_emptying_waits_a_quarter_of_a_second_for_a_reader_and_no_longer(store):
    with stopped_reader(store):
        execute(store, _WRITE)
        started_s = time.monotonic()

        report = check(store, truncate=always)

        assert time.monotonic() - started_s < 2
        assert report.detail["is_emptied"] is False
    assert check(store, truncate=always).detail["is_emptied"] is True


def test_a_writer_stopped_in_its_transaction_does_not_keep_the_run_from_its_end(store):
    with held(store, "BEGIN IMMEDIATE", _WRITE) as pid:
        os.kill(pid, signal.SIGSTOP)
        try:
            report = check(store, truncate=always)
        finally:
            os.kill(pid, signal.SIGCONT)

    assert report.detail["is_emptied"] is False
    assert report.detail["frames"] == report.detail["moved"]


@pytest.mark.parametrize("trace", ["table", "directory"])
def test_beside_litestream_the_wal_is_moved_but_never_emptied(store, trace):
    if trace == "table":
        execute(store, "CREATE TABLE _litestream_seq(id INTEGER PRIMARY KEY, seq INTEGER)")
    else:
        store.with_name(".jobs.db-litestream").mkdir()

    report = check(store, truncate=always)

    assert report.detail["is_replicated"] is True
    assert report.detail["is_emptied"] is False
    assert report.detail["frames"] == report.detail["moved"]
    assert "Litestream" in report.summary
    assert wal_bytes(store) > 0


_NAMED_READER = """
import sys, apsw
open("/proc/self/comm", "w").write(sys.argv[2])
db = apsw.Connection(sys.argv[1])
db.execute("BEGIN"); db.execute("SELECT count(*) FROM jobs").fetchall()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(("name", "is_blocked"), [("litestream", False), ("gowriter", True)])
def test_litestream_always_reads_and_is_no_reader_that_blocks_while_any_other_is(store, name, is_blocked):
    store.with_name(".jobs.db-litestream").mkdir()
    task = CheckpointTask(store)
    reader = subprocess.Popen(
        [sys.executable, "-c", _NAMED_READER, store, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert reader.stdout is not None
    assert reader.stdout.readline() == "held\n"
    execute(store, _WRITE)

    reports = [task.run(turn()) for _ in range(2)]
    reader.communicate(timeout=20)

    assert task.is_blocked is is_blocked
    assert all(f"pid {reader.pid} ({name})" in report.summary for report in reports)


def test_a_file_of_that_name_is_no_litestream(store):
    store.with_name(".jobs.db-litestream").write_text("")

    assert check(store, truncate=always).detail["is_emptied"] is True


# --- a full disk


def fill_by_its_wal(store: Path, disk: Path, *, keep_frames: int) -> None:
    """Write until the disk is full, with nothing moved on the way; then some more never fits."""
    fill(disk, leave_bytes=keep_frames * 4120)
    connection = Connection(store, synchronous="OFF")
    connection.rows("PRAGMA wal_autocheckpoint=0")
    connection.rows("CREATE TABLE IF NOT EXISTS filler(x)")
    with contextlib.suppress(StoreFullError):
        for _ in range(10 * keep_frames):
            connection.change("INSERT INTO filler VALUES(zeroblob(3900))")
    with pytest.raises(StoreFullError):
        connection.change("INSERT INTO filler VALUES(zeroblob(3900))")
    connection.close()


@contextlib.contextmanager
def full_disk(tmp_path: Path, *, reserve_bytes: int) -> Iterator[tuple[Path, Reserve]]:
    """A store whose -wal has filled its disk; a user keeps it open."""
    with small_disk(tmp_path, 32 * MIB) as disk:
        store = make_store(disk / "jobs.db")
        reserve = Reserve(store, reserve_bytes, clock=FakeClock())
        assert reserve.keep() is (reserve_bytes > 0)
        with held(store, "SELECT count(*) FROM jobs"):
            fill_by_its_wal(store, disk, keep_frames=400)
            yield store, reserve


_INSERT = (
    "INSERT INTO jobs VALUES('new','n','vm','/vm','vsphere','/out','pending','2026-01-01 10:00:00+00:00',"
    "NULL,NULL,0.0,'','null','',0,0)"
)


def test_a_disk_that_the_wal_has_filled_is_a_deadlock_without_a_reserve(tmp_path):
    with full_disk(tmp_path, reserve_bytes=0) as (store, reserve):
        connection = Connection(store)
        for statement in (_INSERT, "DELETE FROM filler"):
            with pytest.raises(StoreFullError):
                connection.change(statement)
        connection.close()

        with pytest.raises(StoreFullError, match="without a reserve") as told:
            check(store, reserve=reserve)

        assert told.value.exit_code == 5


def test_the_reserve_gets_a_store_off_a_disk_that_its_wal_has_filled(tmp_path):
    with full_disk(tmp_path, reserve_bytes=4 * MIB) as (store, reserve):
        assert wal_bytes(store) > MIB

        with pytest.raises(StoreFullError, match=r"reserve was let go and the -wal \([\d.]+ MiB\) moved") as told:
            check(store, reserve=reserve)

        assert told.value.reason == "no_space"
        assert not reserve.is_held
        assert wal_bytes(store) == 0
        execute(store, _INSERT, "DELETE FROM filler WHERE rowid%2")
        assert content_of(store).jobs == 1


def test_beside_litestream_a_wal_that_has_filled_the_disk_is_moved_and_never_emptied(tmp_path):
    with full_disk(tmp_path, reserve_bytes=4 * MIB) as (store, reserve):
        store.with_name(f".{store.name}-litestream").mkdir()
        before = wal_bytes(store)

        with pytest.raises(StoreFullError, match="reserve was let go"):
            check(store, reserve=reserve, truncate=always)

        assert wal_bytes(store) == before > MIB
        assert check(store).detail["moved"] > 0
        execute(store, _INSERT)
        assert content_of(store).jobs == 1


def test_the_reserve_is_let_go_before_a_store_is_opened_that_finds_no_room_to_open(tmp_path):
    """As after a crash: nobody has it open, and its -shm has to be made anew."""
    with small_disk(tmp_path, 32 * MIB) as disk:
        store = make_store(disk / "jobs.db")
        reserve = Reserve(store, 4 * MIB, clock=FakeClock())
        reserve.keep()
        fill_by_its_wal(store, disk, keep_frames=400)
        store.with_name("jobs.db-shm").unlink(missing_ok=True)
        (disk / "ballast").rename(disk / "ballast-1")
        fill(disk, leave_bytes=0)
        with pytest.raises(StoreFullError, match="no space left on its disk for its -shm"):
            Connection(store)

        with pytest.raises(StoreFullError, match="reserve was let go"):
            check(store, reserve=reserve)

        execute(store, _INSERT)
        assert content_of(store).jobs == 1


def test_a_reserve_that_is_too_small_is_told_so(tmp_path):
    with full_disk(tmp_path, reserve_bytes=65_536) as (store, reserve):
        with pytest.raises(StoreFullError, match="too small"):
            check(store, reserve=reserve)

        assert content_of(store).jobs == 0


def test_a_disk_with_room_again_gets_its_reserve_back(tmp_path):
    with full_disk(tmp_path, reserve_bytes=4 * MIB) as (store, _):
        clock = FakeClock()
        reserve = Reserve(store, 4 * MIB, clock=clock)
        with pytest.raises(StoreFullError):
            check(store, reserve=reserve)
        store.with_name("ballast").unlink()
        clock.advance(61)

        check(store, reserve=reserve)

        assert reserve.is_held
