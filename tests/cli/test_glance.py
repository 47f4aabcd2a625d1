"""``hyperjobs`` alone: how the store is, in ten lines, and what to do next."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hyperjobs.agent.lock import AgentLock
from support.imports import loaded


@pytest.fixture
def hj(hj):
    return hj.in_its_place()


def lines(done):
    return dict(line.split(maxsplit=1) for line in done.stdout.splitlines())


def files(folder):
    return sorted(str(path) for path in Path(folder).rglob("*"))


def test_it_says_how_the_store_is_in_ten_lines_and_writes_nothing(hj):
    hj.run("list")  # as every reader of a store in WAL mode it leaves SQLite's own two files
    before = files(hj.store.parent)

    done = hj.run()
    told = lines(done)

    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) <= 10
    assert told["store"].startswith(f"{hj.store} (no ledger), ")
    assert told["jobs"] == "5: 1 pending, 1 running, 2 completed, 1 failed"
    assert told["agent"].startswith("none")
    assert "no verified one" in told["backup"]
    assert told["do"] == "take a backup: hyperjobs backup create"
    assert "--help" in told["help"]
    assert files(hj.store.parent) == before


def test_with_a_ledger_the_numbers_are_the_ledgers(hj):
    assert hj.run("install").returncode == 0
    hj.sql("INSERT INTO jobs SELECT 'new',name,vm_name,vm_path,provider,output_dir,'running',created_at,started_at,"
        "NULL,0,'','null',user,0,0 FROM jobs WHERE id='job-1'")  # fmt: skip

    told = lines(hj.run())

    assert told["jobs"].startswith("6: ")
    assert "2 running" in told["jobs"]
    assert told["running"].startswith("2, the longest for ")


def test_the_success_of_a_day_and_a_week_has_its_number_of_jobs(hj):
    hj.sql(
        "UPDATE jobs SET completed_at=strftime('%Y-%m-%d %H:%M:%S+00:00','now','-2 hours') WHERE id IN ('job-1','job-3')",
    )

    assert lines(hj.run())["success"] == "50.0% of 2 in 24h, 50.0% of 2 in 7d"


def test_a_backup_and_an_agent_and_what_it_does_next_are_told(hj):
    assert hj.run("backup", "create").returncode == 0
    lock = AgentLock(hj.store, hj.store.parent / "state")
    lock.acquire()
    try:
        told = lines(hj.run())
    finally:
        lock.release()

    assert told["agent"] == f"pid {os.getpid()} looks after it"
    assert told["backup"].startswith("the newest verified is ")
    assert " at 20" in told["next"]
    assert told["do"] == "nothing: all is well"


def test_a_freeze_comes_before_all_other_advice(hj):
    hj.run("freeze", "--reason", "page 7")
    hj.run("pause", "--for", "2h", "--reason", "storage")

    told = lines(hj.run())

    assert "page 7" in told["frozen"]
    assert "storage" in told["paused"]
    assert "unfreeze" in told["do"]


def test_jobs_that_stand_still_are_told_where_an_agent_watches(hj):
    from hyperjobs.clock import SystemClock  # noqa: PLC0415 - only here
    from hyperjobs.store.state import StateFile  # noqa: PLC0415 - as above

    state = StateFile(hj.store.parent / "state", hj.store, clock=SystemClock())
    state.save_progress({"job-4": (45.5, SystemClock().now().timestamp() - 7200), "job-5": (0.0, 0.0)})
    state.close()
    assert "stalled" not in lines(hj.run())  # nobody has looked since
    lock = AgentLock(hj.store, hj.store.parent / "state")
    lock.acquire()
    try:
        assert lines(hj.run())["stalled"].startswith("1 of the running jobs")
    finally:
        lock.release()


def test_where_no_store_is_it_says_where_it_looked_and_how_to_name_one(bare):
    done = bare.run_bare()

    assert done.returncode == 7
    for word in ("HYPERJOBS_STORE__PATH", "~/.hypersdk/jobs.db", "--store PATH", "--help"):
        assert word in done.stdout


def test_a_store_that_cannot_be_read_is_told_and_so_is_the_rest(hj):
    hj.store.write_bytes(b"no database" * 1000)

    done = hj.run()

    assert done.returncode == 7
    assert str(hj.store) in lines(done)["store"]
    assert "backup" in lines(done)


def test_it_loads_nothing_that_only_the_agent_needs(hj):
    found = loaded(env=hj.env({"HYPERJOBS_STORE__PATH": str(hj.store)}))

    assert "hyperjobs.cli.program" in found
    assert not found & {"apscheduler", "asyncio", "bcrypt", "boto3", "jinja2", "prometheus_client", "hyperjobs.web.app"}
