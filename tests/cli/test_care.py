"""``hyperjobs integrity|vacuum|checkpoint|reindex|optimize|drill|prune|runs|pause|freeze``: the real program on a real store."""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime, timedelta

import apsw
import pytest

from hyperjobs.clock import SystemClock
from hyperjobs.store.state import StateFile
from hyperjobs.store.timekeeper import Timekeeper

RETENTION = {"HYPERJOBS_MAINTENANCE__PRUNE__RETENTION__COMPLETED": "365d"}


@pytest.fixture
def hj(hj):
    return hj.in_its_place(HYPERJOBS_MAINTENANCE__RESERVE="0")


def add_old_jobs(hj, count=20):
    db = apsw.Connection(str(hj.store))
    ended = str(datetime.now(UTC) - timedelta(days=400))
    with db:
        for number in range(count):
            db.execute(
                "INSERT INTO jobs VALUES(?,'n','vm','/vm','vsphere','/out','completed',?,?,?,100.0,'','null','',1,1)",
                (f"old-{number}", ended, ended, ended),
            )
    db.close()


def jobs_in(hj):
    db = apsw.Connection(str(hj.store))
    try:
        return db.execute("SELECT count(*) FROM jobs").fetchall()[0][0]
    finally:
        db.close()


@pytest.mark.parametrize("command", ["integrity", "vacuum", "checkpoint", "optimize"])
def test_a_task_by_hand_says_what_it_did_in_one_line_and_is_in_the_record(hj, command):
    done = hj.run(command)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1
    (run,) = [json.loads(line) for line in hj.run("runs", "--json").stdout.splitlines()]
    assert run["task"].startswith(command)
    assert run["slot"] is None
    assert run["summary"] == done.stdout.rstrip("\n")


@pytest.mark.parametrize("command", ["integrity", "vacuum", "checkpoint", "optimize", "reindex", "prune"])
def test_a_dry_run_records_nothing_and_needs_no_yes(hj, command):
    done = hj.run(command, "--dry-run")

    assert (done.returncode, done.stderr) == (0, "")
    assert hj.run("runs").stdout == ""


def test_reindex_asks_and_without_a_terminal_wants_a_yes(hj):
    assert hj.run("reindex").returncode == 2
    done = hj.run("reindex", "idx_user", "--yes", "--json")

    assert done.returncode == 0
    assert json.loads(done.stdout)["outcome"] == "ok"
    assert [index["name"] for index in json.loads(done.stdout)["detail"]["indexes"]] == ["idx_user"]
    assert hj.run("reindex", "idx_wrong", "--yes").returncode == 1


def test_vacuum_convert_asks_and_writes_the_store_anew_once(hj):
    rows = hj.sql("SELECT * FROM jobs")
    assert hj.sql("PRAGMA auto_vacuum") == [(0,)]
    assert hj.run("vacuum", "--convert", "--mode", "full").returncode == 2
    foreseen = hj.run("vacuum", "--convert", "--force", "--dry-run")
    assert foreseen.returncode == 0
    assert hj.run("vacuum", "--convert", "--force").returncode == 2  # nobody there to be asked
    assert hj.sql("PRAGMA auto_vacuum") == [(0,)]

    done = hj.run("vacuum", "--convert", "--force", "--yes", "--json")

    assert (done.returncode, json.loads(done.stdout)["outcome"]) == (0, "ok")
    assert hj.sql("PRAGMA auto_vacuum") == [(2,)]
    assert hj.sql("SELECT * FROM jobs") == rows
    assert hj.sql("PRAGMA integrity_check") == [("ok",)]
    again = hj.run("vacuum", "--convert", "--yes", "--json")
    assert (again.returncode, json.loads(again.stdout)["reason"]) == (0, "already_incremental")


def test_a_drill_without_a_backup_is_one_line_and_exit_7_and_with_one_it_passes(hj):
    failed = hj.run("drill")
    assert (failed.returncode, failed.stdout, failed.stderr.count("\n")) == (7, "", 1)

    assert hj.run("backup", "create").returncode == 0
    passed = hj.run("drill", "--json")
    assert passed.returncode == 0
    assert json.loads(passed.stdout)["detail"]["jobs"] == 5
    outcomes = [line.split("\t")[1:3] for line in hj.run("runs").stdout.splitlines()]
    assert outcomes == [["drill", "ok"], ["backup", "ok"], ["drill", "failed"]]


def test_damage_is_exit_3_freezes_and_unfreeze_ends_it(hj):
    shutil.copyfile(hj.store, hj.store.with_suffix(".good"))
    data = bytearray(hj.store.read_bytes())
    data[4096 * 2 : 4096 * 3] = b"X" * 4096
    hj.store.write_bytes(data)

    checked = hj.run("integrity")
    assert (checked.returncode, checked.stderr.count("\n")) == (3, 1)

    refused = hj.in_its_place(**RETENTION).run("prune", "--yes")
    assert refused.returncode == 6
    assert "unfreeze" in refused.stderr
    shutil.copyfile(hj.store.with_suffix(".good"), hj.store)
    assert "unfrozen: damaged" in hj.run("unfreeze", "--reason", "restored").stdout
    assert hj.in_its_place(**RETENTION).run("prune", "--yes").returncode == 0


def test_prune_without_a_retention_deletes_nothing_and_with_one_it_asks(hj):
    add_old_jobs(hj)
    assert hj.run("prune", "--yes").returncode == 0
    assert jobs_in(hj) == 25

    set_ = hj.in_its_place(**RETENTION, HYPERJOBS_MAINTENANCE__PRUNE__MAX_SHARE="100%")
    assert "would prune 20 of 25" in set_.run("prune", "--dry-run").stdout
    assert set_.run("prune").returncode == 2
    assert jobs_in(hj) == 25
    assert set_.run("prune", "--yes").returncode == 0
    assert jobs_in(hj) == 5
    assert set_.run("prune", "undo", "latest", "--yes").returncode == 0
    assert jobs_in(hj) == 25


def test_a_clock_that_jumped_is_refused_until_a_person_trusts_it_for_good(hj):
    add_old_jobs(hj)
    set_ = hj.in_its_place(**RETENTION)
    assert set_.run("runs").returncode == 0
    clock = SystemClock()
    state = StateFile(hj.store.parent / "state", hj.store, clock=clock)

    class YearAgo(SystemClock):
        def now(self):
            return super().now() - timedelta(days=365)

    Timekeeper(state, clock=YearAgo(), max_jump=timedelta(days=1)).read()
    state.close()

    refused = set_.run("prune", "--yes")
    assert refused.returncode == 6
    assert "--trust-clock" in refused.stderr
    assert set_.run("prune", "--trust-clock", "--yes").returncode == 0
    add_old_jobs(hj, 0)
    assert set_.run("prune", "--yes").returncode == 0


def test_a_pause_has_a_length_a_reason_and_an_end(hj):
    assert hj.run("pause", "--for", "0s", "--reason", "x").returncode == 2
    assert hj.run("pause", "--for", "2h").returncode == 2
    assert "paused until" in hj.run("pause", "--for", "2h", "--reason", "storage work").stdout
    assert hj.run("vacuum").returncode == 0  # a person may
    assert "storage work" in hj.run("resume").stdout
    assert "not paused" in hj.run("resume").stdout


def test_a_damaged_state_file_is_refused_and_left_for_the_agent(hj):
    hj.run("freeze", "--reason", "look")
    (state,) = (hj.store.parent / "state").glob("*.db")
    data = bytearray(state.read_bytes())
    data[4096 : 4096 * 2] = b"X" * 4096
    state.write_bytes(data)

    done = hj.run("runs")

    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert "restart the agent" in done.stderr
    assert [path.name for path in state.parent.glob("*damaged*")] == []


@pytest.mark.tool("root")
def test_root_leaves_nothing_that_the_agents_user_could_not_write_to(hj):
    place, nobody = hj.store.parent, 65534
    (place / "state").mkdir(mode=0o750)
    for path in (place, hj.store, place / "state"):
        os.chown(path, nobody, nobody)
    for parent in [place, *place.parents]:
        if parent.stat().st_uid == 0 and not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o001)  # the test's own folders, so that the user gets there
    add_old_jobs(hj)
    set_ = hj.in_its_place(**RETENTION)

    for command in (["prune", "--yes"], ["backup", "create"], ["checkpoint"]):
        done = set_.run(*command)
        assert done.returncode == 0, done.stderr

    made = [*(place / "state").rglob("*"), *(place / "backups").rglob("*"), place / "backups"]
    assert {path.stat().st_uid for path in made} == {nobody}


def test_a_backup_before_work_on_a_store_that_a_person_froze_counts(hj):
    hj.run("freeze", "--reason", "before the migration")

    assert "verified" in hj.run("backup", "create").stdout
    assert hj.run("backup", "list").stdout.split("\t")[2] == "verified"


def test_two_restores_in_one_second_keep_both_stores(hj):
    assert hj.run("backup", "create").returncode == 0
    done = hj.shell("hj restore --yes && hj restore --yes && hj restore --yes")

    assert done.returncode == 0, done.stderr
    assert len(list(hj.store.parent.glob("jobs.db.before-restore-*"))) == 3


def test_a_backup_by_name_and_by_time_is_refused(hj):
    assert hj.run("restore", "jobs-20260910T120000Z-0001.db", "--at", "now").returncode == 2


def test_a_directory_that_is_not_there_is_no_empty_list(hj):
    missing = hj.run("backup", "list", "--dir", str(hj.store.parent / "nowhere"))

    assert (missing.returncode, missing.stderr.count("\n")) == (7, 1)


def test_the_state_file_is_for_its_owner_and_group(hj):
    hj.run("runs")
    (state,) = (hj.store.parent / "state").glob("*.db")

    assert state.stat().st_mode & 0o777 == 0o640
