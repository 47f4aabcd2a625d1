"""Where a command's words go: a pipe that nobody reads, a full disk, nowhere, a narrow terminal without colours or UTF-8."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from hyperjobs.cli.shapes.catalogue import OUTPUTS, WITHOUT
from support.json_world import World, begin_world

DEADLINE_S = 60
PLAIN = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "40"}

# Command → the rest of its words, that can be said again and again, and its exit code when that is not 0.
CALLS: dict[str, tuple[str, int]] = {
    **dict.fromkeys(("list", "running", "failed", "stats", "diff", "pins", "runs", "config show"), ("", 0)),
    **dict.fromkeys(("integrity", "vacuum", "checkpoint", "optimize", "drill", "prune", "reindex"), ("--dry-run", 0)),
    **dict.fromkeys(("backup list", "backup show", "backup verify", "prune list", "config schema", "rules values"), ("", 0)),
    **dict.fromkeys(("schedule", "schedule preview", "retention simulate", "rules render", "config diff-effect"), ("", 0)),
    "": ("", 0),
    "man": ("backup create", 0),
    "completion": ("bash", 0),
    "top failures": ("--since 2020-01-01", 0),
    "doctor": ("--only journal", 0),
    "show": ("job-1", 0),
    "history": ("job-1", 0),
    "cancel": ("job-4 --dry-run", 0),
    "retry": ("job-2 --dry-run", 0),
    "set-status": ("completed job-4 --dry-run", 0),
    "delete": ("bad --dry-run", 0),
    "export": ("", 0),
    "import": ("{}/jobs.jsonl --dry-run", 0),
    "copy": ("{}/jobs.db {}/none.db --create --dry-run", 0),
    "rebuild": ("--to {}/none.db --dry-run --skip-damaged {}/jobs.jsonl", 0),
    "audit verify": ("{}/audit.jsonl", 0),
    "audit show": ("{}/audit.jsonl", 0),
    "healthcheck": ("--url {url}", 0),
    "install": ("", 0),
    "uninstall": ("--dry-run", 0),
    "backup create": ("--dry-run", 0),
    "backup diff": ("latest", 0),
    "backup pin": ("latest", 0),
    "backup unpin": ("latest", 0),
    "backup prune": ("--dry-run", 0),
    "restore": ("--dry-run", 0),
    "salvage": ("--dry-run --live", 0),
    "prune undo": ("latest --dry-run", 0),
    "pin": ("job-1", 0),
    "pause": ("--for 1m --reason work", 0),
    "resume": ("", 0),
    "freeze": ("--reason doubt", 0),
    "unfreeze": ("--reason trust", 0),
    "check-metrics": ("{}/dashboard.json", 1),
    "notify test": ("--config {}/notify.yaml", 1),
    "config check": ("", 0),
    "config ack": ("--yes", 0),
}  # fmt: skip
NOT_HERE = {
    "watch": "tests/cli/test_watch.py",
    "run": "has no answer",
    "unpin": "is as pin, and can be said once",
    "backup adopt": "as unpin",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with begin_world(tmp_path_factory.mktemp("world")) as begun:
        yield begun


def command(world: World, name: str) -> list[str]:
    rest = CALLS[name][0].replace("{url}", world.url).replace("{}", str(world.folder))
    return [sys.executable, "-m", "hyperjobs", *name.split(), *rest.split()]


def started(world: World, name: str, stdout: int) -> tuple[int, str]:
    """Run it with this as its standard output: its exit code, and what it said on standard error."""
    done = subprocess.run(
        command(world, name), env=environment(world, name), stdin=subprocess.DEVNULL,
        stdout=stdout, stderr=subprocess.PIPE, timeout=DEADLINE_S, check=False, cwd=world.folder,
    )  # fmt: skip
    return done.returncode, done.stderr.decode()


def environment(world: World, name: str) -> dict[str, str]:
    """The world's; what is frozen has a state of its own, for no other command would do anything then."""
    own = {"HYPERJOBS_STORE__STATE_DIR": str(world.folder / "frozen")} if name in {"freeze", "unfreeze"} else {}
    return {**os.environ, **world.environment, **own}


def test_every_command_is_tried_here_or_says_where_it_is():
    assert CALLS.keys() | NOT_HERE.keys() == OUTPUTS.keys() | WITHOUT.keys()


@pytest.mark.parametrize("name", CALLS)
def test_a_pipe_that_nobody_reads_ends_it_without_a_word(world, name):
    reader, writer = os.pipe()
    os.close(reader)
    code, said = started(world, name, writer)
    os.close(writer)

    assert code in {-signal.SIGPIPE, 128 + signal.SIGPIPE}
    assert said.splitlines() == [] or name == "check-metrics"


@pytest.mark.long
@pytest.mark.parametrize("name", CALLS)
def test_a_full_disk_behind_the_output_is_one_line_and_exit_5(world, name):
    full = os.open("/dev/full", os.O_WRONLY)
    code, said = started(world, name, full)
    os.close(full)

    assert code == 5
    assert said == "hyperjobs: standard output: No space left on device\n"


@pytest.mark.long
@pytest.mark.parametrize("name", CALLS)
def test_a_narrow_terminal_without_colours_or_utf8_gets_plain_lines(world, name):
    code, written = on_plain_terminal(world, name)

    assert code == CALLS[name][1], written
    assert written.isascii()
    assert "\x1b" not in written.replace("\r\x1b[K", "")
    assert "Traceback" not in written
    assert written.strip()


def on_plain_terminal(world: World, name: str) -> tuple[int, str]:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command(world, name), env={**environment(world, name), **PLAIN}, stdin=subprocess.DEVNULL, stdout=theirs,
        stderr=theirs, cwd=world.folder,
    ) as process, ThreadPoolExecutor(1) as pool:  # fmt: skip
        os.close(theirs)
        written = pool.submit(_read_all, ours)
        code = process.wait(DEADLINE_S)
    os.close(ours)
    return code, written.result().decode("latin-1").replace("\r\n", "\n")


def _read_all(terminal: int) -> bytes:
    chunks = []
    while True:
        try:
            chunk = os.read(terminal, 65536)
        except OSError:  # the other side is closed
            return b"".join(chunks)
        chunks.append(chunk)


@pytest.mark.long
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_change_no_exit_code_of_any_command(world, closed):
    script = f'"$@" {closed}'

    def code_of(name: str) -> int:
        return subprocess.run(
            ["bash", "-c", script, "bash", *command(world, name)], env=environment(world, name),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=DEADLINE_S, check=False, cwd=world.folder,
        ).returncode  # fmt: skip

    assert {name: code_of(name) for name in CALLS} == {name: CALLS[name][1] for name in CALLS}


@pytest.mark.parametrize("words", [("list",), ("show", "job-1")], ids=" ".join)
def test_a_pipe_that_nobody_reads_leaves_no_copy_of_the_backup_that_was_read(world, tmp_path, words):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "hyperjobs", *words, "--at", "2100-01-01"],
        env={**environment(world, "list"), "TMPDIR": str(tmp_path)}, stdout=writer, stderr=subprocess.PIPE, check=False,
    )  # fmt: skip
    os.close(writer)

    assert done.returncode in {-signal.SIGPIPE, 128 + signal.SIGPIPE}
    assert done.stderr.startswith(b"as jobs-")
    assert list(tmp_path.iterdir()) == []
