"""audit verify and audit show, beside the real agent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.processes import agent, until
from support.stores import script, shell

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def audited(hj, tmp_path: Path):
    """The program beside a store whose agent wrote an audit log with codes, and ended."""
    log, key = tmp_path / "audit.jsonl", tmp_path / "key"
    key.write_text("0123456789abcdef0123456789abcdef\n")
    config = tmp_path / "hyperjobs.yaml"
    config.write_text(
        f"store: {{path: {hj.store}, state_dir: {tmp_path / 'state'}}}\naudit: {{path: {log}, key_file: {key}}}\n"
    )
    with agent(hj.store, state_dir=tmp_path / "state", arguments=("--config", str(config))):
        until(lambda: log.exists() and log.read_bytes().count(b"\n") == 1, "the log was begun")
        script(hj.store, "UPDATE jobs SET status='completed' WHERE id='job-4'", "DELETE FROM jobs WHERE id='job-5'")
        until(lambda: log.read_bytes().count(b"\n") == 3, "the changes are in the log")
        until(lambda: shell(hj.store, "SELECT count(*) FROM hyperjobs_audit") == "0\n", "the store knows that they are")
    hj.environment["HYPERJOBS_CONFIG"] = str(config)
    return log


@pytest.mark.usefixtures("audited")
def test_a_log_that_is_whole_says_so_and_what_is_in_it(hj):
    whole = hj.run("audit", "verify", "--json")
    shown = hj.run("audit", "show", "--job", "job-4")

    assert whole.returncode == 0
    found = json.loads(whole.stdout)
    assert (found["whole"], found["anchored"], found["lines"], found["waiting"]) == (True, True, 3, 0)
    assert shown.stdout.split("\t")[2:] == ["job-4", "vsphere", "running", "completed", "writer\n"]
    assert len(hj.run("audit", "show", "--since", "2020-01-01", "--json").stdout.splitlines()) == 3
    assert hj.run("audit", "show", "--until", "2020-01-01").stdout == ""


def test_a_line_that_was_touched_is_named_and_the_answer_is_three(hj, audited):
    audited.write_bytes(audited.read_bytes().replace(b'"completed"', b'"failed"'))

    done = hj.run("audit", "verify")

    assert done.returncode == 3
    assert done.stdout.startswith(f"{audited}:2: line 2 was not written with this key, or was altered\n")


def test_lines_cut_off_are_found_by_the_store_and_by_a_head_alone(hj, audited, tmp_path):
    head = json.loads(hj.run("audit", "verify", "--json").stdout)["head"]
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(b"".join(audited.read_bytes().splitlines(keepends=True)[:2]))

    alone = hj.run("audit", "verify", str(copy))
    by_head = hj.run("audit", "verify", str(copy), "--head", head)
    by_store = hj.run("audit", "verify", str(copy), "--store", str(hj.store))

    assert (alone.returncode, "not proven" in alone.stdout) == (0, True)
    assert (by_head.returncode, by_store.returncode) == (3, 3)
    assert hj.run("audit", "verify", "--head", "x").returncode == 2


def test_without_a_log_it_says_how_to_have_one(hj):
    done = hj.run("audit", "verify")

    assert done.returncode == 2
    assert "audit.path" in done.stderr
    assert hj.run("audit", "verify", "none.jsonl").returncode == 7


def test_an_audit_of_a_store_that_is_only_scanned_is_refused(hj, tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text(f"store: {{path: {hj.store}, ledger: scan}}\naudit: {{path: {tmp_path / 'a'}}}\n")

    done = hj.run("config", "check", "--config", str(config))

    assert done.returncode == 2
    assert "triggers" in done.stderr
