"""Locks are waited for and their holder is named; forks, stops and files we may not touch are answered in words."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import apsw
import pytest

from hyperjobs import (
    StoreBusyError,
    StoreClosedError,
    StoreDamagedError,
    StoreError,
    StoreInterruptedError,
    open_store,
)
from hyperjobs.store.connection import Connection
from hyperjobs.store.holder import holder_of, openers_of
from hyperjobs.testing import make_job
from support.stores import go_store, held, new_store, script


@pytest.fixture
def path(tmp_path):
    new_store(tmp_path).close()
    return tmp_path / "jobs.db"


def test_a_lock_past_the_deadline_names_its_holder(path):
    with held(path) as other, open_store(path, busy_timeout_s=0.2) as store, pytest.raises(StoreBusyError) as caught:
        store.save_job(make_job())

    assert f"pid {other.pid} (" in str(caught.value)
    assert caught.value.holder is not None
    assert caught.value.holder.startswith(f"pid {other.pid} (")
    assert 0.2 <= caught.value.waited_seconds < 5
    assert "database is locked" not in str(caught.value)


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.save_jobs([make_job()]),
        lambda store: store.update_job_status("a", "running"),
        lambda store: store.delete_job("a"),
        lambda store: store.transaction().__enter__(),
    ],
    ids=["batch", "update", "delete", "transaction"],
)
def test_every_kind_of_write_waits_for_the_lock(path, call):
    with open_store(path, busy_timeout_s=0.05) as store:
        store.save_job(make_job(id="a"))
        with held(path), pytest.raises(StoreBusyError):
            call(store)


def test_reads_do_not_wait_for_a_writer(path):
    with held(path), open_store(path, busy_timeout_s=0) as store:
        assert store.list_jobs() == []


def test_a_lock_let_go_in_time_is_no_error(path):
    with ThreadPoolExecutor(1) as other, open_store(path, busy_timeout_s=30) as store:
        with held(path):
            saving = other.submit(store.save_job, make_job(id="a"))
            assert not saving.done()
        saving.result(30)

        assert store.load_job("a").id == "a"


def test_a_reader_that_blocks_a_rollback_journal_is_named(path):
    script(path, "PRAGMA journal_mode=DELETE")
    with (
        held(path, ["BEGIN", "SELECT * FROM jobs"]) as other,
        open_store(path, busy_timeout_s=0.1) as store,
        pytest.raises(StoreBusyError) as caught,
    ):
        store.save_jobs([make_job()])

    assert f"pid {other.pid} (" in str(caught.value)


def test_those_who_have_the_file_open_are_known(path):
    with held(path, ["SELECT * FROM jobs"]) as other:
        assert other.pid in openers_of(path)
        assert str(holder_of(path)).startswith(f"one of those that have it open: pid {other.pid} (")
    assert openers_of(path) == []
    assert holder_of(path) is None


def test_a_write_is_run_again_whole_when_it_met_a_lock(path):
    connection = Connection(path)
    tries = []

    def work(db):
        db.execute("DELETE FROM jobs")
        tries.append(1)
        if len(tries) < 3:
            raise apsw.BusyError
        return "done"

    assert connection.write(work) == "done"
    assert len(tries) == 3
    connection.close()


def test_an_error_within_a_write_undoes_all_of_it(path):
    connection = Connection(path)

    def work(db):
        db.execute("INSERT INTO schema_version(version) VALUES (7)")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        connection.write(work)

    assert connection.rows("SELECT version FROM schema_version") == [(1,)]
    assert not connection.raw.in_transaction
    connection.close()


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT count(*) FROM n"


def test_an_interrupt_ends_a_running_statement(path):
    connection = Connection(path)
    with ThreadPoolExecutor(1) as other:
        running = other.submit(connection.rows, ENDLESS)
        deadline = time.monotonic() + 10
        while not running.done() and time.monotonic() < deadline:
            connection.interrupt()
        with pytest.raises(StoreInterruptedError):
            running.result(1)

    assert connection.value("SELECT 1") == 1
    connection.close()


def test_an_interrupt_ends_a_wait_for_a_lock(path):
    connection = Connection(path, busy_timeout_s=60)
    with held(path), ThreadPoolExecutor(1) as other:
        running = other.submit(connection.write, lambda db: db.execute("DELETE FROM jobs"))
        deadline = time.monotonic() + 10
        while not running.done() and time.monotonic() < deadline:
            connection.interrupt()
        with pytest.raises(StoreInterruptedError, match="stopped"):
            running.result(1)
    connection.close()


def test_closing_and_interrupting_again_is_no_error(path):
    connection = Connection(path)

    connection.close()
    connection.close()
    connection.interrupt()

    with pytest.raises(StoreClosedError):
        connection.rows("SELECT 1")


def test_a_handle_carried_through_a_fork_is_refused_and_the_parents_goes_on(path):
    """In an interpreter of its own: the child ends as programs do, with its garbage collected."""
    program = """
import os, sys
from hyperjobs import StoreClosedError, open_store
from hyperjobs.testing import make_job
store = open_store(sys.argv[1])
store.save_job(make_job(id="before"))
if os.fork() == 0:
    try:
        store.save_job(make_job(id="child"))
    except StoreClosedError as error:
        store.close()
        print("refused:", error, flush=True)
    sys.exit()
os.wait()
store.save_job(make_job(id="after"))
print(sorted(job.id for job in store.list_jobs()), os.path.exists(sys.argv[1] + "-wal"), flush=True)
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    refused, kept = done.stdout.splitlines()
    assert refused.startswith("refused:")
    assert "open it again in the child" in refused
    assert kept == "['after', 'before'] True"
    with open_store(path) as store:
        assert {job.id for job in store.list_jobs()} == {"before", "after"}


def test_a_damaged_page_is_damage_and_not_absence(tmp_path):
    path = go_store(tmp_path)
    script(path, "PRAGMA journal_mode=DELETE")
    content = bytearray(path.read_bytes())
    for page in range(5, len(content) // 4096):
        content[page * 4096 : page * 4096 + 16] = b"\xff" * 16
    path.write_bytes(content)

    with open_store(path) as store, pytest.raises(StoreDamagedError, match="damaged"):
        store.list_jobs()


def test_the_schema_of_a_file_cannot_run_our_functions_or_unsafe_ones(path):
    script(path, "CREATE VIEW v AS SELECT hyperjobs_micros(1)")
    with open_store(path) as store, pytest.raises(StoreError, match="hyperjobs_micros"):
        store._session.run(lambda db: db.execute("SELECT * FROM v").fetchall())


# --- files that the system keeps from us ---

_AS_NOBODY = """
import os, sys
from hyperjobs import HyperjobsError, open_store  # before the change of user: its library may be kept from others
from hyperjobs.testing import make_job
os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    with open_store(sys.argv[1], busy_timeout_s=0.1, read_only="read" in sys.argv) as store:
        print("jobs", store.count_jobs())
        store.save_job(make_job())
except HyperjobsError as error:
    print(type(error).__name__, error.reason, error)
"""


@pytest.fixture
def reachable():
    """A store in a directory that other users can enter: pytest keeps its own to itself."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        new_store(Path(directory)).close()
        yield Path(directory, "jobs.db")


def as_nobody(path, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", _AS_NOBODY, str(path), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")


@needs_root
@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
def test_a_sidecar_we_may_not_touch_is_named_with_owner_and_mode(reachable, suffix):
    reachable.chmod(0o666)
    reachable.parent.chmod(0o777)
    with held(reachable, ["INSERT INTO schema_version(version) VALUES (5)"]):
        for part in ("-wal", "-shm"):
            Path(f"{reachable}{part}").chmod(0o666)
        Path(f"{reachable}{suffix}").chmod(0o600)

        (answer,) = as_nobody(reachable)[-1:]

    assert answer.startswith("StorePermissionError permission")
    assert f"jobs.db{suffix} (owner root, mode 0600)" in answer


@needs_root
def test_a_file_we_may_not_read_is_named_with_owner_and_mode(reachable):
    reachable.chmod(0o600)
    (answer,) = as_nobody(reachable)

    assert answer.startswith("StorePermissionError permission")
    assert "jobs.db (owner root, mode 0600): we may not read it" in answer


@needs_root
def test_a_file_we_may_only_read_is_read_and_not_written(reachable):
    reachable.chmod(0o644)
    script(reachable, "PRAGMA journal_mode=DELETE")
    counted, answer = as_nobody(reachable)

    assert counted == "jobs 0"
    assert answer.startswith("StoreReadOnlyError readonly")
    assert "mode 0644" in answer


@needs_root
def test_a_wal_store_in_a_directory_we_may_not_write_says_what_it_needs(reachable):
    reachable.chmod(0o644)
    (answer,) = as_nobody(reachable, "read")

    assert answer.startswith("StoreReadOnlyError readonly")
    assert "-shm" in answer


def test_waiters_from_many_threads_all_get_their_turn(path):
    with open_store(path, synchronous="OFF") as store:
        barrier = threading.Barrier(8)

        def work(number):
            barrier.wait(10)
            for step in range(20):
                store.save_job(make_job(id=f"{number}-{step}"))

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(work, range(8)))

        assert store.count_jobs() == 160


_WRITER = """
import sys
from hyperjobs import JobFilter, open_store
from hyperjobs.testing import make_job
with open_store(sys.argv[1], busy_timeout_s=60) as store:
    for number in range(40):
        job = make_job(id=f"{sys.argv[2]}-{number}")
        store.save_job(job)
        store.update_job_status(job.id, "running")
        with store.transaction():
            store.update_job_progress(job.id, 99)
            store.update_job_status(job.id, "completed")
        store.list_jobs(JobFilter(limit=5))
"""


def test_many_processes_write_at_once(path):
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, str(path), str(n)], stderr=subprocess.PIPE, text=True)
        for n in range(4)
    ]
    for writer in writers:
        assert writer.communicate(timeout=120)[1] == ""

    with open_store(path) as store:
        assert store.get_job_stats().completed == 160
