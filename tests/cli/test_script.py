"""The questions that operators ask by a shell script and SQL today, asked of the program and of the ``sqlite3`` shell.

The store is one that the Go client wrote, its times in seven zones. Where the script compares times as text, and so
mistakes their order, the program compares instants.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import datetime
from pathlib import Path

import pytest

FIXTURE = Path(__file__).parents[1] / "fixtures" / "hypersdk-go"

pytestmark = pytest.mark.tool("sqlite3")


@pytest.fixture
def real(bare):
    shutil.copy(FIXTURE / "jobs.db", bare.store)
    return bare


@pytest.fixture
def written():
    """What the Go client itself read back."""
    return [json.loads(line) for line in (FIXTURE / "jobs.jsonl").read_text().splitlines()]


def sql(store, query):
    found = subprocess.run(
        ["sqlite3", "-tabs", str(store), query], capture_output=True, text=True, check=True, timeout=60
    )
    return [tuple(line.split("\t")) for line in found.stdout.splitlines()]


def newest(jobs):
    return sorted(jobs, key=lambda job: (datetime.fromisoformat(job["created_at"]), job["id"]), reverse=True)


def values(result):
    assert result.returncode == 0, result.stderr
    return [tuple(line.split("\t")) for line in result.stdout.splitlines()]


def test_list_is_the_newest_twenty(real, written):
    listed = values(real.run("list"))

    assert [line[0] for line in listed] == [job["id"] for job in newest(written)[:20]]
    assert [line[1:3] for line in listed] == [(job["status"], job["vm_name"]) for job in newest(written)[:20]]


def test_stats_are_the_counts_by_status(real):
    stats = dict(values(real.run("stats")))

    for status, count in sql(real.store, "SELECT status, COUNT(*) FROM jobs GROUP BY status"):
        assert stats[status] == count


def test_show_is_the_whole_row(real, written):
    for job in written[:5]:
        [row] = sql(real.store, f"SELECT name, vm_path, output_dir, total_size FROM jobs WHERE id = '{job['id']}'")  # noqa: S608 - an id of the fixture
        shown = dict(values(real.run("show", job["id"])))

        assert tuple(shown[name] for name in ("name", "vm_path", "output_dir", "total_size")) == row
        assert json.loads(shown["metadata"]) == job["metadata"]


def test_running_is_every_running_job_and_its_progress(real):
    found = sql(real.store, "SELECT id, vm_name, progress FROM jobs WHERE status = 'running'")

    assert sorted(line[:3] for line in values(real.run("running"))) == sorted(found)


def test_failed_is_the_newest_ten_and_their_errors(real, written):
    failed = [job for job in newest(written) if job["status"] == "failed"][:10]

    listed = [json.loads(line) for line in real.run("failed", "--json").stdout.splitlines()]

    assert [(job["id"], job["vm_name"], job["error"]) for job in listed] == [
        (job["id"], job["vm_name"], job["error"]) for job in failed
    ]


def test_every_job_comes_once_through_the_pages(real, written):
    ids, words = [], []
    while page := [
        json.loads(line) for line in real.run("list", "--json", "--limit", "700", *words).stdout.splitlines()
    ]:
        ids += [job["id"] for job in page]
        words = ["--after", page[-1]["cursor"]]

    assert ids == [job["id"] for job in newest(written)]
