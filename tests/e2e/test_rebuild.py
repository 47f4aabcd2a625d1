"""A store that a real agent looked after is lost and made again from the pieces the agent left, and the agent goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import closing

import apsw

from support.ledgers import insert, make_store
from support.lives import rows_of, statuses_of
from support.processes import agent


def test_a_lost_store_comes_back_and_its_agent_counts_on(tmp_path):
    store, log = make_store(tmp_path / "jobs.db"), tmp_path / "audit.jsonl"
    environment = {
        "HYPERJOBS_STORE__PATH": str(store),
        "HYPERJOBS_STORE__STATE_DIR": str(tmp_path / "state"),
        "HYPERJOBS_AUDIT__PATH": str(log),
        "HYPERJOBS_MAINTENANCE__BACKUP__DIRECTORY": str(tmp_path / "backups"),
        "HYPERJOBS_MAINTENANCE__PRUNE__RETENTION__FAILED": "30d",
    }

    def ours(*words):
        command = [sys.executable, "-m", "hyperjobs", *words]
        done = subprocess.run(
            command,
            env={**os.environ, **environment, "HOME": str(tmp_path)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def save(*jobs):
        with closing(apsw.Connection(str(store))) as db:
            db.set_busy_timeout(10_000)
            for job, status in jobs:
                insert(db, job, status, created="2020-01-01 10:00:00+00:00")

    def lines():
        return [json.loads(line) for line in log.read_bytes().splitlines()] if log.exists() else []

    with agent(store, state_dir=tmp_path / "state", env=environment) as running:
        save(("old", "failed"), ("a", "running"), ("b", "running"), ("c", "pending"))
        running.process.until(lambda: {line["job"] for line in lines()} >= {"old", "a", "b", "c"}, "the audit log")
        ours("prune", "--yes")
        ours("backup", "create")
        save(("b", "completed"), ("d", "pending"))
        running.process.until(
            lambda: {line["new"] for line in lines() if line["job"] == "b"} >= {"completed"}, "b's end"
        )
        running.process.until(lambda: any(line["job"] == "d" for line in lines()), "d")
        before = running.samples()
        assert running.stop() == 0
    lost = rows_of(store)
    for path in tmp_path.glob("jobs.db*"):
        path.unlink()

    said = json.loads(ours("rebuild", "--to", "new.db", "--json"))
    assert (said["jobs"], said["pruned"], said["ids"]["audit"], said["ids"]["moved"]) == (4, 1, ["d"], ["b"])
    found = rows_of(tmp_path / "new.db")
    assert statuses_of(found) == statuses_of(lost) == {"a": "running", "b": "completed", "c": "pending", "d": "pending"}
    assert all(found[job] == lost[job] for job in "ac")

    (tmp_path / "new.db").rename(store)
    with agent(store, state_dir=tmp_path / "state", env=environment) as running:
        after = running.until(lambda samples: samples if samples.get("hyperjobs_ledger_ready") else None, "the count")
        counted = {
            name: value
            for name, value in before.items()
            if name.startswith(("hyperjobs_jobs{", "hyperjobs_jobs_created_total", "hyperjobs_jobs_finished_total"))
        }
        assert counted
        assert {name: after[name] for name in counted} == counted
        assert ours("audit", "verify").startswith(f"{log}: whole")
        assert "running" in ours("history", "b")
