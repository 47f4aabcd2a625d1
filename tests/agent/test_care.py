"""What is done for a store by its kind: kept by triggers, or scanned where there can be none; and stalled jobs."""

from __future__ import annotations

import json
import os
from datetime import timedelta

import apsw
import pytest
from structlog.testing import capture_logs

from hyperjobs.errors import NotAJobStoreError
from support.ledgers import insert, make_store
from support.scrapes import by, copy_fixture, hand_turned, value
from support.stores import BUSY_MS

DAEMON_SCHEMA = """
CREATE TABLE jobs (id TEXT PRIMARY KEY, name TEXT NOT NULL, vm_path TEXT, output_path TEXT, status TEXT NOT NULL,
  created_at TIMESTAMP NOT NULL, started_at TIMESTAMP, completed_at TIMESTAMP, progress_json TEXT, result_json TEXT,
  error TEXT, definition_json TEXT NOT NULL);
CREATE TABLE job_history(id INTEGER PRIMARY KEY, job_id TEXT);
CREATE TABLE scheduled_jobs(id TEXT PRIMARY KEY);
CREATE TABLE schedule_executions(id INTEGER PRIMARY KEY);
"""


def make_daemon_store(path):
    """A store of hypersdk's daemon, with a provider that can be told, one that cannot, and text that is no JSON."""
    db = apsw.Connection(str(path))
    db.set_busy_timeout(BUSY_MS)
    db.execute("PRAGMA journal_mode=WAL").fetchall()
    db.execute(DAEMON_SCHEMA).fetchall()
    jobs = [
        (
            "a",
            "completed",
            json.dumps({"provider": "vsphere"}),
            "2026-01-20 10:00:00+00:00",
            "2026-01-20 11:00:00+00:00",
        ),
        ("b", "failed", json.dumps({"provider": "vsphere"}), "2026-01-20 10:00:00+00:00", "2026-01-20 10:30:00+00:00"),
        ("c", "running", json.dumps({}), "2026-01-21 09:00:00+00:00", None),
        ("d", "pending", "{not json", None, None),
    ]
    for job_id, status, definition, began, ended in jobs:
        db.execute(
            "INSERT INTO jobs VALUES(?,'n','/vm','/out',?,'2026-01-20 09:00:00+00:00',?,?,'{}','{}','',?)",
            (job_id, status, began, ended, definition),
        )
    db.close()
    return path


def schema(path):
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    db.set_busy_timeout(BUSY_MS)
    found = sorted(db.execute("SELECT name FROM sqlite_schema").fetchall())
    db.close()
    return found


def positive(found):
    return {key: number for key, number in found.items() if number}


def test_a_store_of_the_daemon_is_scanned_and_left_as_it_is(tmp_path):
    store = make_daemon_store(tmp_path / "jobs.db")
    before = schema(store)
    with hand_turned(store, tmp_path / "state") as agent, capture_logs() as logs:
        wait_s = agent.turn()
        agent.care._sample(lambda: False)
        samples = agent.samples()

    assert [(line["event"], line["reason"]) for line in logs] == [("ledger.scanning_instead", "flavour")]
    assert wait_s >= 60
    assert schema(store) == before
    assert positive(by(samples, "jobs", "provider", "status")) == {
        ("vsphere", "completed"): 1,
        ("vsphere", "failed"): 1,
        ("unknown", "running"): 1,
        ("unknown", "pending"): 1,
    }
    assert value(samples, "job_success_ratio", provider="vsphere", window="all") == 0.5
    assert value(samples, "job_duration_seconds_sum", provider="vsphere", status="completed") == 3600
    assert by(samples, "store_info", "flavour", "journal_mode") == {("daemon", "wal"): 1}
    assert "hyperjobs_stalled_jobs" not in {name for name, _ in samples}
    assert agent.troubles.counts == {}


def test_a_scan_is_told_once_and_taken_again_when_it_is_due(tmp_path):
    store = make_daemon_store(tmp_path / "jobs.db")
    with hand_turned(store, tmp_path / "state") as agent, capture_logs() as logs:
        agent.turn()
        db = apsw.Connection(str(store))
        db.set_busy_timeout(BUSY_MS)
        db.execute("UPDATE jobs SET status='running' WHERE id='d'").fetchall()
        db.close()
        before = agent.samples()
        agent.turn()
        after = agent.samples()

    assert len(logs) == 1
    assert value(before, "jobs", provider="unknown", status="running") == 1
    assert value(after, "jobs", provider="unknown", status="running") == 2


def test_ledger_scan_puts_nothing_into_the_store(tmp_path):
    store = copy_fixture(tmp_path)
    before = schema(store)
    with hand_turned(store, tmp_path / "state", store__ledger="scan") as agent:
        agent.turn()
        assert value(agent.samples(), "store_rows", table="jobs") == 2985

    assert schema(store) == before


def test_a_counter_of_scans_does_not_fall_when_jobs_are_pruned_or_the_agent_restarts(tmp_path):
    store = copy_fixture(tmp_path)
    shown = []
    for sql in (None, "DELETE FROM jobs WHERE provider='aws'", None):
        with hand_turned(store, tmp_path / "state", store__ledger="scan") as agent:
            if sql:
                db = apsw.Connection(str(store))
                db.set_busy_timeout(BUSY_MS)
                db.execute(sql).fetchall()
                db.close()
            agent.turn()
            samples = agent.samples()
        shown.append(value(samples, "jobs_created_total", provider="aws"))
    assert shown == [504, 504, 504]
    assert value(samples, "jobs", provider="aws", status="completed") in {0, None}


def test_a_store_that_was_scanned_gets_its_ledger_when_another_kind_takes_its_place(tmp_path):
    store = make_daemon_store(tmp_path / "jobs.db")
    with hand_turned(store, tmp_path / "state") as agent, capture_logs() as logs:
        agent.turn()
        for path in tmp_path.glob("jobs.db-*"):
            path.unlink()
        os.replace(make_store(tmp_path / "new.db"), store)  # noqa: PTH105 - what an administrator does
        agent.turn()

        assert ("hyperjobs_log",) in schema(store)
        assert value(agent.samples(), "store_info", flavour="hypersdk", schema_version="1", journal_mode="wal") == 1
    assert [line["event"] for line in logs] == ["ledger.scanning_instead", "ledger.scanning_ended"]


def test_what_is_no_store_is_not_scanned_either(tmp_path):
    store = tmp_path / "jobs.db"
    store.write_text("text")

    with hand_turned(store, tmp_path / "state") as agent, pytest.raises(NotAJobStoreError):
        agent.turn()


@pytest.fixture
def running(tmp_path):
    """A store with two running jobs and a pending one."""
    store = make_store(tmp_path / "jobs.db")
    db = apsw.Connection(str(store))
    db.set_busy_timeout(BUSY_MS)
    insert(db, "slow", "running", provider="aws", started="2026-01-01 10:00:00+00:00")
    insert(db, "fast", "running", provider="vsphere", started="2026-01-01 10:00:00+00:00")
    insert(db, "waits", "pending", provider="gcp")
    yield store, db
    db.close()


def stalled(agent):
    agent.turn()
    agent.care._sample(lambda: False)
    return {key[0]: number for key, number in by(agent.samples(), "stalled_jobs", "provider").items()}


def test_a_running_job_without_progress_for_stalled_after_is_stalled(running, tmp_path):
    store, db = running
    with hand_turned(store, tmp_path / "state", metrics__stalled_after="30m") as agent:
        assert "hyperjobs_stalled_jobs" not in {name for name, _ in agent.samples()}
        assert stalled(agent) == {"aws": 0, "gcp": 0, "vsphere": 0}

        agent.clock.advance(timedelta(minutes=29, seconds=59))
        db.execute("UPDATE jobs SET progress=progress+1 WHERE id='fast'").fetchall()
        assert stalled(agent) == {"aws": 0, "gcp": 0, "vsphere": 0}

        agent.clock.advance(1)
        assert stalled(agent) == {"aws": 1, "gcp": 0, "vsphere": 0}

        db.execute("UPDATE jobs SET progress=1 WHERE id='slow'").fetchall()
        assert stalled(agent)["aws"] == 0


def test_what_a_job_stood_at_is_remembered_across_a_restart(running, tmp_path):
    store, db = running
    clock = None
    for expected in (0, 0, 1):
        with hand_turned(store, tmp_path / "state", clock=clock, metrics__stalled_after="30m") as agent:
            clock = agent.clock
            assert stalled(agent)["aws"] == expected
        clock.advance(timedelta(minutes=15))
        db.execute("UPDATE jobs SET progress=progress+1 WHERE id='fast'").fetchall()


def test_a_job_that_ended_is_forgotten(running, tmp_path):
    store, db = running
    with hand_turned(store, tmp_path / "state", metrics__stalled_after="30m") as agent:
        stalled(agent)
        assert set(agent.state.progress()) == {"slow", "fast"}
        db.execute("UPDATE jobs SET status='completed' WHERE id='slow'").fetchall()
        stalled(agent)

        assert set(agent.state.progress()) == {"fast"}


def test_a_clock_that_is_set_back_makes_no_job_stalled_and_none_lost(running, tmp_path):
    store, _ = running
    with hand_turned(store, tmp_path / "state", metrics__stalled_after="30m") as agent:
        stalled(agent)
        agent.clock.set(agent.clock.now() - timedelta(days=1))

        assert stalled(agent)["aws"] == 0


def test_a_restart_shows_no_counter_below_what_was_shown(tmp_path):
    store = copy_fixture(tmp_path)
    with hand_turned(store, tmp_path / "state") as agent:
        agent.turn()
        before = agent.samples()
    with hand_turned(store, tmp_path / "state") as agent:
        agent.turn()
        after = agent.samples()

    monotone = {key for key in before if key[0].endswith(("_total", "_bucket", "_sum", "_count")) and "jobs" in key[0]}
    assert monotone
    assert all(after[key] >= before[key] for key in monotone)
