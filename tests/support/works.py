"""Command lines that take a while, what shows that each is in the middle of it, and a signal sent just then."""

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

from support.holders import held
from support.processes import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.big_store import BigStore

WAIT_S = 60.0


@dataclass(frozen=True)
class Work:
    """A command line that takes a while.

    Attributes:
        when: it is in the middle of it.
        before: what is done to the store first, as SQL, and ``prepare`` by a command.
        beside: what another process ran and holds meanwhile, as SQL: for a work that else ends too soon.
        leaves: what it may leave, as a pattern, since that is whole in itself.
        keeps: no job goes, nor comes.
        recorded: as what ``hyperjobs runs`` has it afterwards; empty where nothing was changed.
    """

    words: tuple[str, ...]
    when: Callable[[BigStore, int, bytes], bool]
    before: tuple[str, ...] = ()
    prepare: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    leaves: str = "-"
    keeps: bool = True
    recorded: str = ""


def told(_big: BigStore, _pid: int, said: bytes) -> bool:
    """Its progress is on the terminal."""
    return b"\x1b[K" in said


def reading(big: BigStore, pid: int, _said: bytes) -> bool:
    """It has the store open."""
    return str(big.store) in _opened(pid)


def proving(_big: BigStore, pid: int, _said: bytes) -> bool:
    """It has a backup open."""
    return any(path.endswith(".db.zst") for path in _opened(pid))


def _opened(pid: int) -> Iterator[str]:
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # it is closed again
            yield str(link.readlink())


def heeding(_big: BigStore, pid: int, _said: bytes) -> bool:
    """It hears signals as something to end for."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(re.search(r"^SigCgt:\s*([0-9a-f]+)", status, re.MULTILINE)[1], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)  # Python itself hears Ctrl-C from its first moment on


def there(pattern: str, least_bytes: int = 1) -> Callable[[BigStore, int, bytes], bool]:
    """A file that it makes has begun."""

    def is_there(big: BigStore, _pid: int, _said: bytes) -> bool:
        return any(path.stat().st_size >= least_bytes for path in big.folder.glob(pattern) if path.exists())

    return is_there


_FEWER = ("DELETE FROM jobs WHERE rowid>20000",)
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
    "import": Work(("import", "{}/jobs.jsonl", "--yes", "--policy", "replace"), told, recorded="import"),
    "copy": Work(("copy", "{}/jobs.db", "{}/copy.db", "--create", "--yes"), told, leaves=r"copy\.db(-wal|-shm)?"),
    "salvage": Work(("salvage", "--to", "{}/new.db"), told),
    "rebuild": Work(("rebuild", "--to", "{}/new.db", "{}/jobs.db"), told),
    "backup create": Work(("backup", "create"), told, recorded="backup"),
    "backup create --to": Work(("backup", "create", "--to", "{}/out.db"), told),
    "backup verify": Work(("backup", "verify"), proving),
    "backup diff": Work(("backup", "diff", "latest"), reading),
    "backup adopt": Work(("backup", "adopt", "{}/other.db"), heeding),
    "restore": Work(("restore", "--yes"), there(".*restore*/*")),
    "restore --live": Work(("restore", "--live", "--yes"), there(".*restore*/*")),
    "restore --to": Work(("restore", "--to", "{}/new.db"), there(".*restore*/*")),
    "prune undo": Work(("prune", "undo", "latest", "--yes"), told, before=_FEWER, prepare=("prune", "--yes"), keeps=False, recorded="undo"),
    "prune": Work(("prune", "--yes"), told, keeps=False, leaves=r"archive/jobs-.*", recorded="prune"),
    "integrity": Work(("integrity",), told),
    "integrity --full": Work(("integrity", "--full"), told),
    "vacuum": Work(("vacuum", "--force", "--mode", "incremental"), told, before=_EMPTIED, keeps=False),
    "vacuum full": Work(("vacuum", "--force", "--mode", "full"), told, before=_EMPTIED, keeps=False),
    "reindex": Work(("reindex", "--yes", "--force"), told),
    "optimize": Work(("optimize",), reading, beside=("BEGIN IMMEDIATE",)),
    "drill": Work(("drill",), told),
    "doctor": Work(("doctor", "--full", "--only", "rows"), reading),
    "doctor --fix": Work(("doctor", "--fix", "--yes"), told),
    "config diff-effect": Work(("config", "diff-effect"), reading),
    "config ack": Work(("config", "ack", "--yes"), reading),
}  # fmt: skip


def interrupted(big: BigStore, work: Work, number: signal.Signals, *, later_s: float = 0.0) -> tuple[int, bytes, float]:
    """Send a signal in the middle of a work: the exit code, all it said on a terminal, and seconds to its end.

    With ``later_s`` it is sent so much later, unless the work has ended by then: the exit code tells.
    """
    ours, theirs = pty.openpty()
    holder = held(big.store, *work.beside) if work.beside else contextlib.nullcontext()
    with holder, subprocess.Popen(
        big.command(*work.words), env=big.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=theirs, cwd=big.folder, start_new_session=True,
    ) as process:  # fmt: skip
        os.close(theirs)
        said, until_s = b"", time.monotonic() + WAIT_S
        while not work.when(big, process.pid, said):
            assert process.poll() is None, f"it ended before it was in the middle: {said!r}"
            assert time.monotonic() < until_s, f"never in the middle: {said!r}"
            said += _read(ours, 0.02)
        later_until_s = time.monotonic() + later_s
        while process.poll() is None and time.monotonic() < later_until_s:
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
    until(lambda: not processes_of(process.pid), "an end of all that it started", timeout_s=WAIT_S)
    return process.returncode, said, took_s


def _read(terminal: int, wait_s: float) -> bytes:
    if not select.select([terminal], [], [], wait_s)[0]:
        return b""
    try:
        return os.read(terminal, 65536)
    except OSError:  # nobody writes to it any more
        time.sleep(wait_s)  # as long as select would have waited
        return b""


def processes_of(leader: int) -> list[int]:
    """The processes that a leader of its own group of them started, and that still are."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[3]) == leader and fields[0] != "Z":
                found.append(int(stat.parent.name))
    return found
