"""Every line of SQL in hypersdk's own document gives the right answer in the sqlite3 shell on a store of ours."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from hyperjobs import open_store
from hyperjobs.testing import START, make_job
from support.stores import new_store, shell

pytestmark = pytest.mark.tool("sqlite3")

LINES = [
    line
    for line in (Path(__file__).parents[1] / "fixtures" / "seed.sql").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("--")
]
HOUR = timedelta(hours=1)


def job(number, status, provider="vsphere", minutes=None, **changes):
    created = START + number * HOUR
    started = None if status == "pending" else created + timedelta(minutes=1)
    return make_job(
        id=f"job-{number}",
        vm_name=f"vm-{number}",
        provider=provider,
        status=status,
        created_at=created,
        started_at=started,
        completed_at=started + timedelta(minutes=minutes) if started and minutes else None,
        **changes,
    )


@pytest.fixture
def path(tmp_path):
    with new_store(tmp_path) as store:
        store.save_jobs(
            [
                job(0, "completed", minutes=30, total_size=100),
                job(1, "completed", minutes=90, total_size=200, metadata={"format": "ova"}),
                job(2, "completed", "hyperv", minutes=45, total_size=300),
                job(3, "failed", "hyperv", minutes=5, error="disk full"),
                job(4, "failed", minutes=5, error="it's gone"),
                job(5, "running", progress=12.5),
                job(6, "pending"),
                job(7, "cancelled", minutes=1),
            ]
        )
        yield store.path


def ask(path, start):
    """Run the one line of the document that starts so; lines are told apart by what they ask."""
    (line,) = [line for line in LINES if line.startswith(start) or start == line]
    return [row.split("|") for row in shell(path, line).splitlines()]


def test_list_shows_the_newest_first_with_readable_times(path):
    rows = ask(path, "SELECT id, vm_name, status, datetime(created_at)")

    assert [row[0] for row in rows] == [f"job-{number}" for number in range(7, -1, -1)]
    assert rows[-1] == ["job-0", "vm-0", "completed", "2026-01-21 10:00:00"]


def test_stats_count_each_status(path):
    counts = dict(ask(path, "SELECT status, COUNT(*)"))

    assert counts == {"cancelled": "1", "completed": "3", "failed": "2", "pending": "1", "running": "1"}


def test_show_gives_all_sixteen_columns_and_no_null_but_unset_times(path):
    (line,) = [line for line in LINES if "$2" in line]

    (row,) = json.loads(shell(path, "-json", line.replace("$2", "job-1")))

    assert row == {
        "id": "job-1",
        "name": "Export web-01",
        "vm_name": "vm-1",
        "vm_path": "/datacenter/vm/web-01",
        "provider": "vsphere",
        "output_dir": "/exports/web-01",
        "status": "completed",
        "created_at": "2026-01-21 11:00:00.000000+00:00",
        "started_at": "2026-01-21 11:01:00.000000+00:00",
        "completed_at": "2026-01-21 12:31:00.000000+00:00",
        "progress": 0.0,
        "error": "",
        "metadata": '{"format":"ova"}',
        "user": "admin",
        "total_size": 200,
        "files_count": 0,
    }


def test_running_and_failed_show_progress_and_error(path):
    assert ask(path, "SELECT id, vm_name, progress") == [["job-5", "vm-5", "12.5"]]
    assert ask(path, "SELECT id, vm_name, error") == [["job-4", "vm-4", "it's gone"], ["job-3", "vm-3", "disk full"]]


def test_completed_migrations_come_by_their_end(path):
    assert ask(path, "SELECT vm_name, datetime(completed_at)") == [
        ["vm-2", "2026-01-21 12:46:00", "300"],
        ["vm-1", "2026-01-21 12:31:00", "200"],
        ["vm-0", "2026-01-21 10:31:00", "100"],
    ]


def test_the_average_duration_is_in_seconds(path):
    ((average,),) = ask(path, "SELECT AVG(")

    assert float(average) == pytest.approx(3300, abs=0.001)


def test_slow_migrations_took_more_than_an_hour(path):
    ((name, hours),) = ask(path, "SELECT vm_name, (julianday")

    assert (name, float(hours)) == ("vm-1", pytest.approx(1.5, abs=1e-6))


def test_success_by_provider_counts_all_and_completed(path):
    assert ask(path, "SELECT provider, COUNT(*)") == [["hyperv", "2", "1"], ["vsphere", "6", "2"]]


def test_the_export_to_json_holds_every_job(path):
    rows = json.loads(shell(path, "-json", "SELECT * FROM jobs"))

    assert "SELECT * FROM jobs" in LINES
    assert {row["id"] for row in rows} == {f"job-{number}" for number in range(8)}


def test_the_journal_is_a_wal_and_stays_one(path):
    assert ask(path, "PRAGMA journal_mode=WAL") == [["wal"]]
    assert shell(path, "PRAGMA journal_mode") == "wal\n"


def test_a_query_by_status_uses_its_index(path):
    assert "USING INDEX idx_status (status=?)" in shell(
        path, next(line for line in LINES if line.startswith("EXPLAIN"))
    )


@pytest.mark.parametrize("line", ["REINDEX", "VACUUM"])
def test_rebuilding_leaves_the_store_whole_for_both(path, line):
    assert line in LINES
    with open_store(path) as store:
        assert shell(path, line) == ""

        assert shell(path, "PRAGMA integrity_check") == "ok\n"
        assert store.count_jobs() == 8


def test_backup_and_restore_bring_the_jobs_back(path, tmp_path):
    shell(path, f".backup {tmp_path}/copy.db")
    with open_store(path) as store:
        store.delete_job("job-0")

    shell(path, f".restore {tmp_path}/copy.db")

    with open_store(path) as store, open_store(tmp_path / "copy.db") as copy:
        assert store.list_jobs() == copy.list_jobs()
        assert store.count_jobs() == 8


def test_no_line_of_the_document_fails(path):
    for line in LINES:
        shell(path, line)
