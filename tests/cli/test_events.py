"""What a person does to a store is in ``hyperjobs runs``, with who did it, and each command says it in JSON too."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
from dataclasses import replace

import apsw
import pytest

from hyperjobs.cli.person import person
from hyperjobs.cli.runs import runs_command
from hyperjobs.store.events import EventKind


@pytest.fixture
def hj(hj):
    return hj.in_its_place(
        HYPERJOBS_MAINTENANCE__RESERVE="0",
        HYPERJOBS_MAINTENANCE__PRUNE__RETENTION__COMPLETED="1h",
        HYPERJOBS_MAINTENANCE__PRUNE__MAX_SHARE="100%",
    )


def said(hj, *words):
    done = hj.run(*words)
    assert (done.returncode, done.stderr) == (0, ""), done
    return json.loads(done.stdout)


def events(hj, *words):
    found = [json.loads(line) for line in hj.run("runs", "--json", *words).stdout.splitlines()]
    return [each for each in found if each["kind"] == "event"]


def test_a_freeze_and_its_end_are_recorded_once_with_who_did_it(hj):
    frozen = said(hj, "freeze", "--reason", "moving", "--json")
    again = said(hj, "freeze", "--reason", "moving", "--json")
    ended = said(hj, "unfreeze", "--reason", "moved", "--json")
    nothing = said(hj, "unfreeze", "--reason", "moved", "--json")

    assert (frozen["is_news"], again["is_news"]) == (True, False)
    assert [held["message"] for held in ended["ended"]] == ["moving"]
    assert nothing["ended"] == []
    newest, first = events(hj)
    assert [newest["task"], first["task"]] == ["unfreeze", "freeze"]
    assert (first["by"], first["host"], first["outcome"]) == (person(), socket.gethostname(), "ok")
    assert first["summary"] == "frozen: moving"


def test_a_pause_and_its_end_are_recorded(hj):
    paused = said(hj, "pause", "--for", "2h", "--reason", "storage", "--json")
    over = said(hj, "resume", "--json")

    assert paused["paused"] is True
    assert over["ended"]["until"] == paused["until"]
    assert [each["task"] for each in events(hj)] == ["resume", "pause"]
    assert said(hj, "resume", "--json")["ended"] is None
    assert len(events(hj)) == 2


def test_damage_that_a_check_finds_is_an_event_of_the_agents_own(hj):
    db = apsw.Connection(str(hj.store))
    db.execute("PRAGMA journal_mode=DELETE").fetchall()
    root, size = db.execute("SELECT rootpage FROM sqlite_schema WHERE name='idx_user'").fetchall()[0][0], 4096
    db.close()
    with hj.store.open("r+b") as file:
        file.seek((root - 1) * size + 8)
        file.write(b"\xff" * 200)

    assert hj.run("integrity").returncode == 3

    (found,) = events(hj)
    assert (found["task"], found["by"]) == ("freeze", "hyperjobs")


@pytest.mark.parametrize(
    ("words", "how"), [((), "swap"), (("--live",), "live"), (("--job", "job-1", "--replace"), "jobs")]
)
def test_a_restore_is_recorded_and_its_plan_and_result_are_json(hj, words, how):
    assert hj.run("backup", "create").returncode == 0

    plan = said(hj, "restore", "--dry-run", "--json", *words)
    assert events(hj) == []
    done = said(hj, "restore", "--yes", "--json", *words)

    assert (plan["done"], done["done"]) == (False, True)
    assert plan["how"] == done["how"] == how
    assert done["jobs"] == (1 if how == "jobs" else 5)
    assert (done["kept"] is None) == (how == "jobs")
    (found,) = events(hj)
    assert found["task"] == "restore"
    assert found["detail"]["backup"] == done["backup"]
    assert found["started_at"] <= found["ended_at"]


def test_a_restore_to_a_new_file_is_recorded_for_the_store(hj, tmp_path):
    assert hj.run("backup", "create").returncode == 0

    done = said(hj, "restore", "--to", str(tmp_path / "look.db"), "--json")

    assert done["how"] == "new"
    assert [each["detail"]["how"] for each in events(hj, "restore")] == ["new"]


def test_a_restore_that_cannot_be_recorded_is_done_all_the_same_and_says_so(hj):
    assert hj.run("backup", "create").returncode == 0
    no_directory = {"HYPERJOBS_STORE__STATE_DIR": str(hj.store)}

    done = hj.run("restore", "--live", "--yes", env=no_directory)

    assert done.returncode == 0
    assert done.stdout.startswith("restored ")
    assert "'hyperjobs runs' will not know of it" in done.stderr


def test_an_undo_is_recorded_and_a_dry_one_is_not(hj):
    assert hj.run("prune", "--yes", "--trust-clock").returncode == 0

    would = said(hj, "prune", "undo", "latest", "--dry-run", "--json")
    assert events(hj) == []
    done = said(hj, "prune", "undo", "latest", "--yes", "--json")

    assert (would["returned"], done["returned"]) == (2, 2)
    (found,) = events(hj)
    assert (found["task"], found["detail"]["returned"]) == ("undo", 2)


def test_backups_pruned_by_hand_are_recorded(hj):
    for _ in range(3):
        assert hj.run("backup", "create").returncode == 0
    words = ("backup", "prune", "--keep-last", "1", "--minimum", "1")

    assert hj.run(*words, "--dry-run").returncode == 0
    assert events(hj) == []
    assert hj.run(*words, "--yes").returncode == 0

    (found,) = events(hj)
    assert found["task"] == "backup-prune"
    assert len(found["detail"]["deleted"]) == 2


def test_runs_and_events_come_in_the_order_of_time_and_one_kind_can_be_asked_for(hj):
    hj.run("freeze", "--reason", "x")
    hj.run("checkpoint")
    hj.run("unfreeze", "--reason", "y")

    lines = [line.split("\t") for line in hj.run("runs").stdout.splitlines()]

    assert [line[1] for line in lines] == ["unfreeze", "checkpoint", "freeze"]
    assert [line[5] for line in lines] == [person(), "", person()]
    assert [line.split("\t")[1] for line in hj.run("runs", "freeze").stdout.splitlines()] == ["freeze"]
    assert [line.split("\t")[1] for line in hj.run("runs", "--limit", "1").stdout.splitlines()] == ["unfreeze"]


def test_the_help_of_runs_names_every_kind_of_event():
    said = set(re.findall(r"[a-z-]+", runs_command.help))

    assert set(map(str, EventKind)) <= said


def test_a_verify_is_one_line_of_json_a_backup_also_of_one_that_fails(hj):
    for compression in ("none", "zstd"):
        assert hj.run("backup", "create", "--compression", compression).returncode == 0
    (plain,) = (hj.store.parent / "backups").glob("*.db")
    raw = bytearray(plain.read_bytes())
    raw[-1] ^= 1
    plain.write_bytes(raw)

    done = hj.run("backup", "verify", "--all", "--json")

    assert done.returncode == 3
    bad, good = [json.loads(line) for line in done.stdout.splitlines()]
    assert (bad["whole"], good["whole"]) == (False, True)
    assert "sha256" in bad["found"]
    assert good["jobs"] == 5


def test_a_destination_is_pruned_by_the_same_rules_and_its_own_record(hj, tmp_path):
    nas = tmp_path / "nas"
    nas.mkdir(mode=0o700)
    configured = replace(
        hj,
        environment={
            **hj.environment,
            "HYPERJOBS_MAINTENANCE__BACKUP__DESTINATIONS": json.dumps([{"name": "nas", "directory": str(nas)}]),
        },
    )
    for _ in range(3):
        assert configured.run("backup", "create").returncode == 0
    words = ("backup", "prune", "--from", "nas", "--keep-last", "1", "--minimum", "1")

    plan = configured.run(*words, "--dry-run")
    assert [line.split("\t")[0] for line in plan.stdout.splitlines()] == ["keep", "delete", "delete"]
    assert len(list(nas.glob("*.db.zst"))) == 3
    done = configured.run(*words, "--yes", "--json")

    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["action"] for line in done.stdout.splitlines()] == ["keep", "delete", "delete"]
    assert len(list(nas.glob("*.db.zst"))) == 1
    assert len(list((tmp_path / "backups").glob("*.db.zst"))) == 3
    assert events(configured)[0]["detail"]["place"] == str(nas)


def test_a_file_is_adopted_and_a_damaged_backup_deleted_by_hand(hj, tmp_path):
    for _ in range(3):
        assert hj.run("backup", "create", "--compression", "none").returncode == 0
    first = min((tmp_path / "backups").glob("*.db"))
    first.with_name(f"{first.name}.json").unlink()

    assert said(hj, "backup", "adopt", str(first), "--json")["jobs"] == 5
    first.with_name(f"{first.name}.failed").write_text("{}")
    assert hj.run("backup", "prune", "--damaged", "--yes").returncode == 0

    assert not first.exists()
    assert [each["task"] for each in events(hj)] == ["backup-prune", "backup-adopt"]


@pytest.mark.parametrize(
    ("words", "task"),
    [
        (("restore", "--job", "job-1", "--replace", "--yes"), "restore"),
        (("backup", "adopt", "copy.db"), "backup-adopt"),
        (("copy", "copy.db", "{store}", "--policy", "newer", "--yes"), "copy"),
        (("salvage", "--to", "new.db"), "salvage"),
        (("prune", "undo", "latest", "--yes"), "undo"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_was_done_is_recorded_though_nobody_reads_the_answer(hj, words, task):
    hj.run("backup", "create")
    assert hj.run("restore", "--to", "copy.db").returncode == 0
    assert hj.run("prune", "--yes").returncode == 0
    before = len(events(hj))
    reader, writer = os.pipe()
    os.close(reader)
    done = hj.run_bare(
        *(word.replace("{store}", str(hj.store)) for word in words),
        env=hj.env({"HYPERJOBS_STORE__PATH": str(hj.store), "PYTHONUNBUFFERED": "1"}),
        capture_output=False, stdout=writer, stderr=subprocess.PIPE,
    )  # fmt: skip
    os.close(writer)

    assert done.returncode in {-signal.SIGPIPE, 128 + signal.SIGPIPE}, done
    found = events(hj)
    assert (len(found), found[0]["task"]) == (before + 1, task)
