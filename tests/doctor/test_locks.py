"""Who is in whose way: real processes with real locks, named with their pid, program and lock."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from hyperjobs.store.locks import locks_on, unseen
from support.holders import execute, held

OFD = """
import fcntl, os, struct, sys
fd = os.open(sys.argv[1], os.O_RDWR)
# struct flock of a 64-bit Linux: type, whence, start, len, pid
fcntl.fcntl(fd, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0x40000001, 1, 0))
print("held", flush=True); sys.stdin.read()
"""


def test_a_free_lock_is_ok_and_says_who_has_the_store_open(host):
    with held(host.store, "SELECT 1 FROM jobs") as pid:
        found = host.one("lock")

    assert (found["level"], found["detail"]["openers"]) == ("ok", [pid])


def test_a_writer_that_does_not_let_go_is_named_and_answers_4(host):
    host.options["store"].pop("busy_timeout")  # as by default: as long as hypersdk waits
    host.write()
    with held(host.store, "BEGIN IMMEDIATE") as pid:
        code, findings = host.doctor("--only", "lock")

    [found] = [each for each in findings if each["check"] == "lock"]
    assert (code, found["level"], found["exit_code"]) == (4, "failed", 4)
    assert (found["detail"]["pid"], found["detail"]["locks"]) == (pid, ["wal-write"])
    assert f"pid {pid} (python" in found["message"]
    assert f"kill {pid}" in found["remedy"]


def test_a_stopped_writer_gets_the_remedy_that_lets_it_go_on(host):
    with held(host.store, "BEGIN IMMEDIATE", "UPDATE jobs SET progress=1") as pid:
        os.kill(pid, signal.SIGSTOP)
        try:
            found = host.one("lock")
        finally:
            os.kill(pid, signal.SIGCONT)

    assert found["level"] == "failed"
    assert found["detail"]["is_stopped"]
    assert found["remedy"].startswith(f"kill -CONT {pid}")


def test_a_store_locked_as_a_whole_is_locked_and_not_missing(bare):
    bare.make({}, mode="delete")
    with held(bare.store, "BEGIN EXCLUSIVE") as pid:
        code, findings = bare.doctor()

    by_name = {each["check"]: each for each in findings}
    assert code == 4
    assert by_name["store"]["exit_code"] == 4
    assert by_name["lock"]["detail"]["pid"] == pid
    assert "exclusive" in by_name["lock"]["detail"]["locks"]
    assert by_name["rows"]["level"] == "skipped"


def test_a_stopped_reader_that_pins_the_wal_is_named_with_how_far_it_is_behind(host):
    with held(host.store, "BEGIN", "SELECT * FROM jobs") as pid:
        os.kill(pid, signal.SIGSTOP)
        try:
            execute(host.store, *(f"UPDATE jobs SET progress={n}" for n in range(5)))  # noqa: S608 - a number
            found = host.one("wal")
        finally:
            os.kill(pid, signal.SIGCONT)

    assert found["level"] == "warning"
    assert found["detail"]["pid"] == pid
    assert found["detail"]["frames_behind"] >= 5
    assert f"kill -CONT {pid}" in found["remedy"]


def test_of_two_readers_the_one_that_is_farther_behind_is_named(host):
    with held(host.store, "BEGIN", "SELECT * FROM jobs") as older:
        execute(host.store, "UPDATE jobs SET progress=1")
        with held(host.store, "BEGIN", "SELECT * FROM jobs"):
            execute(host.store, "UPDATE jobs SET progress=2")
            found = host.one("wal")

    assert found["detail"]["pid"] == older


def test_a_lock_of_an_open_file_description_is_traced_to_its_process(bare):
    bare.make({}, mode="delete")
    with subprocess.Popen(
        [sys.executable, "-c", OFD, bare.store], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout.readline() == "held\n"
            found = locks_on(bare.store)
        finally:
            process.kill()

    assert [(each.name, each.pid) for each in found] == [("reserved", process.pid)]


def test_a_visit_takes_no_lock_that_stops_a_writer(host):
    with held(host.store, "PRAGMA busy_timeout=0"):
        host.doctor("--only", "rows")
        host.sql("PRAGMA busy_timeout=0", "UPDATE jobs SET progress=3")  # nothing was left locked

    assert host.sql("SELECT max(progress) FROM jobs") == [(3.0,)]


@pytest.mark.tool("sqlite3")
def test_the_sqlite_of_a_writer_is_told_and_one_with_the_reset_bug_is_a_warning(host):
    with subprocess.Popen(["sqlite3", host.store], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as shell:
        try:
            shell.stdin.write("SELECT sqlite_version() FROM jobs LIMIT 1;\n")
            shell.stdin.flush()
            version = shell.stdout.readline().strip()
            _, findings = host.doctor("--only", "sqlite")
        finally:
            shell.kill()

    [found] = [each for each in findings if each["check"] == "sqlite"]
    assert [(each["pid"], each["sqlite"]) for each in found["detail"]["others"]] == [(shell.pid, version)]
    if version.startswith("3.40."):
        assert found["level"] == "warning"
        assert version in found["message"]


def test_what_cannot_be_seen_from_here_is_said_to_another_user(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 65534)

    assert "other users" in unseen()


BUSY = """
import apsw, sys
db = apsw.Connection(sys.argv[1]); db.set_busy_timeout(5_000)
print("busy", flush=True)
n = 0
while True:
    n += 1
    db.execute("BEGIN IMMEDIATE"); db.execute("UPDATE jobs SET progress=?", (n % 100,)); db.execute("COMMIT")
"""


def test_a_writer_that_commits_all_the_time_has_not_locked_the_store(host):
    with subprocess.Popen([sys.executable, "-c", BUSY, host.store], stdout=subprocess.PIPE, text=True) as writer:
        try:
            assert writer.stdout.readline() == "busy\n"
            code, findings = host.doctor()
        finally:
            writer.kill()

    assert code == 0
    assert [each["level"] for each in findings if each["check"] == "lock"] == ["ok"]
