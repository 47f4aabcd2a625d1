"""Ctrl-C and SIGTERM in the middle of every command that works: it ends soon, says little, and leaves nothing half done."""

from __future__ import annotations

import json
import re
import signal

import click
import pytest

from hyperjobs.cli.program import program
from support.big_store import JOBS, BigStore
from support.works import WORKS, interrupted

BOUND_S = 5.0
"""A second is what is promised, and measured in docs/performance.md; a machine that tests much is slower."""
_ALWAYS = r"state/[^/]+\.(db|db-wal|db-shm|lock)|jobs\.db-(wal|shm)|archive/\.hyperjobs-archive\.lock|\.jobs\.db\.hyperjobs-reserve"
_PROGRESS = re.compile(rb"\r\x1b\[K[^\r\n]*(?=\r|$)")


QUICK = {
    **dict.fromkeys(("running", "show", "history", "pin", "unpin", "pins", "runs"), "reads or writes some rows"),
    **dict.fromkeys(("pause", "resume", "freeze", "unfreeze"), "writes one row"),
    **dict.fromkeys(("backup list", "backup show", "backup pin", "backup unpin", "prune list"), "reads manifests"),
    **dict.fromkeys(("schedule", "schedule preview", "retention simulate", "rules render", "rules values"), "reads no store"),
    **dict.fromkeys(("config check", "config show", "config schema", "check-metrics"), "reads files of some kilobytes"),
    **dict.fromkeys(("audit verify", "audit show", "notify test", "healthcheck"), "reads, and leaves nothing"),
    **dict.fromkeys(("install", "uninstall"), "is one short transaction"),
    "checkpoint": "waits a quarter of a second at most",
    "backup prune": "deletes files one by one; tests/cli/test_backup.py stops it",
    "run": "tests/cli/test_run.py stops it",
    **dict.fromkeys(("man", "completion"), "writes what the program knows of itself"),
    "": "is some short looks",
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return BigStore.make(tmp_path_factory.mktemp("big"))


@pytest.fixture
def big(made):
    made.put_back()
    return made


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", WORKS)
def test_a_signal_in_the_middle_ends_it_soon_and_leaves_nothing_half_done(big, name, number, record_property):
    work = WORKS[name]
    big.sql(*work.before)
    if work.prepare:
        big.run(*work.prepare)
    before = big.files()

    code, said, took_s = interrupted(big, work, number)

    record_property("stopped_s", round(took_s, 3))
    assert code in {128 + number, -number}, said
    assert len(_PROGRESS.sub(b"", said).splitlines()) <= 1, said
    assert took_s < BOUND_S
    new = {path for path in big.files() - before if not re.fullmatch(f"{_ALWAYS}|{work.leaves}", path)}
    assert (new, big.held_locks()) == (set(), [])
    assert before - big.files() <= {"jobs.db-wal", "jobs.db-shm"}
    jobs = big.jobs()
    assert jobs == JOBS or not work.keeps
    assert jobs > 0
    if work.recorded:
        newest = json.loads(big.run("runs", work.recorded, "--json").stdout.splitlines()[0])
        assert newest["outcome"] == "interrupted"


def test_every_command_is_stopped_here_or_is_too_quick_for_it():
    def names(group, prefix=""):
        if group.invoke_without_command:
            yield prefix.strip()
        for name in group.list_commands(click.Context(group)):
            command = group.get_command(click.Context(group), name)
            yield from names(command, f"{prefix}{name} ") if isinstance(command, click.Group) else [prefix + name]

    known = set(names(program))
    stopped = {max((name for name in known if _begins(work.words, name)), key=len) for work in WORKS.values()}

    assert not stopped & QUICK.keys()
    assert known == stopped | QUICK.keys()


def _begins(words, name):
    return list(words[: len(name.split())]) == name.split()
