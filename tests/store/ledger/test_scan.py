"""Numbers without a ledger: read-only files, the daemon's own flavour, counters of what was seen to grow."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import apsw
import pytest

from hyperjobs.errors import NotAJobStoreError, StoreInterruptedError, StoreNotFoundError
from hyperjobs.store.continuity import Continuity
from hyperjobs.store.ledger.options import LedgerOptions
from hyperjobs.store.ledger.scan import Scanner
from hyperjobs.store.state import StateFile
from hyperjobs.testing import FakeClock
from support.ledgers import insert, make_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_DAEMON = """
CREATE TABLE jobs (id TEXT PRIMARY KEY, name TEXT, vm_path TEXT, output_path TEXT, status TEXT NOT NULL,
  created_at DATETIME, started_at DATETIME, completed_at DATETIME, progress_json TEXT, result_json TEXT, error TEXT,
  definition_json TEXT);
CREATE TABLE job_history (id INTEGER PRIMARY KEY AUTOINCREMENT, job_id TEXT);
CREATE TABLE scheduled_jobs (id TEXT PRIMARY KEY);
CREATE TABLE schedule_executions (id INTEGER PRIMARY KEY AUTOINCREMENT);
"""


class Scanned:
    """A store, its scanner and what is exported of it."""

    def __init__(self, path: Path, state_dir: Path) -> None:
        self.clock = FakeClock()
        self.state = StateFile(state_dir, path, clock=self.clock)
        self.continuity = Continuity(self.state)
        self.scanner = Scanner(path, options=LedgerOptions(), continuity=self.continuity, clock=self.clock)

    def look(self) -> dict[Any, int]:
        """One scan and one scrape."""
        self.scanner.turn(lambda: False)
        return self.continuity.export(self.scanner.view.rollup.totals)

    def gauges(self) -> dict[Any, int]:
        return self.scanner.view.rollup.gauges

    def stop(self) -> None:
        self.scanner.close()
        self.continuity.save()
        self.state.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[apsw.Connection]:
    db = apsw.Connection(str(make_store(tmp_path / "jobs.db")))
    yield db
    db.close()


@pytest.fixture
def scanned(tmp_path: Path) -> Iterator[Scanned]:
    scanned = Scanned(tmp_path / "jobs.db", tmp_path / "state")
    yield scanned
    scanned.stop()


def finished(shown: dict[Any, int], status: str = "completed") -> int:
    return shown.get(("finished", "vsphere", status, 0), 0)


def test_a_scan_counts_rows_and_adds_nothing_to_the_store(store: apsw.Connection, scanned: Scanned) -> None:
    insert(store, "a", "completed", started="2026-01-21 09:00:00+00:00", completed="2026-01-21 09:00:30+00:00", size=5)
    insert(store, "b", "running", started="2026-01-21 08:00:00+00:00")
    before = store.execute("PRAGMA data_version").fetchall()

    shown = scanned.look()

    assert scanned.gauges() == {("vsphere", "completed"): 1, ("vsphere", "running"): 1}
    assert finished(shown) == shown["duration", "vsphere", "completed", 0] == 1
    assert scanned.scanner.view.windows["24h"] == {("vsphere", "completed"): 1}
    assert scanned.scanner.view.oldest["vsphere", "running"].hour == 8
    assert store.execute("PRAGMA data_version").fetchall() == before
    assert store.execute("SELECT count(*) FROM sqlite_schema WHERE name LIKE 'hyperjobs%'").fetchall() == [(0,)]


def test_counters_of_a_scan_do_not_fall_when_rows_are_deleted(store: apsw.Connection, scanned: Scanned) -> None:
    for job in ("a", "b", "c"):
        insert(store, job, "completed")
    first = scanned.look()
    store.execute("DELETE FROM jobs WHERE id IN ('a','b')")
    second = scanned.look()
    insert(store, "d", "completed")

    assert finished(first) == finished(second) == 3
    assert finished(scanned.look()) == 4
    assert scanned.gauges() == {("vsphere", "completed"): 2}


def test_counters_of_a_scan_outlive_the_agent(store: apsw.Connection, tmp_path: Path) -> None:
    for job in ("a", "b"):
        insert(store, job, "completed")
    first = Scanned(tmp_path / "jobs.db", tmp_path / "state")
    first.look()
    store.execute("DELETE FROM jobs")
    first.look()
    first.stop()
    insert(store, "c", "completed")

    second = Scanned(tmp_path / "jobs.db", tmp_path / "state")

    assert finished(second.look()) == 3
    second.stop()


def test_a_file_that_can_only_be_read_is_scanned(store: apsw.Connection, scanned: Scanned, tmp_path: Path) -> None:
    insert(store, "a", "failed")
    store.execute("PRAGMA journal_mode=DELETE").fetchall()
    store.close()
    path = tmp_path / "jobs.db"
    path.chmod(0o444)
    before = path.stat().st_mtime_ns

    assert finished(scanned.look(), "failed") == 1
    assert path.stat().st_mtime_ns == before


def test_text_that_cannot_be_decoded_is_scanned(store: apsw.Connection, scanned: Scanned) -> None:
    insert(store, "a", "completed")
    store.execute("UPDATE jobs SET provider=CAST(x'76ff' AS TEXT),started_at=CAST(x'ff' AS TEXT)")
    insert(store, "b", "completed", provider="aws")
    store.execute("UPDATE jobs SET status=CAST('completed' AS BLOB) WHERE id='b'")

    scanned.look()

    assert scanned.gauges() == {("v\ufffd", "completed"): 1, ("aws", "other"): 1}


def test_the_daemons_flavour_is_counted_with_the_provider_of_its_definition(tmp_path: Path) -> None:
    db = apsw.Connection(str(tmp_path / "jobs.db"))
    db.execute(_DAEMON).fetchall()
    definitions = [
        json.dumps({"provider": "vsphere"}),
        "not JSON",
        None,
        "[1]",
        '{"provider":null}',
        '{"provider":"aws"}',
        '{"provider":{"a":1}}',
    ]
    for number, definition in enumerate(definitions):
        db.execute(
            "INSERT INTO jobs VALUES(?,?,?,?,?,?,?,?,?,?,?,?)",
            (f"job-{number}", "n", "/vm", "/out", "completed", "2026-01-21T09:00:00Z", "2026-01-21T09:00:00.5Z", "2026-01-21T09:01:00Z", "{}", "{}", "", definition),
        )  # fmt: skip
    scanned = Scanned(tmp_path / "jobs.db", tmp_path / "state")

    shown = scanned.look()
    before = dict(scanned.gauges())
    db.execute("DELETE FROM jobs")
    after = scanned.look()

    assert before[("vsphere", "completed")] == before[("aws", "completed")] == 1
    assert before[("unknown", "completed")] == 4
    assert sum(before.values()) == len(definitions)
    assert shown["duration", "vsphere", "completed", 0] == 1
    assert after == shown
    assert scanned.gauges() == {}
    db.close()
    scanned.stop()


def test_a_scan_is_stopped_between_rows(store: apsw.Connection, scanned: Scanned) -> None:
    insert(store, "a")
    with pytest.raises(StoreInterruptedError):
        scanned.scanner.turn(lambda: True)

    assert not scanned.scanner.view.is_ready


def test_a_scan_waits_at_least_its_interval(store: apsw.Connection, scanned: Scanned) -> None:
    insert(store, "a")

    assert scanned.scanner.turn(lambda: False) == 60.0


def test_a_scan_of_no_store_says_so_and_the_next_one_tries_again(scanned: Scanned, tmp_path: Path) -> None:
    with pytest.raises(StoreNotFoundError):
        scanned.look()
    (tmp_path / "jobs.db").touch()
    with pytest.raises(NotAJobStoreError):
        scanned.look()
    subprocess.run(["rm", str(tmp_path / "jobs.db")], check=True)
    db = apsw.Connection(str(make_store(tmp_path / "jobs.db")))
    insert(db, "a", "completed")
    db.close()

    assert finished(scanned.look()) == 1
