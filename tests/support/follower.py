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
import io
import os
import pty
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hyperjobs.cli.edge import answer
from hyperjobs.cli.program import program
from support.command_lines import command_of
from support.pages import ROOT
from support.processes import free_port, get, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from support.processes import Process

DEADLINE_S = 60
_POLL_S = 0.2
_PLACES = re.compile(r"(?<![\w.:/}~-])/(etc|var|srv|mnt|opt|tmp|usr/local)(?=/)")
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
_TERMINAL = {"TERM": "xterm-256color", "COLUMNS": "140", "LINES": "50"}
LINKED = ("agent", "config", "demo", "docs", "grafana", "requirements", "tools", "Makefile", "pyproject.toml")


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


class World:
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
        self._cwd = self.checkout
        self._services: dict[str, contextlib.ExitStack] = {}
        self._units: dict[str, tuple[Sequence[str | Path], re.Pattern[str] | None]] = {}
        self._processes: dict[str, Process] = {}
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
        """A line as it has to be written here."""
        text = _PLACES.sub(lambda found: f"{self.root}/{found[1]}", text)
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
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("HYPERJOBS_", "XDG_", "CI"))}
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

    # A line

    def run(self, text: str, *, on_terminal: bool = False) -> Done:
        """Run one line and wait for it; one in the foreground is run until it serves."""
        text = self.here(text)
        bare = re.sub(r"^sudo (-u \S+ )?", "", text)
        if bare.startswith("systemctl "):
            return self._systemctl(shlex.split(bare, comments=True)[1:])
        if bare.startswith("export "):
            return self._export(text)
        if _FOREGROUND.match(bare) and "--help" not in bare:
            return self._in_front(bare)
        on_terminal = on_terminal or (bare.startswith("hyperjobs") and _asks(bare))
        is_plain = bare.startswith("hyperjobs") and not _SHELL.search(bare.split("#")[0])
        if is_plain and not bare.startswith(_DRAWS):
            return self._in_process(shlex.split(bare, comments=True)[1:], on_terminal=on_terminal)
        script = f'{_PRELUDE}cd "{self._cwd}"\n{text}\npwd > "{self.root}/cwd"'
        done = self._terminal(script) if on_terminal else self._shell(script)
        if (where := self.root / "cwd").exists():
            self._cwd = Path(where.read_text().strip())
        return done

    def _in_process(self, words: Sequence[str], *, on_terminal: bool) -> Done:
        """Run the program here, which is a third of a second quicker than in a process of its own."""
        before, standard = dict(os.environ), (sys.stdin, sys.stdout, sys.stderr)
        cwd, environment = Path.cwd(), self.env()
        out = _Stream(b"", on_terminal=on_terminal)
        try:
            os.environ.clear()
            os.environ.update({**environment, **(_TERMINAL if on_terminal else {})})
            os.chdir(self._cwd)
            sys.stdin, sys.stdout, sys.stderr = _Stream(b"y\n" * on_terminal, on_terminal=on_terminal), out, out
            code = answer(program, words)
        finally:
            sys.stdin, sys.stdout, sys.stderr = standard
            os.chdir(cwd)
            os.environ.clear()
            os.environ.update(before)
        return Done(code, out.written())

    def _shell(self, script: str) -> Done:
        done = subprocess.run(
            ["bash", "-c", script],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.env(),
            timeout=DEADLINE_S,
            check=False,
        )
        return Done(done.returncode, done.stdout)

    def _export(self, text: str) -> Done:
        """Remember what a line sets for all that come after it, as one shell does."""
        before = self.env()
        done = subprocess.run(
            ["bash", "-c", f'cd "{self._cwd}" && {text} && env -0'],
            env=before,
            capture_output=True,
            text=True,
            check=False,
        )
        after = dict(each.partition("=")[::2] for each in done.stdout.split("\0") if each)
        self.environment |= {name: value for name, value in after.items() if before.get(name) != value and name != "_"}
        return Done(done.returncode, done.stderr)

    def _terminal(self, script: str) -> Done:
        """Run it on a terminal as a person does, who says y, and q to what goes on until then."""
        ours, theirs = pty.openpty()
        environment = {**self.env(), **_TERMINAL}
        written = b""
        with subprocess.Popen(
            ["bash", "-c", script], stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
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

    # What goes on beside

    def add_unit(self, name: str, command: Sequence[str | Path], ready: str | None = None) -> None:
        """Let systemctl start and stop this program under this name; ``ready`` is what it writes when it is up."""
        self._units[name] = (command, re.compile(ready) if ready else None)

    def process(self, unit: str) -> Process | None:
        """The process of a unit, while it runs."""
        found = self._processes.get(unit)
        return found if found is not None and found.exit_code is None else None

    def start(self, unit: str) -> None:
        """Start a unit, and wait until it is up."""
        if self.process(unit):
            return
        command, ready = self._units[unit]
        self._begin(unit, command, ready)

    def stop(self, unit: str) -> int:
        """Stop a unit, and give its exit code."""
        process = self.process(unit)
        code = 0
        if process:
            process.signal(signal.SIGTERM)
            process.signal(signal.SIGCONT)  # as systemd does, for one that was stopped could not end
            code = process.wait()
        if unit in self._services:
            self._services.pop(unit).close()
        return code

    def close(self) -> None:
        """End all that runs."""
        self._end_front()
        for stack in self._services.values():
            stack.close()

    def _begin(self, unit: str, command: Sequence[str | Path], ready: re.Pattern[str] | None) -> Process:
        stack = contextlib.ExitStack()
        process = stack.enter_context(running(command, env=self.env(), cwd=self._cwd))
        self._services[unit], self._processes[unit] = stack, process

        def is_up() -> bool:
            if ready is not None:
                return ready.search(process.output) is not None
            is_ready = (answered := get(f"{self.url}/-/ready")) is not None and answered.status == 200
            scraped = get(f"{self.url}/metrics") if is_ready else None
            return scraped is not None and re.search(r"_ledger_ready 1|_store_up 0", scraped.text) is not None

        process.until(is_up, f"{unit} to be up", timeout_s=DEADLINE_S)
        return process

    def _in_front(self, text: str) -> Done:
        """Start what a reader would leave running in this terminal; the agent that runs already makes room for it."""
        self._end_front()
        self.stop("hyperjobs")
        ready = re.compile("Ctrl-C ends it all") if text.startswith("make demo") else None
        process = self._begin("front", ["setsid", "bash", "-c", f"{_PRELUDE}\n{text}"], ready)
        return Done(0, process.output)

    def _end_front(self) -> None:
        """Ctrl-C, which a terminal sends to all that runs in its foreground."""
        if process := self.process("front"):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)
            process.wait()
        if "front" in self._services:
            self._services.pop("front").close()

    def _systemctl(self, words: Sequence[str]) -> Done:
        verb, *units = [word for word in words if not word.startswith("-")]
        sent = next((word.partition("=")[2] for word in words if word.startswith("--signal=")), "TERM")
        said = ""
        for unit in units:
            if unit not in self._units:
                return Done(5, f"Unit {unit}.service could not be found.")
            if verb in {"stop", "restart", "disable"} and (code := self.stop(unit)):
                return Done(1, f"{unit}: exit {code}")
            if verb in {"start", "restart", "enable"}:
                self.start(unit)
            process = self.process(unit)
            if verb in {"status", "reload", "kill"}:
                if process is None:
                    return Done(3, f"{unit}.service: inactive (dead)")
                if verb != "status":
                    process.signal(signal.Signals[f"SIG{'HUP' if verb == 'reload' else sent}"])
                said += f"{unit}.service: active (running), Main PID: {process.pid}\n"
        return Done(0, said)


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
def world(root: Path, *, environment: Mapping[str, str] | None = None) -> Iterator[World]:
    """A world for the length of a block."""
    made = World(root)
    made.environment.update(environment or {})
    try:
        yield made
    finally:
        made.close()
