"""Interactive shells on a terminal of their own, in which the keys of a person are pressed."""

from __future__ import annotations

import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import termios
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from support.processes import until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

COMMANDS = {"bash": ["--norc", "--noprofile", "-i"], "zsh": ["-f", "-i"], "fish": ["--no-config", "-i"]}
LOAD = {
    "bash": 'PS1="ready> "; source {script}',
    "zsh": 'PS1="ready> "; fpath=({script.parent} $fpath); autoload -U compinit; compinit -u -D',
    "fish": 'function fish_prompt; echo -n "ready> "; end; source {script}',
}
_DEADLINE_S = 30


class Shell:
    """One of them.

    Attributes:
        here: the directory that it is in, where nothing is but what it makes.
        said: all that it wrote on its terminal so far.
    """

    def __init__(self, terminal: int, here: Path) -> None:
        self._terminal = terminal
        self.here = here
        self.said = ""

    def press(self, keys: str) -> None:
        """Press keys; it reads them when it is ready."""
        os.write(self._terminal, keys.encode())

    def run(self, line: str) -> None:
        """Write a line, and wait until it has run."""
        done = self.here / "done"
        self.press(f"{line}; echo > done\r")
        until(lambda: self.read() or done.exists(), f"end of {line!r}; it said {self.said!r}", timeout_s=_DEADLINE_S)
        done.unlink()

    def read(self) -> None:
        """Take up what it wrote, without waiting."""
        while select.select([self._terminal], [], [], 0)[0]:
            try:
                chunk = os.read(self._terminal, 65536)
            except OSError:  # it has ended
                return
            if not chunk:
                return
            self.said += chunk.decode(errors="replace")

    def until_it_says(self, *words: str) -> str:
        """Wait until all words are on its terminal; what it wrote since it was last asked."""
        before = len(self.said)
        until(
            lambda: self.read() or all(word in self.said[before:] for word in words),
            f"{words}; it said {self.said!r}",
            timeout_s=_DEADLINE_S,
        )
        return self.said[before:]


@contextmanager
def shell(kind: str, script: Path, here: Path, environment: Mapping[str, str]) -> Iterator[Shell]:
    """A shell with a completion script loaded.

    Args:
        kind: ``bash``, ``zsh`` or ``fish``.
        script: what it is to load; for zsh it is called ``_hyperjobs``.
        here: an empty directory, which is its home too.
        environment: of its process.
    """
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (50, 160))
    settings = {**environment, "HOME": str(here), "TERM": "xterm", "HISTFILE": str(here / ".history")}
    program = shutil.which(kind)
    assert program is not None
    process = subprocess.Popen(
        ["setsid", "--ctty", program, *COMMANDS[kind]],  # a session with this terminal, as a person's
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=here,
        env={**settings, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{settings['PATH']}"},
    )
    os.close(theirs)
    started = Shell(ours, here)
    try:
        started.run(LOAD[kind].format(script=script))
        yield started
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(ours)
