"""A store that cannot be served: the agent stays up, says why, changes nothing, and recovers by itself."""

from __future__ import annotations

import getpass
import hashlib
import os
import shutil
import time
from contextlib import ExitStack

import apsw
import pytest

from support.agents import logged, started, unprivileged
from support.holders import execute, held
from support.ledgers import make_store
from support.processes import agent, get
from support.scrapes import FIXTURE
from support.stores import BUSY_MS

UP = "hyperjobs_store_up"
READY = "hyperjobs_ledger_ready"
JOBS = 2985


def errors(samples):
    """Reason → count."""
    prefix = 'hyperjobs_store_errors_total{reason="'
    return {name.removeprefix(prefix).removesuffix('"}'): n for name, n in samples.items() if name.startswith(prefix)}


def is_whole(samples):
    return samples[UP] == 1 and samples.get(READY) == 1 and samples['hyperjobs_store_rows{table="jobs"}'] == JOBS


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def put(good, store):
    """Put a good store in place, as an administrator does."""
    if store.is_dir():
        store.rmdir()
    else:
        for suffix in ("-wal", "-shm"):
            store.with_name(store.name + suffix).unlink(missing_ok=True)
    fresh = store.with_name("fresh")
    shutil.copyfile(good, fresh)
    fresh.replace(store)


def test_a_missing_store_is_a_metric_creates_nothing_and_is_found_when_it_appears(tmp_path):
    store = tmp_path / "place" / "jobs.db"
    store.parent.mkdir()
    with agent(store, state_dir=tmp_path / "state") as running:
        samples = running.until(lambda s: errors(s).get("missing") and s, "the reason")
        assert samples[UP] == 0
        assert running.get("/-/ready").status == 200
        assert list(store.parent.iterdir()) == []

        put(FIXTURE / "jobs.db", store)

        running.until(is_whole, "recovery")
        assert running.stop() == 0


def foreign(path):
    db = apsw.Connection(str(path))
    db.set_busy_timeout(BUSY_MS)
    db.execute("CREATE TABLE other(x)").fetchall()
    db.close()


def view(path):
    db = apsw.Connection(str(path))
    db.set_busy_timeout(BUSY_MS)
    db.execute("CREATE TABLE real(id, status); CREATE VIEW jobs AS SELECT * FROM real").fetchall()
    db.close()


def newer(path):
    make_store(path)
    db = apsw.Connection(str(path))
    db.set_busy_timeout(BUSY_MS)
    db.execute("CREATE TABLE hyperjobs_meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID").fetchall()
    db.execute("INSERT INTO hyperjobs_meta VALUES('schema_version', 9)").fetchall()
    db.close()


def damaged(path):
    shutil.copyfile(FIXTURE / "jobs.db", path)
    with path.open("r+b") as file:
        file.seek(100)
        file.write(os.urandom(3900))


UNFIT = {
    "text": (lambda path: path.write_text("This is no database. " * 500), "not_a_store"),
    "an ELF": (lambda path: path.write_bytes(b"\x7fELF" + bytes(8192)), "not_a_store"),
    "zero bytes": (lambda path: path.write_bytes(b""), "not_a_store"),
    "a directory": (lambda path: path.mkdir(), "not_a_store"),
    "a FIFO": (os.mkfifo, "not_a_store"),
    "another database": (foreign, "foreign"),
    "a view": (view, "foreign"),
    "a newer ledger": (newer, "newer"),
    "damage": (damaged, "damaged"),
}


@pytest.mark.parametrize("kind", UNFIT)
def test_an_unfit_store_is_a_metric_with_its_reason_stays_as_it_is_and_can_be_replaced(tmp_path, kind):
    make, reason = UNFIT[kind]
    store = tmp_path / "place" / "jobs.db"
    store.parent.mkdir()
    make(store)
    before = digest(store) if store.is_file() else None
    with agent(store, state_dir=tmp_path / "state") as running:
        samples = running.until(lambda s: errors(s).get(reason) and s, "the reason")
        assert samples[UP] == 0
        assert 'hyperjobs_jobs{provider="aws",status="pending"}' not in samples
        assert running.get("/-/ready").status == 200
        assert set(errors(samples)) == {reason}
        assert (digest(store) if store.is_file() else None) == before

        put(FIXTURE / "jobs.db", store)

        running.until(is_whole, "recovery")
        assert running.stop() == 0
    assert "Traceback" not in running.process.output


def test_damage_among_the_jobs_is_a_reason_and_no_first_count_is_made_up(store, tmp_path):
    with store.open("r+b") as file:
        pages = store.stat().st_size // 4096
        for page in range(5, pages - 5):
            file.seek(page * 4096)
            file.write(bytes(range(256)) * 16)

    with agent(store, state_dir=tmp_path / "state") as running:
        samples = running.until(lambda s: errors(s).get("damaged") and s, "the reason")

        assert samples.get(READY, 0) == 0
        assert 'hyperjobs_jobs{provider="aws",status="pending"}' not in samples
        assert running.stop() == 0
    assert "Traceback" not in running.process.output


def timed_samples(running):
    """The samples, and how long the scrape took."""
    started = time.monotonic()
    samples = running.samples()
    return samples, time.monotonic() - started


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_store_that_another_process_locked_is_busy_the_scrape_answers_and_it_recovers(store, tmp_path, mode):
    execute(store, f"PRAGMA journal_mode={mode}")
    statements = ["BEGIN EXCLUSIVE"] if mode == "delete" else ["PRAGMA locking_mode=EXCLUSIVE", "BEGIN EXCLUSIVE"]
    if mode == "wal":
        statements.append("UPDATE jobs SET progress=progress WHERE id=(SELECT id FROM jobs LIMIT 1)")
    with ExitStack() as lock:
        lock.enter_context(held(store, *statements))
        with agent(store, state_dir=tmp_path / "state") as running:
            samples, took_s = timed_samples(running)
            assert (samples[UP], set(errors(samples))) == (0, {"busy"})
            assert samples["hyperjobs_store_busy_total"] >= 1
            assert took_s < 1

            lock.close()

            running.until(is_whole, "recovery")
            assert running.stop() == 0


def test_a_writer_that_holds_the_write_lock_for_long_does_not_make_a_scrape_wait_or_stale(store, tmp_path):
    pending = 'hyperjobs_jobs{provider="aws",status="pending"}'
    with agent(store, state_dir=tmp_path / "state") as running:
        before = running.until(lambda s: is_whole(s) and s, "the first count")
        execute(
            store,
            "UPDATE jobs SET status='pending' WHERE id=(SELECT id FROM jobs WHERE provider='aws' AND status='completed' LIMIT 1)",
        )
        with held(store, "BEGIN IMMEDIATE", "DELETE FROM jobs WHERE provider='aws'"):
            samples, took_s = timed_samples(running)
            assert took_s < 1
            assert samples[UP] == 1
            assert samples[pending] == before[pending] + 1  # committed is seen, the open transaction is not

        assert running.samples()[pending] == before[pending] + 1
        assert running.stop() == 0


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
def test_permission_denied_names_the_file_its_owner_and_its_mode(launch, store, suffix):
    write = "UPDATE jobs SET progress=progress WHERE id=(SELECT id FROM jobs LIMIT 1)"
    with held(store, "PRAGMA journal_mode=wal", write):
        part = store.with_name(store.name + suffix)
        part.chmod(0)
        with launch(store, prefix=unprivileged()) as process:
            url = started(process)
            [failure] = process.until(lambda: logged(process, "agent.loop_failed"), "the reason")
            samples = get(url + "/metrics").text
            part.chmod(0o600)

    assert failure["reason"] == "permission"
    assert all(word in failure["error"] for word in (f"{part} ", getpass.getuser(), "0000"))
    assert "\nhyperjobs_store_up 0.0\n" in samples
    assert 'hyperjobs_store_errors_total{reason="permission"}' in samples


@pytest.mark.parametrize(("journal", "directory_mode"), [("wal", 0o700), ("delete", 0o500)])
def test_a_store_that_can_only_be_read_is_scanned(launch, store, journal, directory_mode):
    execute(store, f"PRAGMA journal_mode={journal}")
    store.chmod(0o400)
    store.parent.chmod(directory_mode)
    before = digest(store)
    try:
        with launch(store, prefix=unprivileged()) as process:
            url = started(process)
            process.until(lambda: f'rows{{table="jobs"}} {JOBS}' in get(url + "/metrics").text, "the scan")
            samples = get(url + "/metrics").text
            assert process.stop() == 0
    finally:
        store.parent.chmod(0o700)

    assert "\nhyperjobs_store_up 1.0\n" in samples
    assert [line["reason"] for line in logged(process, "ledger.scanning_instead")] == ["readonly"]
    assert digest(store) == before


def test_a_store_that_becomes_writable_gets_its_ledger(launch, store):
    store.chmod(0o400)
    with launch(store, prefix=unprivileged(), env={"HYPERJOBS_STORE__SCAN_INTERVAL": "1s"}) as process:
        started(process)
        process.until(lambda: logged(process, "ledger.scanning_instead"), "the scan")
        for part in store.parent.glob("jobs.db*"):  # SQLite makes -wal and -shm with the store's own mode
            part.chmod(0o600)

        process.until(lambda: logged(process, "ledger.scanning_ended"), "the ledger")
        assert process.stop() == 0


def test_a_directory_that_may_not_be_looked_into_is_a_reason_and_no_crash(launch, store):
    store.parent.chmod(0)
    try:
        with launch(store, prefix=unprivileged()) as process:
            url = started(process)
            [failure] = process.until(lambda: logged(process, "agent.loop_failed"), "the reason")
            samples = get(url + "/metrics").text
            store.parent.chmod(0o700)
            process.until(lambda: "\nhyperjobs_ledger_ready 1.0\n" in get(url + "/metrics").text, "recovery")
            assert process.stop() == 0
    finally:
        store.parent.chmod(0o700)

    assert (failure["reason"], str(store) in failure["error"]) == ("permission", True)
    assert "\nhyperjobs_store_up 0.0\n" in samples
    assert "Traceback" not in process.output
