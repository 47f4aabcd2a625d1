"""One command line, run in the ways there are: in this process, by a shell, on a terminal."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hyperjobs.cli.edge import answer
from hyperjobs.cli.program import program

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

DEADLINE_S = 60
TERMINAL = {"TERM": "xterm-256color", "COLUMNS": "140", "LINES": "50"}
"""What a program finds in its environment on a terminal."""

_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class Done:
    """How a line ended, and what it wrote: to a person's eyes, both streams in one."""

    code: int
    written: str


class _Stream(io.TextIOWrapper):
    """A standard stream of a command that is run here, which says whether it is a terminal."""

    def __init__(self, text: bytes, *, on_terminal: bool) -> None:
        super().__init__(io.BytesIO(text), encoding="utf-8", errors="backslashreplace", write_through=True)
        self._on_terminal = on_terminal

    def isatty(self) -> bool:
        return self._on_terminal

    def written(self) -> str:
        self.flush()
        buffer = self.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue().decode()


@contextlib.contextmanager
def _in(environment: Mapping[str, str], cwd: Path) -> Iterator[None]:
    """This process with another environment and directory, for the length of a block."""
    before, there = dict(os.environ), Path.cwd()
    try:
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(cwd)
        yield
    finally:
        os.chdir(there)
        os.environ.clear()
        os.environ.update(before)


def run_here(words: Sequence[str], environment: Mapping[str, str], cwd: Path, *, on_terminal: bool) -> Done:
    """Run the program in this process, which is a third of a second quicker than in one of its own.

    On what it takes for a terminal it is answered y.
    """
    standard = sys.stdin, sys.stdout, sys.stderr
    out = _Stream(b"", on_terminal=on_terminal)
    with _in({**environment, **(TERMINAL if on_terminal else {})}, cwd):
        try:
            sys.stdin, sys.stdout, sys.stderr = _Stream(b"y\n" * on_terminal, on_terminal=on_terminal), out, out
            code = answer(program, words)
        finally:
            sys.stdin, sys.stdout, sys.stderr = standard
    return Done(code, out.written())


def run_by_shell(script: str, environment: Mapping[str, str]) -> Done:
    """Run a script of bash, without a terminal."""
    done = subprocess.run(
        ["bash", "-c", script],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=dict(environment),
        timeout=DEADLINE_S,
        check=False,
    )
    return Done(done.returncode, done.stdout)


def run_on_terminal(script: str, environment: Mapping[str, str]) -> Done:
    """Run a script of bash on a terminal as a person does, who says y, and q to what goes on until then."""
    ours, theirs = pty.openpty()
    written = b""
    with subprocess.Popen(
        ["bash", "-c", script],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**environment, **TERMINAL},
        start_new_session=True,
    ) as process:
        os.close(theirs)
        deadline, answered = time.monotonic() + DEADLINE_S, 0
        while True:
            if not select.select([ours], [], [], _POLL_S)[0]:
                if time.monotonic() > deadline:
                    os.killpg(process.pid, signal.SIGKILL)
                continue
            try:
                chunk = os.read(ours, 65536)
            except OSError:  # the other side is closed: the program has ended
                break
            written += chunk
            asked = written.count(b"[y/N]") + written.count(b"q ends")
            while answered < asked:
                os.write(ours, b"q" if b"q ends" in written else b"y\n")
                answered += 1
        code = process.wait(DEADLINE_S)
    os.close(ours)
    return Done(code, written.decode(errors="replace").replace("\r\n", "\n"))


def exported(text: str, environment: Mapping[str, str], cwd: Path) -> dict[str, str]:
    """What a line of a shell puts into the environment of those after it.

    Raises:
        AssertionError: the line does not work.
    """
    done = subprocess.run(
        ["bash", "-c", f'cd "{cwd}" && {text} && env -0'],
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    after = dict(each.partition("=")[::2] for each in done.stdout.split("\0") if each)
    return {name: value for name, value in after.items() if environment.get(name) != value and name != "_"}
