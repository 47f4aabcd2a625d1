"""Free pages go back the way that pays, no row is touched, and what cannot be done now is said in a word."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from hyperjobs.errors import (
    NotAJobStoreError,
    StoreBusyError,
    StoreFullError,
    StoreInterruptedError,
    StoreReadOnlyError,
)
from hyperjobs.maintenance.vacuum import full, incremental
from hyperjobs.maintenance.vacuum.outcome import RECLAIMED
from hyperjobs.maintenance.vacuum.task import VacuumTask
from hyperjobs.store.connection import Connection
from hyperjobs.store.space import AutoVacuum
from support.disks import MIB, fill, free_bytes, remount_read_only, small_disk
from support.holders import execute, held
from support.ledgers import make_store
from support.spaces import content_of, roomy_store, space_of, turn
from support.stores import script
from support.turns import stop_after

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hyperjobs.maintenance.task import Report

_WAITS_S = 20.0


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return roomy_store(tmp_path / "jobs.db")


@pytest.fixture
def old_store(tmp_path: Path) -> Path:
    """As hypersdk's own client makes it: it can only be written anew."""
    return roomy_store(tmp_path / "jobs.db", auto_vacuum="NONE")


def vacuum(path: Path, *, is_dry: bool = False, **options: Any) -> Report:
    return VacuumTask(path, **options).run(turn(is_dry=is_dry))


def snapshot(path: Path) -> tuple[object, int]:
    return space_of(path), path.stat().st_size


def test_free_pages_of_a_store_that_allows_it_go_back_in_steps(store):
    before, jobs = space_of(store), content_of(store)

    report = vacuum(store)

    after = space_of(store)
    assert report.detail["method"] == "incremental"
    assert after.free_pages == 0
    assert report.counts == {RECLAIMED: (before.pages - after.pages) * before.page_size_bytes}
    assert store.stat().st_size == after.size_bytes < before.size_bytes
    assert content_of(store) == jobs


def test_what_is_counted_is_what_went_back_and_not_what_a_writer_adds_meanwhile(store):
    before = space_of(store)
    added = threading.Event()

    def progress(*_: object) -> None:
        if not added.is_set():
            added.set()
            execute(store, "CREATE TABLE other(x)", "INSERT INTO other VALUES(zeroblob(2000000))")

    report = VacuumTask(store).run(turn(progress=progress))

    assert added.is_set()
    assert 0 < report.counts[RECLAIMED] <= before.free_bytes


def test_an_old_store_is_written_anew_inside_its_window(old_store):
    before, jobs = space_of(old_store), content_of(old_store)

    report = vacuum(old_store)

    after = space_of(old_store)
    assert report.detail["method"] == "full"
    assert report.detail["mb_per_second"] > 0
    assert report.counts == {RECLAIMED: (before.pages - after.pages) * before.page_size_bytes}
    assert after.free_pages == 0
    assert after.auto_vacuum is AutoVacuum.NONE
    assert old_store.stat().st_size == after.size_bytes < before.size_bytes
    assert after.wal_bytes == 0
    assert content_of(old_store) == jobs


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"mode": "none"}, "mode_none"),
        ({"min_free": 0.9}, "below_min_free"),
        ({"is_in_window": lambda _now: False}, "outside_window"),
        ({"mode": "incremental"}, "not_incremental"),
        ({"speed": lambda: 0.01}, "blocks_too_long"),
    ],
)
def test_what_does_not_pay_now_is_left_and_its_reason_is_a_word(old_store, options, reason):
    before = snapshot(old_store)

    report = vacuum(old_store, **options)

    assert report.skipped == reason
    assert report.counts == {}
    assert snapshot(old_store) == before


def test_a_store_without_free_pages_is_left(tmp_path):
    assert vacuum(make_store(tmp_path / "jobs.db")).skipped == "nothing_to_free"


def test_a_person_who_has_seen_the_cost_may_have_it_outside_the_window(old_store):
    refused = {"is_in_window": lambda _now: False, "min_free": 0.9, "speed": lambda: 0.01}

    assert vacuum(old_store, **refused, is_forced=True).skipped is None
    assert space_of(old_store).free_pages == 0


@pytest.mark.parametrize("auto_vacuum", ["INCREMENTAL", "NONE"])
def test_a_dry_run_says_what_it_would_cost_and_changes_nothing(tmp_path, auto_vacuum):
    store = roomy_store(tmp_path / "jobs.db", auto_vacuum=auto_vacuum)
    before = snapshot(store)

    report = vacuum(store, is_dry=True)

    assert report.skipped is None
    assert report.detail["predicted_gain_bytes"] == space_of(store).free_bytes
    assert report.detail["room_bytes"] > 0
    assert report.summary.startswith("would run ")
    assert snapshot(store) == before


def test_a_store_that_neither_hypersdk_nor_its_daemon_made_is_refused(tmp_path):
    script(tmp_path / "other.db", "CREATE TABLE t(x)", "INSERT INTO t VALUES(1)")

    with pytest.raises(NotAJobStoreError):
        vacuum(tmp_path / "other.db")


# --- converting


def test_a_converted_store_loses_its_free_pages_in_steps_from_then_on(old_store):
    jobs = content_of(old_store)

    report = vacuum(old_store, mode="convert")

    assert report.skipped is None
    assert space_of(old_store).auto_vacuum is AutoVacuum.INCREMENTAL
    assert content_of(old_store) == jobs
    script(old_store, "DELETE FROM jobs WHERE rowid%3")
    assert vacuum(old_store).detail["method"] == "incremental"
    assert space_of(old_store).free_pages == 0
    assert vacuum(old_store, mode="convert").skipped == "already_incremental"


@pytest.mark.parametrize(("is_forced", "reason"), [(False, "outside_window"), (True, None)])
def test_converting_waits_for_the_window_unless_a_person_insists(old_store, is_forced, reason):
    report = vacuum(old_store, mode="convert", is_in_window=lambda _now: False, is_forced=is_forced)

    assert report.skipped == reason
    assert (space_of(old_store).auto_vacuum is AutoVacuum.INCREMENTAL) is is_forced


def test_a_store_that_frees_by_itself_is_converted_without_being_written(tmp_path):
    store = roomy_store(tmp_path / "jobs.db", auto_vacuum="FULL")
    before = store.stat().st_size

    report = vacuum(store, mode="convert", is_in_window=lambda _now: False)

    assert report.skipped is None
    assert space_of(store).auto_vacuum is AutoVacuum.INCREMENTAL
    assert store.stat().st_size == before


_OLDER_WRITER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=20, isolation_level=None)
db.execute("SELECT count(*) FROM jobs").fetchall()
print("ready", flush=True)
number = 0
for line in sys.stdin:
    for _ in range(50):
        number += 1
        row = (f"older-{number}", "n", "vm", "/vm", "vsphere", "/out", "completed", "2026-01-01 10:00:00+00:00",
               None, None, 0.0, "x" * (number * 97 % 5000), "null", "", 0, 0)
        db.execute("INSERT OR REPLACE INTO jobs VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", row)
    print(number, db.execute("SELECT count(*) FROM jobs WHERE id LIKE 'older-%'").fetchall()[0][0], flush=True)
"""


@contextlib.contextmanager
def older_writer(store: Path) -> Iterator[subprocess.Popen[str]]:
    """The system's own, older SQLite, as a program that has had the store open all along."""
    process = subprocess.Popen(
        [sys.executable, "-c", _OLDER_WRITER, store], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    try:
        yield process
    finally:
        process.communicate(timeout=_WAITS_S)


def write_some(process: subprocess.Popen[str]) -> int:
    """Fifty more rows; returns how many there are, which are all it wrote."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    written, seen = map(int, process.stdout.readline().split())
    assert seen == written
    return written


def test_a_writer_with_an_older_sqlite_that_stays_connected_is_right_after_each_kind(old_store):
    """It learns from the file's header that pages lie elsewhere, and that some of them are maps of pages now."""
    with older_writer(old_store) as writer:
        write_some(writer)
        for mode in ("full", "convert", "incremental"):
            execute(old_store, "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs ORDER BY id LIMIT 1500)")
            assert vacuum(old_store, mode=mode, min_free=0.0).skipped is None, mode
            written = write_some(writer)

        jobs = content_of(old_store).jobs
    assert written == 200
    assert jobs > 200


# --- others at work on the store


_STOPPED = """
import apsw, sys
db = apsw.Connection(sys.argv[1])
db.execute("BEGIN IMMEDIATE")
db.execute("UPDATE jobs SET user='late'")
print("held", flush=True)
sys.stdin.read()
db.execute("COMMIT")
db.close()
"""


@pytest.mark.parametrize("auto_vacuum", ["INCREMENTAL", "NONE"])
def test_a_writer_stopped_in_its_transaction_makes_it_busy_and_its_commit_is_there_later(tmp_path, auto_vacuum):
    store = roomy_store(tmp_path / "jobs.db", auto_vacuum=auto_vacuum)
    writer = subprocess.Popen(
        [sys.executable, "-c", _STOPPED, store], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == "held\n"
    os.kill(writer.pid, signal.SIGSTOP)
    try:
        with pytest.raises(StoreBusyError, match=rf"pid {writer.pid} ") as busy:
            vacuum(store)
    finally:
        os.kill(writer.pid, signal.SIGCONT)
    writer.communicate(timeout=_WAITS_S)

    assert busy.value.exit_code == 4
    assert writer.returncode == 0
    connection = Connection(store, read_only=True)
    assert connection.rows("SELECT DISTINCT user FROM jobs") == [("late",)]
    connection.close()
    assert vacuum(store).skipped is None


def test_a_store_with_a_reader_in_its_transaction_is_not_written_anew_for_nothing(old_store):
    before = space_of(old_store).pages
    with held(old_store, "BEGIN", "SELECT count(*) FROM jobs") as reader:
        execute(
            old_store, "UPDATE jobs SET user='x' WHERE rowid%50=0"
        )  # so that the reader needs what lies in the -wal

        report = vacuum(old_store)

    assert report.skipped == "busy_readers"
    assert f"pid {reader} " in report.summary
    assert space_of(old_store).pages == before
    assert vacuum(old_store).skipped is None


def test_steps_end_early_where_a_reader_would_let_the_wal_grow_without_bound(tmp_path, monkeypatch):
    store = roomy_store(tmp_path / "jobs.db", jobs=40_000)
    monkeypatch.setattr(incremental, "INCREMENTAL_WAL_BYTES", 100_000)
    before = space_of(store)
    with held(store, "BEGIN", "SELECT count(*) FROM jobs") as reader:
        execute(store, "UPDATE jobs SET user='x' WHERE rowid%50=0")

        report = vacuum(store)

        assert report.detail["is_held_up"]
        assert f"pid {reader} " in report.summary
        assert 0 < report.counts[RECLAIMED] < before.free_bytes
    assert vacuum(store).skipped in {None, "below_min_free"}


def test_a_store_that_litestream_ships_is_written_anew_only_on_request(old_store):
    old_store.with_name(".jobs.db-litestream").mkdir()

    assert vacuum(old_store).skipped == "litestream"
    assert vacuum(old_store, mode="full").skipped is None
    assert space_of(old_store).free_pages == 0


def test_a_store_that_litestream_ships_still_loses_its_free_pages_in_steps(store):
    execute(store, "CREATE TABLE _litestream_seq(id INTEGER PRIMARY KEY, seq INTEGER)")

    assert vacuum(store).detail["method"] == "incremental"
    assert space_of(store).free_pages == 0


# --- stops and limits


def test_a_stop_in_the_middle_of_a_full_vacuum_is_obeyed_and_leaves_the_store_as_it_was(old_store):
    jobs, before = content_of(old_store), space_of(old_store).pages
    stopping = threading.Event()
    task = VacuumTask(old_store)

    with pytest.raises(StoreInterruptedError):
        task.run(turn(is_stopping=stopping.is_set, progress=lambda *_: stopping.set()))

    assert content_of(old_store) == jobs
    assert space_of(old_store).pages == before
    assert space_of(old_store).wal_bytes == 0


def test_a_stop_between_two_steps_keeps_what_was_freed(store):
    jobs, before = content_of(store), space_of(store)
    stopping = threading.Event()

    with pytest.raises(StoreInterruptedError):
        VacuumTask(store).run(turn(is_stopping=stopping.is_set, progress=lambda *_: stopping.set()))

    freed = before.free_pages - space_of(store).free_pages
    assert freed == incremental.STEP_PAGES
    assert content_of(store) == jobs


def test_what_was_freed_before_a_stop_is_counted_and_in_the_record(store):
    stopping, told = threading.Event(), []
    steps = 3

    def progress(_what: str, freed: int, _all: int) -> None:
        if freed == steps * incremental.STEP_PAGES:
            stopping.set()

    with pytest.raises(StoreInterruptedError):
        VacuumTask(store).run(turn(is_stopping=stopping.is_set, progress=progress, partly=told.append))

    [report] = told
    freed_bytes = steps * incremental.STEP_PAGES * space_of(store).page_size_bytes
    assert report.counts == {RECLAIMED: freed_bytes}
    assert report.detail["reclaimed_bytes"] == freed_bytes
    assert report.summary.endswith("given back; ended before all was free; the next run goes on")


def test_a_stop_before_the_first_step_counts_nothing(store):
    told = []

    with held(store, "BEGIN IMMEDIATE"), pytest.raises(StoreInterruptedError):
        VacuumTask(store).run(turn(is_stopping=stop_after(3), partly=told.append))

    assert told == []


def test_what_was_predicted_to_be_short_and_is_not_is_given_up_before_the_writers_do(old_store):
    jobs, before = content_of(old_store), space_of(old_store).pages

    report = vacuum(old_store, speed=lambda: 1e12, longest_block_s=0.001)

    assert report.skipped == "blocks_too_long"
    assert content_of(old_store) == jobs
    assert space_of(old_store).pages == before
    # it has learned, and does not even try the next time
    learned = report.detail["mb_per_second"]
    again = vacuum(old_store, speed=lambda: learned, longest_block_s=0.001)
    assert again.skipped == "blocks_too_long"
    assert "blocked_seconds" not in again.detail


# --- disks


@pytest.mark.parametrize("auto_vacuum", ["INCREMENTAL", "NONE"])
@pytest.mark.parametrize("has_room", [False, True])
def test_without_room_it_does_not_even_begin_and_writers_go_on(tmp_path, auto_vacuum, has_room):
    with small_disk(tmp_path, 64 * MIB) as disk:
        store = roomy_store(disk / "jobs.db", auto_vacuum=auto_vacuum)
        jobs = content_of(store)
        needed = vacuum(store, is_dry=True).detail["room_bytes"] + 16 * MIB
        fill(disk, leave_bytes=needed + 65_536 if has_room else needed - 4096)  # its -shm and first frames

        if has_room:
            assert vacuum(store).skipped is None
        else:
            assert vacuum(store, is_dry=True).skipped == "no_room"
            with pytest.raises(StoreFullError, match=r"needs [\d.,]+ MiB, [\d.,]+ MiB are free") as refused:
                vacuum(store)
            assert refused.value.exit_code == 5
        execute(store, "UPDATE jobs SET user='daemon' WHERE id='job-011999'")

        assert content_of(store).jobs == jobs.jobs


def test_a_disk_that_fills_up_in_the_middle_leaves_the_store_whole_and_its_writers_at_work(tmp_path):
    with small_disk(tmp_path, 64 * MIB) as disk:
        store = roomy_store(disk / "jobs.db", jobs=40_000, auto_vacuum="NONE")
        jobs = content_of(store)
        fill(disk, leave_bytes=space_of(store).used_bytes * 3 // 2)  # the copy has room, what is written back has not
        connection = Connection(store)

        with pytest.raises(StoreFullError):
            full.rewrite(connection)
        full.give_back_wal(connection, turn().wait, is_replicated=False)
        connection.close()

        assert free_bytes(disk) > MIB
        assert content_of(store) == jobs
        execute(store, "UPDATE jobs SET user='daemon' WHERE id='job-039999'")


def test_the_copy_of_a_vacuum_lies_on_the_disk_that_was_asked_for_room(tmp_path):
    """Elsewhere it could fill /tmp, which is memory on many machines."""
    store = roomy_store(tmp_path / "jobs.db", jobs=40_000, auto_vacuum="NONE")
    code = (
        "import sys; from pathlib import Path; from support.spaces import turn\n"
        "from hyperjobs.maintenance.vacuum.task import VacuumTask\n"
        "print(VacuumTask(Path(sys.argv[1])).run(turn()).skipped)"
    )
    with small_disk(tmp_path, MIB) as disk:
        environment = {**os.environ, "SQLITE_TMPDIR": str(disk), "TMPDIR": str(disk)}
        environment["PYTHONPATH"] = os.pathsep.join(sys.path)
        ended = subprocess.run(
            [sys.executable, "-c", code, store], env=environment, capture_output=True, text=True, check=False
        )

    assert ended.stdout == "None\n", ended.stderr
    assert space_of(store).free_pages == 0


def test_a_disk_that_went_read_only_is_named_so(tmp_path):
    with small_disk(tmp_path, 64 * MIB) as disk:
        store = roomy_store(disk / "jobs.db")
        remount_read_only(disk)

        with pytest.raises(StoreReadOnlyError) as refused:
            vacuum(store)

        assert refused.value.reason == "readonly"
