"""``install`` and ``uninstall`` on a real store."""

from __future__ import annotations

import fcntl
import os
import pty
import subprocess
import sys

import apsw
import pytest

SCHEMA = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name, type"


def ask(store, sql):
    database = apsw.Connection(str(store))
    try:
        return database.execute(sql).fetchall()
    finally:
        database.close()


def ledger_objects(store):
    return [name for (name,) in ask(store, "SELECT name FROM sqlite_schema WHERE name LIKE 'hyperjobs%'")]


@pytest.fixture
def installed(hj):
    assert hj.run("install").returncode == 0
    return hj


def test_install_adds_the_ledger_and_says_so(hj):
    result = hj.run("install")

    assert result.returncode == 0, result.stderr
    assert "in place" in result.stdout
    assert "hyperjobs_log" in ledger_objects(hj.store)


def test_installing_again_changes_nothing(installed):
    before = ask(installed.store, SCHEMA)

    result = installed.run("install")

    assert "already" in result.stdout
    assert ask(installed.store, SCHEMA) == before


def test_jobs_can_be_written_before_between_and_after(hj):
    for words in (["install"], ["install", "--rebuild"], ["uninstall", "--yes"]):
        assert hj.run(*words).returncode == 0
        ask(hj.store, "UPDATE jobs SET status = 'failed' WHERE id = 'job-4'")

    assert len(hj.run("list").stdout.splitlines()) == 5


def test_uninstall_leaves_the_schema_as_it_was_before_install(hj):
    before = ask(hj.store, SCHEMA)
    hj.run("install")

    result = hj.run("uninstall", "--yes")

    assert result.returncode == 0, result.stderr
    assert ask(hj.store, SCHEMA) == before


def test_uninstall_where_there_is_nothing_is_no_error(hj):
    result = hj.run("uninstall", "--yes")

    assert result.returncode == 0
    assert "no ledger" in result.stdout


def test_a_dry_run_names_what_would_go_and_keeps_it(installed):
    before = ledger_objects(installed.store)

    result = installed.run("uninstall", "--dry-run")

    assert result.returncode == 0
    assert all(name in result.stdout for name in before)
    assert ledger_objects(installed.store) == before


def test_uninstall_without_a_terminal_needs_yes(installed):
    result = installed.run("uninstall", stdin=subprocess.DEVNULL)

    assert result.returncode == 2
    assert "--yes" in result.stderr
    assert ledger_objects(installed.store)


@pytest.mark.parametrize(
    ("answer", "code", "stays"), [("y", 0, False), ("yes", 0, False), ("n", 1, True), ("", 1, True)]
)
def test_uninstall_asks_on_a_terminal(installed, answer, code, stays):
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "hyperjobs", "uninstall"],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=installed.env({"HYPERJOBS_STORE__PATH": str(installed.store)}),
    )
    os.close(theirs)
    os.write(ours, f"{answer}\n".encode())

    _, said = process.communicate(timeout=60)
    os.close(ours)

    assert process.returncode == code, said
    assert b"[y/N]" in said
    assert bool(ledger_objects(installed.store)) is stays


@pytest.mark.parametrize("words", [["uninstall", "--yes"], ["install", "--rebuild"]])
def test_the_ledger_of_a_running_agent_is_left_alone(installed, words):
    lock = installed.store.with_name(f"{installed.store.name}.hyperjobs.lock")
    with lock.open("w") as held:
        held.write("pid 4711\n")
        held.flush()
        fcntl.flock(held, fcntl.LOCK_EX)

        result = installed.run(*words)

    assert result.returncode == 4
    assert "pid 4711" in result.stderr
    assert ledger_objects(installed.store)


@pytest.mark.parametrize("command", ["install", "uninstall"])
def test_another_database_gets_no_ledger(bare, command):
    ask(bare.store, "CREATE TABLE invoices(id)")

    result = bare.run(command, *(["--yes"] if command == "uninstall" else []))

    assert result.returncode == 7
    assert [name for (name,) in ask(bare.store, "SELECT name FROM sqlite_schema")] == ["invoices"]


def test_history_knows_what_the_ledger_saw(installed):
    ask(installed.store, "UPDATE jobs SET status = 'completed' WHERE id = 'job-4'")
    ask(installed.store, "DELETE FROM jobs WHERE id = 'job-5'")

    changed = installed.run("history", "job-4").stdout.splitlines()[-1].split("\t")
    deleted = installed.run("history", "job-5").stdout.splitlines()[-1].split("\t")

    assert changed[1:] == ["running", "completed", "ledger"]
    assert deleted[1:] == ["pending", "", "ledger"]


def test_stats_of_a_period_by_user_say_that_the_ledger_keeps_no_users(installed):
    result = installed.run("stats", "--by", "user", "--since", "7d")

    assert result.returncode == 2
    assert "user" in result.stderr
