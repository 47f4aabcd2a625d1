"""``cancel``, ``retry``, ``set-status`` and ``delete``: the real program on a real store, beside real writers."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading

import apsw
import pytest

from hyperjobs.cli.person import person
from support.stores import held, script

DEADLINE_S = 60


@pytest.fixture
def hj(hj):
    return hj.in_its_place()


def rows(hj):
    return {row[0]: row for row in hj.sql("SELECT * FROM jobs")}


def status(hj, job_id):
    return hj.sql("SELECT status FROM jobs WHERE id=?", values=[job_id])[0][0]


def events(hj, task):
    return [json.loads(line) for line in hj.run("runs", task, "--json").stdout.splitlines()]


class Typing:
    """A person at a terminal: the program asks, and is answered when ``answer`` is called."""

    def __init__(self, hj, *words):
        self._ours, theirs = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "hyperjobs", *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=hj.env({"HYPERJOBS_STORE__PATH": str(hj.store), "TERM": "xterm"}),
            cwd=hj.home,
        )
        os.close(theirs)
        self.text = ""

    def until(self, word):
        while word not in self.text:
            self.text += os.read(self._ours, 4096).decode()
        return self.text

    def answer(self, word):
        os.write(self._ours, f"{word}\n".encode())
        try:
            while chunk := os.read(self._ours, 4096):
                self.text += chunk.decode()
        except OSError:  # the terminal closed with its program
            pass
        code = self._process.wait(DEADLINE_S)
        os.close(self._ours)
        return code


@pytest.mark.parametrize(
    ("words", "job_id", "old", "new"),
    [
        (["cancel", "job-4"], "job-4", "running", "cancelled"),
        (["cancel", "job-5"], "job-5", "pending", "cancelled"),
        (["retry", "job-3"], "job-3", "failed", "pending"),
        (["set-status", "running", "job-5"], "job-5", "pending", "running"),
        (["set-status", "completed", "job-4"], "job-4", "running", "completed"),
        (["set-status", "failed", "job-4", "--error", "host lost"], "job-4", "running", "failed"),
    ],
)
def test_a_job_is_moved_and_who_and_why_are_kept(hj, words, job_id, old, new):
    done = hj.run(*words, "--yes", "--reason", "asked by web team")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{job_id}: {old} -> {new}\n"
    assert status(hj, job_id) == new
    (event,) = events(hj, words[0])
    assert (event["by"], event["reason"], event["outcome"]) == (person(), "asked by web team", "ok")
    assert event["detail"] == {"jobs": 1, "from": {old: 1}, "to": new, "forced": False, "ids": [job_id]}


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["cancel", "job-1"], "completed and cannot become cancelled"),
        (["retry", "job-1"], "cannot become pending"),
        (["retry", "job-4"], "a running job can only become cancelled or completed or failed"),
        (["set-status", "completed", "job-5"], "can only become cancelled or running"),
        (["delete", "job-4"], "'hyperjobs cancel' it first"),
    ],
)
def test_what_the_rules_forbid_is_exit_6_and_changes_nothing_but_by_force_with_a_reason(hj, words, why):
    before = rows(hj)

    refused = hj.run(*words, "--yes")
    unexplained = hj.run(*words, "--yes", "--force")

    assert (refused.returncode, refused.stderr.count("\n")) == (6, 1)
    assert why in refused.stderr
    assert unexplained.returncode == 2
    assert "--reason" in unexplained.stderr
    assert rows(hj) == before
    assert hj.run(*words, "--yes", "--force", "--reason", "its host is gone").returncode == 0
    assert rows(hj) != before
    assert events(hj, words[0])[0]["detail"]["forced"] is True


def test_a_dry_run_changes_nothing_and_says_the_same(hj):
    before = rows(hj)

    dry = hj.run("cancel", "job-4", "job-5", "--dry-run")
    shapes = [json.loads(line) for line in hj.run("cancel", "job-4", "--dry-run", "--json").stdout.splitlines()]

    assert dry.stdout.splitlines() == [
        "job-4: running -> would be cancelled",
        "job-5: pending -> would be cancelled",
    ]
    assert [(each["id"], each["to"], each["dry_run"]) for each in shapes] == [("job-4", "cancelled", True)]
    assert rows(hj) == before
    assert events(hj, "cancel") == []


def test_without_a_terminal_yes_is_needed(hj):
    done = hj.run("cancel", "job-4", stdin=subprocess.DEVNULL)

    assert done.returncode == 2
    assert "--yes" in done.stderr
    assert status(hj, "job-4") == "running"


@pytest.mark.parametrize(("word", "code", "after"), [("y", 0, "cancelled"), ("n", 1, "running"), ("", 1, "running")])
def test_a_person_is_asked_with_the_count_and_only_yes_is_yes(hj, word, code, after):
    person = Typing(hj, "cancel", "job-4", "job-5")

    assert "cancel 2 jobs (1 pending, 1 running)" in person.until("[y/N]")
    assert "does not stop the work" in person.text
    assert person.answer(word) == code
    assert status(hj, "job-4") == after


def test_a_job_that_its_writer_finished_while_the_person_thought_is_left_as_the_writer_has_it(hj):
    person = Typing(hj, "cancel", "job-4", "job-5")
    person.until("[y/N]")
    hj.sql("UPDATE jobs SET status='completed',completed_at='2026-09-10 11:59:59+00:00' WHERE id='job-4'")

    assert person.answer("y") == 4
    assert "a writer changed 'job-4' meanwhile (it was running and is completed now)" in person.text
    assert (status(hj, "job-4"), status(hj, "job-5")) == ("completed", "cancelled")


def test_a_job_whose_writer_reports_progress_meanwhile_is_still_cancelled(hj):
    person = Typing(hj, "cancel", "job-4")
    person.until("[y/N]")
    hj.sql("UPDATE jobs SET progress=99,total_size=5 WHERE id='job-4'")

    assert person.answer("y") == 0
    assert hj.sql("SELECT status,progress,total_size FROM jobs WHERE id='job-4'") == [("cancelled", 99.0, 5)]


def test_atomic_is_all_or_none_also_when_a_writer_is_faster(hj):
    person = Typing(hj, "cancel", "job-4", "job-5", "--atomic")
    person.until("[y/N]")
    hj.sql("UPDATE jobs SET status='failed' WHERE id='job-5'")

    assert person.answer("y") == 4
    assert (status(hj, "job-4"), status(hj, "job-5")) == ("running", "failed")
    assert events(hj, "cancel") == []


def test_one_that_cannot_be_keeps_the_others_from_nothing_unless_atomic(hj):
    atomic = hj.run("cancel", "job-4", "job-1", "nobody", "--yes", "--atomic")
    assert (atomic.returncode, status(hj, "job-4")) == (1, "running")

    single = hj.run("cancel", "job-4", "job-1", "nobody", "--yes")

    assert single.returncode == 1  # 6 and 7 do not agree
    assert single.stdout == "job-4: running -> cancelled\n"
    assert len(single.stderr.splitlines()) == 2
    assert status(hj, "job-4") == "cancelled"


def test_one_that_is_so_already_is_no_failure_and_no_event(hj):
    hj.run("cancel", "job-4", "--yes")
    before = rows(hj)

    again = hj.run("cancel", "job-4", "--yes")

    assert (again.returncode, again.stdout) == (0, "job-4: is cancelled already\n")
    assert rows(hj) == before
    assert len(events(hj, "cancel")) == 1


KILLED = (
    "import os,signal,sys\n"
    "from hyperjobs.cli.program import main\n"
    "from {module} import {owner}\n"
    "{owner}.{name} = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)\n"
    "sys.argv[0] = 'hyperjobs'\n"
    "main()\n"
)


def killed(hj, module, owner, name, *words):
    """Run the program, and kill it where it would call a method."""
    code = KILLED.format(module=module, owner=owner, name=name)
    environment = hj.env({"HYPERJOBS_STORE__PATH": str(hj.store)})
    done = subprocess.run([sys.executable, "-c", code, *words], env=environment, cwd=hj.home, check=False)
    assert done.returncode == -signal.SIGKILL


@pytest.mark.parametrize("words", [["cancel", "job-4"], ["delete", "job-1"], ["set-status", "completed", "job-4"]])
def test_an_edit_that_is_killed_before_it_is_recorded_is_known_all_the_same(hj, words):
    before = rows(hj)
    killed(hj, "hyperjobs.cli.recorded", "Record", "conclude", *words, "--yes", "--reason", "host lost")

    [event] = events(hj, words[0])

    assert rows(hj) != before
    assert (event["outcome"], event["reason"], event["by"]) == ("interrupted", "host lost", person())
    assert event["detail"]["ids"] == [words[-1]]
    assert "begun, and its end is not recorded" in event["summary"]


def test_an_edit_that_is_killed_before_it_was_done_says_no_more_than_that_it_began(hj):
    before = rows(hj)
    killed(hj, "hyperjobs.store.sqlite", "SQLiteJobStore", "transition", "cancel", "job-4", "--yes")

    [event] = events(hj, "cancel")

    assert rows(hj) == before
    assert (event["outcome"], "begun, and its end is not recorded" in event["summary"]) == ("interrupted", True)


@pytest.mark.parametrize("atomic", [[], ["--atomic"]])
@pytest.mark.parametrize("words", [["cancel", "job-4"], ["delete", "job-1"]])
def test_an_edit_that_could_not_be_made_leaves_no_event(hj, words, atomic):
    with held(hj.store):
        assert hj.run(*words, *atomic, "--yes").returncode == 4

    assert events(hj, words[0]) == []


def test_where_the_record_cannot_be_written_the_edit_is_made_and_that_is_said(hj):
    assert hj.run("runs").returncode == 0
    [state] = (hj.store.parent / "state").glob("*.db")
    script(state, "CREATE TRIGGER full BEFORE INSERT ON event BEGIN SELECT RAISE(ABORT,'no room'); END")

    done = hj.run("cancel", "job-4", "--yes")

    assert status(hj, "job-4") == "cancelled"
    assert "cannot be recorded before it is done" in done.stderr


@pytest.mark.parametrize("form", [["list"], ["list", "--json"]])
def test_what_list_writes_can_be_piped_in(hj, form):
    listed = hj.run(*form, "--status", "pending,running")

    done = hj.run("cancel", "-", "--yes", input=listed.stdout)

    assert done.returncode == 0, done
    assert sorted(done.stdout.split()[::4]) == ["job-4:", "job-5:"]


def test_an_id_with_a_tab_or_a_backslash_in_it_survives_the_pipe(hj):
    odd = "a\tb\\n\x1b"
    hj.sql("UPDATE jobs SET id='a'||char(9)||'b'||char(92)||'n'||char(27) WHERE id='job-5'")

    done = hj.run("cancel", "-", "--yes", input=hj.run("list", "--status", "pending").stdout)

    assert done.returncode == 0, done
    assert rows(hj)[odd][6] == "cancelled"


def test_where_chooses_as_list_does_and_only_jobs_that_may_move(hj):
    person = Typing(hj, "cancel", "--where", "--user", "alice")

    assert "cancel job-5 (pending, web-01)" in person.until("[y/N]")  # alice's finished ones are not meant
    assert person.answer("y") == 0
    explicit = hj.run("cancel", "--where", "--user", "alice", "--status", "completed", "--yes")
    assert explicit.returncode == 6


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--where"],
        ["--provider", "vsphere"],
        ["job-4", "--provider", "vsphere"],
        ["job-4", "--where", "--user", "bob"],
        ["-", "job-4"],
    ],
)
def test_a_choice_that_could_mean_more_than_was_meant_is_a_usage_error(hj, words):
    before = rows(hj)

    done = hj.run("cancel", *words, "--yes", input="")

    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert rows(hj) == before


def test_where_nothing_fits_is_said_and_is_no_failure(hj):
    done = hj.run("cancel", "--where", "--user", "nobody", "--yes")

    assert (done.returncode, done.stdout) == (0, "")
    assert "no job fits" in done.stderr


def test_a_frozen_store_is_not_edited(hj):
    hj.run("freeze", "--reason", "page 7 is damaged")
    before = rows(hj)

    for words in (["cancel", "job-4"], ["retry", "job-3"], ["delete", "job-1"]):
        done = hj.run(*words, "--yes")
        assert (done.returncode, done.stderr.count("\n")) == (6, 1)
        assert "page 7 is damaged" in done.stderr
    assert rows(hj) == before


@pytest.mark.parametrize("words", [["cancel", "job-4"], ["delete", "job-1"]])
def test_a_store_with_strange_triggers_is_not_edited(hj, words):
    hj.sql("CREATE TRIGGER strange AFTER UPDATE ON jobs BEGIN DELETE FROM jobs; END")

    done = hj.run(*words, "--yes")

    assert done.returncode == 6
    assert "strange" in done.stderr
    assert len(rows(hj)) == 5


def test_a_lock_that_is_held_is_exit_4_and_changes_nothing(hj):
    with held(hj.store):
        done = hj.run("cancel", "job-4", "--yes")

    assert (done.returncode, done.stderr.count("\n")) == (4, 1)
    assert status(hj, "job-4") == "running"


def test_a_deleted_job_comes_back_to_the_bit_by_the_command_that_is_named(hj):
    before = rows(hj)

    done = hj.run("delete", "job-1", "job-3", "--yes", "--reason", "duplicates")

    assert done.returncode == 0, done
    assert rows(hj).keys() == before.keys() - {"job-1", "job-3"}
    undo = done.stdout.splitlines()[-1].removeprefix("to take it back: hyperjobs ").split()
    assert events(hj, "delete")[0]["detail"]["undo"] == f"hyperjobs {' '.join(undo)}"
    assert hj.run(*undo, "--yes").returncode == 0
    assert rows(hj) == before


def test_a_pinned_job_is_not_deleted_also_by_force(hj):
    hj.run("pin", "job-1", "--reason", "audit")

    done = hj.run("delete", "job-1", "job-3", "--yes", "--force", "--reason", "cleaning")

    assert done.returncode == 6
    assert "pinned" in done.stderr
    assert {"job-1"} <= rows(hj).keys()
    assert "job-3" not in rows(hj)


def test_a_deletion_that_deletes_nothing_leaves_no_archive(hj):
    person = Typing(hj, "delete", "job-1")
    person.until("[y/N]")
    hj.sql("UPDATE jobs SET error='edited' WHERE id='job-1'")

    assert person.answer("y") == 4
    assert "job-1" in rows(hj)
    assert hj.run("prune", "list").stdout == ""


def test_an_atomic_deletion_that_a_pin_came_before_deletes_none(hj):
    person = Typing(hj, "delete", "job-1", "job-3", "--atomic")
    person.until("[y/N]")
    hj.run("pin", "job-3")

    assert person.answer("y") == 6
    assert {"job-1", "job-3"} <= rows(hj).keys()
    assert hj.run("prune", "list").stdout == ""


def test_what_is_deleted_beside_a_writer_was_archived_as_it_was_deleted(hj):
    """A writer is at half of the jobs the whole time: what went must come back as it last was."""
    hj.sql(
        "WITH RECURSIVE n(i) AS (VALUES(0) UNION ALL SELECT i+1 FROM n WHERE i<59)"
        " INSERT INTO jobs SELECT 'd-'||i,name,vm_name,vm_path,provider,output_dir,status,"
        "created_at,started_at,completed_at,progress,error,metadata,user,total_size,files_count FROM n,jobs"
        " WHERE jobs.id='job-1'",
    )
    last: dict[str, str] = {}
    over = threading.Event()

    def write():
        db = apsw.Connection(str(hj.store))
        db.set_busy_timeout(5000)
        turn = 0
        while not over.wait(0.004):
            turn += 1
            job_id = f"d-{turn % 30}"
            db.execute("UPDATE jobs SET metadata=? WHERE id=?", (json.dumps({"turn": turn}), job_id))
            if db.changes():
                last[job_id] = json.dumps({"turn": turn})
        db.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        done = hj.run("delete", "--where", "--text", "Export job-1", "--yes", "--json")
    finally:
        over.set()
        writer.join()

    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    gone = {each["id"] for each in outcomes if each["outcome"] == "changed"}
    assert {f"d-{number}" for number in range(30, 60)} <= gone
    assert gone == {each["id"] for each in outcomes} - rows(hj).keys()
    assert {each["reason"] for each in outcomes if each["outcome"] == "failed"} <= {"changed"}
    assert hj.run("prune", "undo", "latest", "--yes").returncode == 0
    after = rows(hj)
    assert {job_id: after[job_id][12] for job_id in gone if job_id in last} == {
        job_id: last[job_id] for job_id in gone if job_id in last
    }
