"""A real Prometheus scrapes a real agent on a store that the real Go client wrote."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.processes import agent
from support.prometheus import prometheus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.processes import Agent

FIXTURE = Path(__file__).parent.parent / "fixtures" / "hypersdk-go"
FINISHED = {"completed", "failed", "cancelled"}

CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 900ms}}
scrape_configs:
  - job_name: hyperjobs
    static_configs: [{{targets: ["{target}"]}}]
"""


def config(target: Agent) -> str:
    """The agent as the one target."""
    return CONFIG.format(target=target.url.removeprefix("http://"))


def jobs() -> list[dict[str, Any]]:
    """The fixture's jobs as the Go client itself read them."""
    return [json.loads(line) for line in (FIXTURE / "jobs.jsonl").read_text().splitlines()]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Agent]:
    """An agent on a copy of the store that the Go client wrote."""
    store = tmp_path / "jobs.db"
    shutil.copyfile(FIXTURE / "jobs.db", store)
    with agent(store, state_dir=tmp_path / "state") as running_agent:
        running_agent.until(lambda samples: samples.get("hyperjobs_ledger_ready") == 1, "a finished baseline")
        yield running_agent


@pytest.mark.tool("prometheus")
def test_prometheus_reads_exact_numbers_from_a_store_that_go_wrote(served: Agent, tmp_path: Path) -> None:
    counted = Counter((job["provider"], job["status"]) for job in jobs())
    finished = {key: count for key, count in counted.items() if key[1] in FINISHED}
    bytes_of: Counter[tuple[str]] = Counter()
    created: Counter[tuple[str]] = Counter()
    for job in jobs():
        created[job["provider"],] += 1
        if job["status"] in FINISHED:
            bytes_of[job["provider"],] += job.get("total_size", 0)
    timed = Counter(
        (job["provider"], job["status"])
        for job in jobs()
        if job["status"] in FINISHED and job.get("started_at") and job.get("completed_at")
    )

    with prometheus(config(served), tmp_path) as server:
        assert server.by("hyperjobs_jobs > 0", "provider", "status") == counted
        assert server.scalar("sum(hyperjobs_jobs)") == len(jobs())
        assert server.by("hyperjobs_jobs_created_total", "provider") == created
        assert server.by("hyperjobs_jobs_finished_total > 0", "provider", "status") == finished
        assert server.by("hyperjobs_job_duration_seconds_count > 0", "provider", "status") == timed
        assert server.by("hyperjobs_job_bytes_total", "provider") == bytes_of
        assert server.by("hyperjobs_store_up") == {(): 1}
        assert server.by("hyperjobs_store_rows{table='jobs'}", "table") == {("jobs",): len(jobs())}


@pytest.mark.tool("prometheus", "sqlite3")
def test_prometheus_sees_a_change_at_the_next_scrape(served: Agent, tmp_path: Path) -> None:
    pending = 'sum(hyperjobs_jobs{status="pending"})'
    change = """
      INSERT OR REPLACE INTO jobs (id, name, vm_name, vm_path, provider, output_dir, status, created_at, progress,
        error, metadata, user, total_size, files_count)
      VALUES ('new', 'n', 'v', '/v', 'aws', '/o', 'pending', '2026-09-01 00:00:00+00:00', 0, '', 'null', '', 0, 0)"""

    with prometheus(config(served), tmp_path) as server:
        before = server.scalar(pending)
        assert before is not None
        subprocess.run(["sqlite3", tmp_path / "jobs.db", change], check=True, timeout=30)

        server.process.until(lambda: server.scalar(pending) == before + 1, "the new job", timeout_s=30)


@pytest.mark.tool("promtool")
def test_promtool_finds_nothing_to_say_about_the_exposition(served: Agent) -> None:
    checked = subprocess.run(
        ["promtool", "check", "metrics"],
        input=served.get("/metrics").text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
