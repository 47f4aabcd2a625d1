"""What a shell is offered, at what cost, and that nothing is left behind or said, whatever is wrong."""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
from importlib.resources import files

import apsw
import click
import pytest

from hyperjobs.agent.roster import _MAKERS
from hyperjobs.cli import offer
from hyperjobs.cli.program import program
from hyperjobs.cli.shell import Bash, Fish, Zsh
from hyperjobs.doctor.registry import FIRST, OTHERS
from hyperjobs.maintenance.backup.task import ELSEWHERE
from hyperjobs.store.names import MOST
from support.agents import fill
from support.command_tree import every_command
from support.ledgers import make_store
from support.processes import running
from support.stores import insert
from support.world import FAILED, OLD, PENDING, PINNED, RUNNING, make_world

CPU_S = 0.25
"""Twice what it takes where this was written; a shell has to answer while a finger is on the key."""
FREE = {"TEXT", "N", "NAME", "CURSOR", "NUMBER:HASH", "URL", "ADDR", "DATE", "EXPR", "SECONDS", "MS"}
"""Values that nobody can foresee."""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("completion"), receiver="http://127.0.0.1:9/")


@pytest.fixture
def offered(world, monkeypatch):
    """Completes a command line of which the last word is unfinished, in that world."""
    monkeypatch.chdir(world.here)
    for name, value in world.environment.items():
        monkeypatch.setenv(name, value)

    def complete(*words):
        lines = Zsh(program, words, os.environ).complete().splitlines()
        return [line.split("\t")[1] if "\t" in line else f"<{line}>" for line in lines]

    return complete


def test_commands_are_offered_and_none_is_imported_for_it(world):
    code = "import sys; from hyperjobs.cli import main; main([]); sys.exit('hyperjobs.cli.jobs' in sys.modules)"
    environment = {**world.environment, "_HYPERJOBS_COMPLETE": "zsh_complete"}

    done = subprocess.run(
        [sys.executable, "-c", code, "ru"], env=environment, capture_output=True, text=True, check=True
    )

    assert [line.split("\t")[1] for line in done.stdout.splitlines()] == ["running", "run", "runs", "rules"]


@pytest.mark.parametrize(
    ("words", "there", "not_there"),
    [
        (["show", ""], [PENDING, RUNNING, FAILED], []),
        (["show", "migration-20261122"], [FAILED], [PENDING]),
        (["show", "migration-20260801"], [OLD], [FAILED]),
        (["cancel", ""], [PENDING, RUNNING], [FAILED, OLD]),
        (["cancel", PENDING, ""], [RUNNING], [PENDING]),
        (["retry", ""], [FAILED], [PENDING, RUNNING, OLD]),
        (["set-status", "completed", ""], [RUNNING], [PENDING, FAILED]),
        (["set-status", "pending", ""], [FAILED], [PENDING]),
        (["delete", ""], [FAILED, OLD], [PENDING, RUNNING]),
        (["unpin", ""], [PINNED], [OLD, FAILED]),
        (["history", "migration-20261124-00007"], [RUNNING], [PENDING]),
        (["list", "--status", "fa"], ["failed"], ["running"]),
        (["list", "--status", "failed,ru"], ["failed,running"], ["failed,pending"]),
        (["list", "--provider", ""], ["hyperv", "vsphere"], []),
        (["list", "--user", "al"], ["alice"], []),
        (["list", "--vm", "vm-00"], ["vm-000"], []),
        (["list", "--since", ""], ["7d", "today"], []),
        (["list", "--limit", ""], ["all"], []),
        (["list", "--s"], ["--status", "--since", "--store"], ["--user"]),
        (["running", "--limit=a"], ["all"], []),
        (["restore", "--from", ""], ["offsite"], []),
        (["notify", "test", ""], ["ops"], []),
        (["reindex", "idx_s"], ["idx_status"], []),
        (["reindex", "idx_status", ""], ["idx_user"], ["idx_status"]),
        (["runs", "ba"], ["backup", "backup-prune"], ["prune"]),
        (["schedule", "preview", "--task", ""], ["backup", "checkpoint"], ["reindex"]),
        (["schedule", "preview", "--tz", "Europe/Mad"], ["Europe/Madrid"], []),
        (["doctor", "--only", "wa"], ["wal"], []),
        (["doctor", "--fix", "--only", ""], ["time_form"], ["wal"]),
        (["vacuum", "--mode", ""], ["incremental"], []),
        (["completion", ""], ["bash", "zsh", "fish"], []),
        (["backup", "verify", ""], ["latest"], []),
        (["prune", "undo", ""], ["latest"], []),
        (["config", "check", "--config", ""], ["<file>"], []),
        (["config", "ack", ""], ["<file>"], []),
        (["backup", "list", "--dir", ""], ["<directory>"], []),
        (["top", ""], ["failures"], []),
    ],
)
def test_what_fits_is_offered(offered, words, there, not_there):
    found = offered(*words)

    assert [each for each in there if each not in found] == []
    assert [each for each in not_there if each in found] == []


def test_backups_are_offered_newest_first_and_to_unpin_only_pinned_ones(offered, world):
    names = sorted((path.name for path in (world.root / "backups").glob("*.zst")), reverse=True)

    assert offered("restore", "") == ["latest", *names]
    assert offered("backup", "diff", "latest", "jobs-") == names
    assert offered("diff", "latest", "") == ["latest", "store", *names]
    assert offered("backup", "show", "--from", "offsite", "") == ["latest"]
    assert offered("backup", "unpin", "") == []
    world.hyperjobs("backup", "pin", names[1])
    assert offered("backup", "unpin", "") == [names[1]]


def test_prunes_are_offered_that_can_be_undone(offered, world):
    runs = sorted({path.name.split(".")[0] for path in (world.root / "state" / "archive").glob("*.zst")}, reverse=True)

    assert offered("prune", "undo", "") == ["latest", *runs]
    assert len(runs) == 1


def test_what_was_named_before_is_where_it_is_looked_for(offered, world):
    store = str(world.here / "jobs.db")

    assert offered("show", "--store", store, "") == ["here-0", "here-1", "here-2"]
    assert offered("show", "") != offered("show", "--store", store, "")
    assert offered("restore", "--dir", str(world.root / "offsite"), "jobs-")


def test_no_more_are_offered_than_can_be_read(bare):
    rows = ({"id": f"job-{n:04}", "created_at": f"2026-09-01 10:00:00.{n:06}+00:00"} for n in range(MOST * 3))
    insert(make_store(bare.store), *rows)

    found = offers(bare, "show", "job")

    assert found == [f"job-{n:04}" for n in range(MOST * 3 - 1, MOST * 2 - 1, -1)]


def offers(place, *words, shell="zsh", **environment):
    """What a process of the program answers a shell, which must be nothing else and no error."""
    done = place.run(*words, env={"_HYPERJOBS_COMPLETE": f"{shell}_complete", **environment})
    assert (done.returncode, done.stderr) == (0, "")
    return [line.split("\t")[1] for line in done.stdout.splitlines()]


@pytest.mark.parametrize("content", [None, b"", b"no store at all\n" * 400])
def test_where_there_is_no_store_there_is_nothing_and_no_word(bare, content):
    if content is not None:
        bare.store.write_bytes(content)

    assert offers(bare, "show", "") == []

    assert sorted(path.name for path in bare.store.parent.iterdir()) == [
        "home",
        *(["jobs.db"] if content is not None else []),
    ]


@pytest.mark.parametrize(
    "words",
    [
        ["no-such-command", ""],
        ["list", "--no-such-option", ""],
        ["set-status", "no-such-status", ""],
        ["show", "--config", "no-such-file", ""],
        ["restore", "--dir", "/no/such/dir", "jobs"],
        ["show", "a", "b", "c", ""],
        [],
    ],
)
def test_a_line_that_makes_no_sense_is_answered_by_nothing(hj, words):
    done = hj.run(*words, env={"_HYPERJOBS_COMPLETE": "zsh_complete", "HYPERJOBS_STORE__PATH": ""})

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("asked", ["", "tcsh_complete", "bash_source", "\udcff"])
def test_a_shell_that_is_not_known_is_answered_by_nothing(hj, asked):
    done = hj.run("list", env={"_HYPERJOBS_COMPLETE": asked})

    assert done.returncode == 0
    assert (done.stdout == "") is (asked != "")


def state_of(store):
    """Every file beside a store and what is in it."""
    return {path.name: path.read_bytes() for path in store.parent.iterdir() if path.is_file()}


def test_a_store_that_nobody_has_open_is_read_without_a_trace(hj):
    db = apsw.Connection(str(hj.store))
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    db.close()
    before = state_of(hj.store)
    assert list(before) == ["jobs.db"]

    assert "job-1" in offers(hj, "show", "")

    assert state_of(hj.store) == before


def test_a_store_with_a_writer_is_read_as_it_is_now_and_not_written(hj):
    writer = apsw.Connection(str(hj.store))
    writer.execute("UPDATE jobs SET id='newest' WHERE id='job-5'")
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("UPDATE jobs SET id='uncommitted' WHERE id='newest'")
    before = subprocess.run(["sha256sum", hj.store, f"{hj.store}-wal"], capture_output=True, check=True).stdout

    found = offers(hj, "show", "")

    after = subprocess.run(["sha256sum", hj.store, f"{hj.store}-wal"], capture_output=True, check=True).stdout
    writer.execute("ROLLBACK")
    writer.close()
    assert found[0] == "newest"
    assert before == after


@pytest.mark.parametrize("with_shm", [True, False])
def test_what_a_killed_writer_left_is_read_and_left_as_it_is(hj, tmp_path, with_shm):
    writer = apsw.Connection(str(hj.store))
    writer.execute("UPDATE jobs SET id='newest' WHERE id='job-5'")
    left = tmp_path / "left"
    left.mkdir()
    for suffix in ("", "-wal", *(["-shm"] if with_shm else [])):
        shutil.copy(f"{hj.store}{suffix}", left / f"jobs.db{suffix}")
    writer.close()
    before = {name: content for name, content in state_of(left / "jobs.db").items() if name != "jobs.db-shm"}

    found = offers(hj, "show", "", HYPERJOBS_STORE__PATH=str(left / "jobs.db"))

    after = state_of(left / "jobs.db")
    assert after.pop("jobs.db-shm", None) is not None or not with_shm
    assert after == before
    assert {"job-1", "job-2"} <= set(found)
    assert ("newest" in found) is with_shm


def test_a_store_that_somebody_has_for_himself_alone_is_not_waited_for(bare):
    make_store(bare.store)
    insert(bare.store, {"id": "job-1"})
    code = (
        "import apsw, sys, threading\ndb = apsw.Connection(sys.argv[1])\ndb.execute('PRAGMA locking_mode=EXCLUSIVE')\n"
        "db.execute('BEGIN EXCLUSIVE')\ndb.execute('UPDATE jobs SET name=1')\nprint('held', flush=True)\nthreading.Event().wait()\n"
    )
    other = apsw.Connection(str(bare.store))  # so that there is a -shm
    other.execute("SELECT * FROM jobs").fetchall()
    other.close()
    with running([sys.executable, "-c", code, bare.store]) as holder:
        holder.until(lambda: "held" in holder.output, "the lock")
        assert offers(bare, "show", "") == ["job-1"]


def test_a_path_that_never_answers_is_given_up(bare):
    os.mkfifo(bare.store)

    assert offers(bare, "show", "") == []


def test_a_look_that_hangs_is_ended():
    code = (
        "import sys, threading\nfrom hyperjobs.cli import offer, shell\nfrom hyperjobs.cli.program import program\n"
        "offer._store = lambda _: threading.Event().wait()\nshell.DEADLINE_S = 0.2\nsys.argv[1:] = ['show', '']\n"
        "shell.answer_shell(program, 'zsh_complete')\nprint('not ended')"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A store of 100,000 jobs, none of which has failed."""
    path = make_store(tmp_path_factory.mktemp("large") / "jobs.db")
    fill(path, 100_000)
    return path


@pytest.mark.parametrize("words", [["show", ""], ["show", "job-77"], ["retry", ""], ["list", "--provider", ""], [""]])
def test_an_answer_takes_little_of_the_processor(bare, large, words):
    def used():
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert offers(bare, *words, HYPERJOBS_STORE__PATH=str(large)) or words[0] == "retry"
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(used() for _ in range(4)) < CPU_S


def test_an_answer_imports_nothing_that_is_not_needed(hj):
    code = (
        "import sys\nfrom hyperjobs.cli import main\nmain()\n"
        "heavy = {'pydantic', 'structlog', 'prometheus_client', 'rich', 'yaml', 'asyncio'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    environment = hj.env({"HYPERJOBS_STORE__PATH": str(hj.store), "_HYPERJOBS_COMPLETE": "zsh_complete"})

    done = subprocess.run(
        [sys.executable, "-c", code, "show", ""], env=environment, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert "job-1" in done.stdout


def test_ids_that_drive_a_terminal_or_pass_for_options_are_not_offered(bare):
    ids = ["plain", "two\nlines", "esc\x1b[31m", "tab\there", "turned\u202eround", "--yes", "-", ""]
    insert(make_store(bare.store), *({"id": job_id} for job_id in ids))

    assert offers(bare, "show", "") == ["plain"]
    assert set(offers(bare, "show", "--", "-")) == {"--yes", "-"}


@pytest.mark.parametrize(
    ("line", "breaks", "written"),
    [
        ("hyperjobs show a", "", [r"a\ b\$\(c\)", "a:b:c"]),
        ("hyperjobs show a:", " :", ["b:c"]),
        ("hyperjobs show a:b", " :", ["b:c"]),
        ("hyperjobs show 'a", "", ["a b$(c)", "a:b:c"]),
        ('hyperjobs show "a', "", [r"a b\$(c)", "a:b:c"]),
        (r"hyperjobs show a\ ", "", [r"a\ b\$\(c\)"]),
        ("hyperjobs show a:b:c --js", "=:", ["--json"]),
        ("hyperjobs list --status=fa", "", ["--status=failed"]),
        ("hyperjobs list --status=fa", "=", ["failed"]),
        ("hyperjobs list --status failed,ru", "=", ["failed,running"]),
        ("'hyperjobs' show 'a:b:c' --js", "", ["--json"]),
    ],
)
def test_bash_gets_what_is_to_stand_in_its_line(bare, monkeypatch, line, breaks, written):
    insert(make_store(bare.store), {"id": "a b$(c)"}, {"id": "a:b:c"})
    monkeypatch.setenv("HYPERJOBS_STORE__PATH", str(bare.store))

    answer = Bash(program, [], {"COMP_LINE": line, "COMP_WORDBREAKS": breaks}).complete()

    assert sorted(each.split("\t")[1] for each in answer.splitlines()) == sorted(written)


def test_fish_gets_an_options_value_with_the_option():
    assert Fish(program, ["list", "--status=fa"], {}).complete() == "word\t--status=failed\t\n"


@pytest.mark.parametrize(("name", "command"), every_command().items())
def test_every_value_can_be_completed_but_those_nobody_can_foresee(name, command):
    context = click.Context(command)
    missing = [
        parameter.name
        for parameter in command.params
        if not getattr(parameter, "is_flag", False)
        and not isinstance(parameter.type, click.Choice)
        and parameter._custom_shell_complete is None
        and type(parameter.type).shell_complete is click.ParamType.shell_complete
        and (parameter.metavar or parameter.name.upper()) not in FREE
        and not re.search(r"FILE|PATH|DIR\b|SRC|DST", parameter.make_metavar(context))
        and parameter.name not in {"reason", "jobs"}
    ]

    assert missing == [], name


def test_the_tasks_and_checks_that_are_offered_are_those_there_are():
    assert set(offer.TASKS) == {*_MAKERS, ELSEWHERE}
    assert list(offer.CHECKS) == [FIRST.name, *(check.name for check in OTHERS)]
    named = re.findall(r"[a-z-]+", every_command()["runs"].help.partition("among them: ")[2].partition(".")[0])
    assert set(offer.EVENTS) == set(named) - {"and"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_the_script_and_nothing_of_this_machine(hj, shell):
    done = hj.run("completion", shell)

    assert done.returncode == 0
    assert done.stdout == files("hyperjobs.cli").joinpath("scripts", f"hyperjobs.{shell}").read_text()
    assert str(hj.home) not in done.stdout
