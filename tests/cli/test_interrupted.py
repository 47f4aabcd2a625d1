"""Ctrl-C and SIGTERM in the middle of every command that works: it ends soon, says little, and leaves nothing half done."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from hyperjobs.cli.program import program
from support.big_store import JOBS, BigStore

if TYPE_CHECKING:
    from collections.abc import Callable

BOUND_S = 5.0
"""A second is what is promised, and measured in docs/performance.md; a machine that tests much is slower."""
WAIT_S = 60.0
_ALWAYS = r"state/[^/]+\.(db|db-wal|db-shm|lock)|jobs\.db-(wal|shm)|archive/\.hyperjobs-archive\.lock|\.jobs\.db\.hyperjobs-reserve"
_PROGRESS = re.compile(rb"\r\x1b\[K[^\r\n]*(?=\r|$)")


@dataclass(frozen=True)
class Work:
    """A command line that takes a while.

    Attributes:
        when: it is in the middle of it.
        before: what is done to the store first, as SQL, and ``prepare`` by a command.
        leaves: what it may leave, as a pattern, since that is whole in itself.
        keeps: no job goes, nor comes.
    """

    words: tuple[str, ...]
    when: Callable[[BigStore, int, bytes], bool]
    before: tuple[str, ...] = ()
    prepare: tuple[str, ...] = ()
    leaves: str = "-"
    keeps: bool = True


def told(_big, _pid, said):
    """Its progress is on the terminal."""
    return b"\x1b[K" in said


def reading(big, pid, _said):
    """It has the store open."""
    return str(big.store) in _opened(pid)


def proving(_big, pid, _said):
    """It has a backup open."""
    return any(path.endswith(".db.zst") for path in _opened(pid))


def _opened(pid):
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # it is closed again
            yield str(link.readlink())


def heeding(_big, pid, _said):
    """It hears signals as something to end for."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(re.search(r"^SigCgt:\s*([0-9a-f]+)", status, re.MULTILINE)[1], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)  # Python itself hears Ctrl-C from its first moment on


def there(pattern, least_bytes=1):
    """A file that it makes has begun."""

    def is_there(big, _pid, _said):
        return any(path.stat().st_size >= least_bytes for path in big.folder.glob(pattern) if path.exists())

    return is_there


_EMPTIED = ("DELETE FROM jobs WHERE rowid%4", "PRAGMA wal_checkpoint(TRUNCATE)")

WORKS = {
    "list": Work(("list", "--text", "nowhere"), reading),
    "list --at": Work(("list", "--at", "now", "--text", "nowhere"), there("tmp/*/plain", 2**20)),
    "failed": Work(("failed", "--group"), reading),
    "stats": Work(("stats", "--text", "nowhere"), reading),
    "top failures": Work(("top", "failures", "--since", "2020-01-01"), reading),
    "diff": Work(("diff",), reading),
    "watch": Work(("watch",), heeding),
    "retry": Work(("retry", "--where", "--status", "failed", "--yes"), there("jobs.db-wal", 100_000)),
    "cancel": Work(("cancel", "--where", "--status", "failed", "--yes"), reading),
    "set-status": Work(("set-status", "pending", "--where", "--status", "failed", "--yes"), reading),
    "delete": Work(("delete", "--where", "--status", "failed", "--yes"), there("archive/*.zst"), keeps=False, leaves=r"archive/jobs-.*"),
    "export": Work(("export", "{}/out.jsonl"), told),
    "export -": Work(("export",), reading),
    "import": Work(("import", "{}/jobs.jsonl", "--yes", "--policy", "replace"), told),
    "copy": Work(("copy", "{}/jobs.db", "{}/copy.db", "--create", "--yes"), told, leaves=r"copy\.db(-wal|-shm)?"),
    "backup create": Work(("backup", "create"), told),
    "backup create --to": Work(("backup", "create", "--to", "{}/out.db"), told),
    "backup verify": Work(("backup", "verify"), proving),
    "backup diff": Work(("backup", "diff", "latest"), reading),
    "backup adopt": Work(("backup", "adopt", "{}/other.db"), heeding),
    "restore": Work(("restore", "--yes"), there(".*restore*/*")),
    "restore --to": Work(("restore", "--to", "{}/new.db"), there(".*restore*/*")),
    "prune undo": Work(("prune", "undo", "latest", "--yes"), told, prepare=("prune", "--yes"), keeps=False),
    "prune": Work(("prune", "--yes"), told, keeps=False, leaves=r"archive/jobs-.*"),
    "integrity": Work(("integrity",), told),
    "integrity --full": Work(("integrity", "--full"), told),
    "vacuum": Work(("vacuum", "--force", "--mode", "incremental"), told, before=_EMPTIED, keeps=False),
    "vacuum full": Work(("vacuum", "--force", "--mode", "full"), told, before=_EMPTIED, keeps=False),
    "reindex": Work(("reindex", "--yes", "--force"), told),
    "optimize": Work(("optimize",), heeding),
    "drill": Work(("drill",), told),
    "doctor": Work(("doctor", "--full", "--only", "rows"), reading),
    "doctor --fix": Work(("doctor", "--fix", "--yes"), told),
    "config diff-effect": Work(("config", "diff-effect"), reading),
    "config ack": Work(("config", "ack", "--yes"), reading),
}  # fmt: skip

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
    "": "is some short looks",
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return BigStore.make(tmp_path_factory.mktemp("big"))


@pytest.fixture
def big(made):
    made.put_back()
    return made


def interrupted(big, work, number):
    """Send a signal in the middle of a work: the exit code, all it said on a terminal, and seconds to its end."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        big.command(*work.words), env=big.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=theirs, cwd=big.folder,
    ) as process:  # fmt: skip
        os.close(theirs)
        said, until_s = b"", time.monotonic() + WAIT_S
        while not work.when(big, process.pid, said):
            assert process.poll() is None, f"it ended before it was in the middle: {said!r}"
            assert time.monotonic() < until_s, f"never in the middle: {said!r}"
            said += _read(ours, 0.02)
        process.send_signal(number)
        sent_s = time.monotonic()
        while process.poll() is None and time.monotonic() < sent_s + WAIT_S:
            said += _read(ours, 0.02)
        took_s = time.monotonic() - sent_s
        process.kill()
    while more := _read(ours, 0.0):
        said += more
    os.close(ours)
    return process.returncode, said, took_s


def _read(terminal, wait_s):
    if not select.select([terminal], [], [], wait_s)[0]:
        return b""
    try:
        return os.read(terminal, 65536)
    except OSError:  # nobody writes to it any more
        time.sleep(wait_s)  # as long as select would have waited
        return b""


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
