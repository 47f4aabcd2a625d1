"""A trouble of the real agent's reaches the right receiver through a real Prometheus and Alertmanager, and ends there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import apsw
import pytest

from hyperjobs.rules.definition import alerts
from support.alerting import alertmanager, receiving, watching
from support.ledgers import insert, make_store
from support.processes import agent
from support.stores import BUSY_MS

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.tool("prometheus", "prometheus-alertmanager")

# Every alert without its wait, but the one that Prometheus' own start would fire; and windows that one can wait for.
QUICK = "alerts:\n" + "".join(
    f"  {name}: {{{more}}}\n"
    for name in alerts()
    if (
        more := {
            "HyperJobsDown": "",
            "HyperJobsFailureBurst": "for: 0s, window: 10s",
            "HyperJobsHighFailureRatio": "for: 0s, window: 10s",
        }.get(name, "for: 0s")
    )
)


class Stack:
    """An agent on a store, all that watches it, and the command line beside it."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self.store = directory / "jobs.db"
        self.disk = directory / "disk"
        self.disk.mkdir()
        fill(self.store, 500)
        self._environment = {
            "HYPERJOBS_STORE__PATH": str(self.store),
            "HYPERJOBS_STORE__STATE_DIR": str(directory / "state"),
            "HYPERJOBS_MAINTENANCE__BACKUP__DIRECTORY": str(self.disk / "backups"),
            "HYPERJOBS_MAINTENANCE__RESERVE": "0",
        }
        values = directory / "values.yaml"
        values.write_text(QUICK)
        rules = directory / "rules"
        assert self.run("rules", "render", "--values", str(values), "--out", str(rules), "--kind", "all") == 0
        self.agent = stack.enter_context(agent(self.store, state_dir=directory / "state", env=self._environment))
        self.received = stack.enter_context(receiving())
        self.alertmanager = stack.enter_context(alertmanager(directory, self.received.url))
        self.prometheus = stack.enter_context(watching(self.agent.url, rules, self.alertmanager.url, directory))

    def run(self, *words: str) -> int:
        """The program's exit code."""
        return subprocess.run(
            [sys.executable, "-m", "hyperjobs", *words],
            env={**os.environ, **self._environment},
            capture_output=True,
            check=False,
            timeout=60,
        ).returncode

    def until_received(self, name: str, receiver: str, status: str = "firing") -> dict[str, dict[str, str]]:
        """The first alert of a name that came to a receiver in a status, as the webhook had it."""

        def came() -> dict[str, dict[str, str]] | None:
            found = [each for where, each in self.received.alerts(name, status) if where == receiver]
            return found[0] if found else None

        alert = self.prometheus.process.until(came, f"{name} {status} at {receiver}", timeout_s=40)
        assert alert is not None
        return alert


@pytest.fixture
def stack(tmp_path):
    """All of it, once Prometheus has seen the agent and the dead man's switch has come through."""
    with ExitStack() as parts:
        found = Stack(tmp_path, parts)
        found.until_received("HyperJobsAlive", "watchdog")
        yield found


def fill(path: Path, jobs: int, status: str = "completed", prefix: str = "old") -> None:
    """Add jobs, as another process would."""
    make_store(path) if not path.exists() else None
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S+00:00")
    db = apsw.Connection(str(path))
    db.set_busy_timeout(5000)
    with db:
        for number in range(jobs):
            insert(db, f"{prefix}-{number}", status, created=now, started=now, completed=now, size=number)
    db.close()


def test_a_burst_of_failed_jobs_comes_to_the_team_of_jobs_and_ends(stack):
    # a new install is quiet, although nothing waits
    assert {each["metric"]["alertname"] for each in stack.prometheus.query('ALERTS{alertname!="HyperJobsDown"}')} == {
        "HyperJobsAlive"
    }

    fill(stack.store, 12, "failed", "new")

    burst = stack.until_received("HyperJobsFailureBurst", "team-jobs")
    address = stack.agent.url.removeprefix("http://")
    assert burst["labels"] == {
        "alertname": "HyperJobsFailureBurst",
        "component": "jobs",
        "instance": address,
        "job": "hyperjobs",
        "service": "hyperjobs",
        "severity": "warning",
    }
    assert burst["annotations"]["summary"] == "Jobs fail in a burst."
    assert burst["annotations"]["description"].endswith(f"jobs failed in 10s on {address}, all providers together.")
    assert burst["annotations"]["runbook_url"].endswith("/runbooks.md#hyperjobsfailureburst")
    assert burst["annotations"]["dashboard_url"].endswith("/d/hyperjobs-jobs")

    ratio = stack.until_received("HyperJobsHighFailureRatio", "on-call")
    assert (ratio["labels"]["severity"], ratio["labels"]["provider"]) == ("critical", "vsphere")
    assert ratio["annotations"]["description"].startswith("100% of the jobs of vsphere that ended in 10s failed")

    # ten seconds later the burst is over
    stack.until_received("HyperJobsFailureBurst", "team-jobs", "resolved")
    stack.until_received("HyperJobsHighFailureRatio", "on-call", "resolved")
    told = [each["labels"]["severity"] for _, each in stack.received.alerts("HyperJobsHighFailureRatio")]
    assert set(told) == {"critical"}  # its warning was kept back
    assert "HyperJobsFailureBurst" not in stack.received.names("on-call")


def test_a_backup_that_fails_comes_to_infra_and_ends_with_one_that_does_not(stack):
    assert stack.run("backup", "create") == 0
    stack.prometheus.until('hyperjobs_task_runs_total{task="backup",outcome="ok"} == 1', "the first backup")
    shutil.rmtree(stack.disk)  # as a disk that is unmounted

    assert stack.run("backup", "create") != 0
    assert stack.run("backup", "create") != 0

    failing = stack.until_received("HyperJobsTaskFailing", "team-infra")
    assert (failing["labels"]["task"], failing["labels"]["severity"]) == ("backup", "warning")
    assert failing["annotations"]["summary"] == "A task of maintenance fails again and again."
    assert "backup on" in failing["annotations"]["description"]
    none = stack.until_received("HyperJobsNoVerifiedBackup", "on-call")
    assert (none["labels"]["severity"], none["labels"]["component"]) == ("critical", "system")
    assert none["annotations"]["description"].startswith("No verified backup is known; the backup task succeeded last")

    stack.disk.mkdir()
    assert stack.run("backup", "create") == 0

    stack.until_received("HyperJobsTaskFailing", "team-infra", "resolved")
    stack.until_received("HyperJobsNoVerifiedBackup", "on-call", "resolved")
    assert stack.received.names("team-jobs") == set()


def test_a_damaged_store_wakes_somebody_until_it_is_whole_and_unfrozen(stack):
    page, sound = damage(stack.store)

    assert stack.run("integrity") == 3

    damaged = stack.until_received("HyperJobsIntegrityFailed", "on-call")
    assert damaged["labels"]["severity"] == "critical"
    assert damaged["annotations"]["summary"] == "The store is damaged."
    assert damaged["annotations"]["dashboard_url"].endswith("/d/hyperjobs-store")
    frozen = stack.until_received("HyperJobsFrozen", "team-infra")
    assert (frozen["labels"]["reason"], frozen["labels"]["severity"]) == ("damaged", "warning")
    assert "HyperJobsFrozen" not in stack.received.names("on-call")

    write(stack.store, page, sound)
    assert stack.run("integrity") == 0
    stack.until_received("HyperJobsIntegrityFailed", "on-call", "resolved")
    assert not stack.received.alerts("HyperJobsFrozen", "resolved")  # that is for a person to say
    assert stack.run("unfreeze", "--reason", "the page was put right") == 0

    ended = stack.until_received("HyperJobsFrozen", "team-infra", "resolved")
    assert ended["endsAt"] > ended["startsAt"]
    assert json.loads(json.dumps(ended["labels"])) == frozen["labels"]


def damage(path: Path) -> tuple[int, bytes]:
    """Overwrite a page of jobs as a bad disk does; its place and what was there."""
    db = apsw.Connection(str(path))
    db.set_busy_timeout(BUSY_MS)
    pages = db.execute("SELECT pageno FROM dbstat WHERE name='jobs' AND pagetype='leaf' ORDER BY path").fetchall()
    size = db.pragma("page_size")
    db.pragma("wal_checkpoint(PASSIVE)")
    db.close()
    place = (pages[len(pages) // 2][0] - 1) * size
    with path.open("rb") as file:
        file.seek(place)
        sound = file.read(size)
    write(path, place, os.urandom(size))
    return place, sound


def write(path: Path, place: int, data: bytes) -> None:
    """Change the main file, under SQLite."""
    with path.open("r+b") as file:
        file.seek(place)
        file.write(data)
