"""Whoever follows a page: its lines are run one after the other, in a world that is like the one the page speaks of.

What is otherwise here than on the reader's machine, and nothing else:

- A path under /etc, /var, /srv, /mnt, /opt, /tmp or /usr/local lies in the world's own directory. The directory that
  commands run in is a checkout whose entries are links to this one, so that what is made in it is the world's.
- Port 10985 is a free one. ``make`` takes the environment of the tests for `.venv`, which it does not make anew, and
  ``make demo`` lives through some hours of the past, not two weeks.
- ``sudo`` runs its command as whoever runs the tests. ``systemctl`` starts and stops the world's own processes: the
  agent by the command of its unit, and a writer that stands for hypersdk's daemon.
- Capitals that stand for something (JOB, RUN, BACKUP) are replaced by what is in the world.
- What runs in the foreground is ended by Ctrl-C when the next such line comes, or the page ends. Questions are answered
  with y, on a terminal.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from support.command_lines import command_of
from support.pages import ROOT
from support.processes import free_port
from support.services import Services
from support.shells import Done, exported, run_by_shell, run_here, run_on_terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PLACES = re.compile(r"(?<![\w.:/}~-])/(etc|var|srv|mnt|opt|tmp|usr/local)(?=/)")
_ELSEWHERE = re.compile(r"(?<![\w.:/}~*-])/(?!dev/|proc/)[a-z][\w.-]*/")
_SHELL = re.compile(r"[|<>*;&$`~]|^\w+=")
_PRELUDE = """
sudo() { while [ "${1#-}" != "$1" ]; do case "$1" in -u|-g) shift 2;; *) shift;; esac; done; "$@"; }
make() {
  case "$1" in demo) set -- "$@" "ARGS=--days 0.05 --speed 20 --prometheus-port 0 --alertmanager-port 0 --without-prometheus";; esac
  command make -o .venv/.stamp-wheel -o .venv/.stamp-test VENV=.venv "$@"
}
set -e
"""
_ASKING = {"--convert", "--fix", "--undo"}
"""A command that has one of these asks only when it is given."""
_FOREGROUND = re.compile(r"^(hyperjobs run|make run|make demo)\b")
PLACES = (
    "etc/hyperjobs",
    "etc/systemd/system",
    "var/lib/hypersdk",
    "var/lib/hyperjobs",
    "var/backups",
    "var/log/hyperjobs",
    "usr/local/bin",
    "opt",
    "tmp",
    "srv",
    "mnt",
    "home",
)
_DRAWS = "hyperjobs watch"
"""It takes keys, and so needs a terminal of its own."""
LINKED = ("agent", "config", "demo", "docs", "grafana", "requirements", "tools", "Makefile", "pyproject.toml")


class World(Services):
    """A machine's worth of directories, and the processes on it.

    Attributes:
        root: where its directories are.
        checkout: where commands run.
        port: what port 10985 is here.
        words: what a page's capitals stand for.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.checkout = root / "checkout"
        self.port = free_port()
        self.words: dict[str, Callable[[], str]] = {}
        self.environment: dict[str, str] = {}
        self._directory = self.checkout
        super().__init__(self.url, self.env, lambda: self._directory)
        for place in PLACES:
            (root / place).mkdir(parents=True)
        (root / "var/lib/hyperjobs").chmod(0o700)
        self.checkout.mkdir()
        for name in LINKED:
            (self.checkout / name).symlink_to(ROOT / name)
        (self.checkout / ".venv").symlink_to(sys.prefix)
        shutil.copytree(ROOT / "deploy", self.checkout / "deploy")

    @property
    def store(self) -> Path:
        """Its store."""
        return self.root / "var/lib/hypersdk/jobs.db"

    @property
    def url(self) -> str:
        """Its agent's address."""
        return f"http://127.0.0.1:{self.port}"

    def here(self, text: str) -> str:
        """A line as it has to be written here.

        Raises:
            ValueError: it names a directory that a world does not have, and that would be this machine's.
        """
        text = _PLACES.sub(lambda found: f"{self.root}/{found[1]}", text)
        if found := _ELSEWHERE.search(text.replace(str(self.root), "~")):
            raise ValueError(f"{text}: {found[0]} is not mapped to the world")
        text = text.replace("10985", str(self.port))
        for word, meant in self.words.items():
            pattern = re.compile(rf"(?<![\w-]){re.escape(word)}(?![\w-])")
            text = pattern.sub(lambda _: meant(), text) if pattern.search(text) else text  # noqa: B023 - called at once
        return text

    def there(self, text: str) -> str:
        """What a command wrote, as it would have been written on the reader's machine."""
        return text.replace(str(self.root), "").replace(str(self.port), "10985")

    def env(self) -> dict[str, str]:
        """The environment of its commands."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("HYPERJOBS_", "XDG_"))}
        return {
            **kept,
            "HOME": str(self.root / "home"),
            "TMPDIR": str(self.root / "tmp"),
            "TZ": "UTC",
            "NO_COLOR": "1",
            "TERM": "dumb",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HYPERJOBS_CONFIG": str(self.root / "etc/hyperjobs/hyperjobs.yaml"),
            "PORT": str(self.port),
            **self.environment,
        }

    def run(self, text: str, *, on_terminal: bool = False) -> Done:
        """Run one line and wait for it; one in the foreground is run until it serves."""
        text = self.here(text)
        bare = re.sub(r"^sudo (-u \S+ )?", "", text)
        if bare.startswith("systemctl "):
            return self.systemctl(shlex.split(bare, comments=True)[1:])
        if bare.startswith("export "):
            self.environment |= exported(text, self.env(), self._directory)
            return Done(0, "")
        if _FOREGROUND.match(bare) and "--help" not in bare:
            return self.in_front(bare, prelude=_PRELUDE)
        on_terminal = on_terminal or (bare.startswith("hyperjobs") and _asks(bare))
        is_plain = bare.startswith("hyperjobs") and not _SHELL.search(bare.split("#")[0])
        if is_plain and not bare.startswith(_DRAWS):
            words = shlex.split(bare, comments=True)[1:]
            return run_here(words, self.env(), self._directory, on_terminal=on_terminal)
        script = f'{_PRELUDE}cd "{self._directory}"\n{text}\npwd > "{self.root}/cwd"'
        done = (run_on_terminal if on_terminal else run_by_shell)(script, self.env())
        if (where := self.root / "cwd").exists():
            self._directory = Path(where.read_text().strip())
        return done


def _asks(text: str) -> bool:
    """Whether a person would be asked, and so has to be at a terminal."""
    words = shlex.split(text, comments=True)
    try:
        command, _, _ = command_of(text)
    except click.UsageError:
        return False
    options = {option for parameter in command.params for option in parameter.opts}
    does_ask = not options & _ASKING or set(words) & _ASKING
    return "--yes" in options and bool(does_ask) and not {"--yes", "--dry-run", "--json"} & set(words)


@contextlib.contextmanager
def world(root: Path) -> Iterator[World]:
    """A world for the length of a block."""
    made = World(root)
    try:
        yield made
    finally:
        made.close()
