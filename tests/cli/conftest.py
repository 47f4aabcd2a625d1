"""A small store as the Go client writes it, and the real program to ask about it."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import apsw
import pytest
from click.testing import CliRunner, Result

from hyperjobs.cli.program import program
from hyperjobs.cli.setting import Setting

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

NOW = datetime(2026, 9, 10, 12, 0, tzinfo=UTC)
DEADLINE_S = 60

SCHEMA = """
CREATE TABLE jobs (
  id TEXT PRIMARY KEY, name TEXT NOT NULL, vm_name TEXT NOT NULL, vm_path TEXT NOT NULL, provider TEXT NOT NULL,
  output_dir TEXT NOT NULL, status TEXT NOT NULL, created_at TIMESTAMP NOT NULL, started_at TIMESTAMP,
  completed_at TIMESTAMP, progress REAL DEFAULT 0, error TEXT, metadata TEXT, user TEXT,
  total_size INTEGER DEFAULT 0, files_count INTEGER DEFAULT 0);
CREATE INDEX idx_status ON jobs(status); CREATE INDEX idx_created_at ON jobs(created_at DESC);
CREATE INDEX idx_provider ON jobs(provider); CREATE INDEX idx_user ON jobs(user);
CREATE INDEX idx_vm_name ON jobs(vm_name);
CREATE TABLE schema_version (version INTEGER PRIMARY KEY, applied_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP);
INSERT INTO schema_version(version) VALUES(1);
"""
COLUMNS = [
    "id",
    "name",
    "vm_name",
    "vm_path",
    "provider",
    "output_dir",
    "status",
    "created_at",
    "started_at",
    "completed_at",
    "progress",
    "error",
    "metadata",
    "user",
    "total_size",
    "files_count",
]


def row(job_id: str, **values: object) -> dict[str, object]:
    """A sound row with some values of its own."""
    sound: dict[str, object] = {
        "id": job_id,
        "name": f"Export {job_id}",
        "vm_name": "web-01",
        "vm_path": "/dc/vm/web-01",
        "provider": "vsphere",
        "output_dir": "/exports/web-01",
        "status": "completed",
        "created_at": "2026-09-01 10:00:00+00:00",
        "started_at": "2026-09-01 10:01:00+00:00",
        "completed_at": "2026-09-01 10:31:00+00:00",
        "progress": 100.0,
        "error": "",
        "metadata": "null",
        "user": "alice",
        "total_size": 1024,
        "files_count": 2,
    }
    return sound | values


ROWS = (
    row("job-1", metadata='{"format":"ova","compress":true}'),
    # written in Tokyo: its text sorts after job-3's, its instant is before it
    row("job-2", vm_name="db-01", provider="hyperv", created_at="2026-09-02 09:00:00+09:00", user="bob"),
    row(
        "job-3",
        status="failed",
        error="disk full on host",
        created_at="2026-09-02 01:00:00+00:00",
        completed_at="2026-09-02 01:10:00+00:00",
        progress=40.0,
        total_size=0,
    ),
    row(
        "job-4",
        vm_name="app-07",
        status="running",
        created_at="2026-09-10 11:00:00+00:00",
        started_at="2026-09-10 11:30:00+00:00",
        completed_at=None,
        progress=45.5,
        user="bob",
        total_size=0,
    ),
    row(
        "job-5",
        status="pending",
        created_at="2026-09-10 11:59:00+00:00",
        started_at=None,
        completed_at=None,
        progress=0,
    ),
)


def write_store(path: Path, rows: tuple[dict[str, object], ...] = ROWS) -> Path:
    """Make a store in WAL mode with these rows."""
    database = apsw.Connection(str(path))
    database.execute("PRAGMA journal_mode=WAL").fetchall()
    for _ in database.execute(SCHEMA):
        pass
    marks = ",".join("?" * len(COLUMNS))
    database.executemany(f"INSERT INTO jobs({','.join(COLUMNS)}) VALUES({marks})", [tuple(r.values()) for r in rows])
    database.close()
    return path


@dataclass(frozen=True)
class Program:
    """The real program, in processes of its own or in this one.

    Attributes:
        home: an empty home directory, which is also the directory it runs in.
    """

    home: Path
    store: Path
    environment: dict[str, str] = field(default_factory=dict)

    def env(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("HYPERJOBS_", "XDG_"))}
        return {**kept, "HOME": str(self.home), "TZ": "UTC", **self.environment, **(extra or {})}

    def run(
        self, *words: str, env: Mapping[str, str] | None = None, **options: object
    ) -> subprocess.CompletedProcess[str]:
        """Run it with pipes, the store named by the environment."""
        environment = self.env({"HYPERJOBS_STORE__PATH": str(self.store), **(env or {})})
        return self.run_bare(*words, env=environment, **options)

    def run_bare(
        self, *words: str, env: Mapping[str, str] | None = None, **options: object
    ) -> subprocess.CompletedProcess[str]:
        """Run it with pipes and exactly this environment."""
        settings = {"capture_output": True, "text": True, "timeout": DEADLINE_S, "cwd": self.home, **options}
        return subprocess.run(
            [sys.executable, "-m", "hyperjobs", *words], env=dict(env or self.env()), check=False, **settings
        )  # type: ignore[call-overload, no-any-return]

    def in_its_place(self, **options: str) -> Program:
        """The same with state and backups beside the store, and with options as the environment has them."""
        places = {
            "HYPERJOBS_STORE__STATE_DIR": str(self.store.parent / "state"),
            "HYPERJOBS_MAINTENANCE__BACKUP__DIRECTORY": str(self.store.parent / "backups"),
        }
        return replace(self, environment={**self.environment, **places, **options})

    def sql(self, *statements: str, values: Sequence[object] = ()) -> list[Any]:
        """Run statements on the store as another program does, which waits for locks; the rows of the last."""
        db = apsw.Connection(str(self.store))
        db.set_busy_timeout(5_000)
        try:
            return [db.execute(statement, values).fetchall() for statement in statements][-1]
        finally:
            db.close()

    def shell(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a bash script in which ``hj`` is the program."""
        start = f'hj() {{ "{sys.executable}" -m hyperjobs "$@"; }}; {script}'
        environment = self.env({"HYPERJOBS_STORE__PATH": str(self.store)})
        return subprocess.run(
            ["bash", "-c", start],
            env=environment,
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )

    def on_terminal(self, *words: str, width: int = 120, env: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Run it on a terminal of its own; its exit code and all it wrote."""
        environment = self.env(
            {"HYPERJOBS_STORE__PATH": str(self.store), "TERM": "xterm-256color", "COLUMNS": str(width), **(env or {})}
        )
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            [sys.executable, "-m", "hyperjobs", *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment,
            cwd=self.home,
        ) as process:
            os.close(theirs)
            written = _read_all(ours)
            code = process.wait(DEADLINE_S)
        os.close(ours)
        return code, written.replace("\r\n", "\n")

    def invoke(self, *words: str) -> Result:
        """Run it in this process, with the clock at ``NOW``; an error is the result's exception."""
        environment = {
            **dict.fromkeys(os.environ.keys() & {"HYPERJOBS_CONFIG"}),
            "HYPERJOBS_STORE__PATH": str(self.store),
        }
        return CliRunner(env=environment).invoke(program, words, obj=Setting(clock=Standstill()))


class Standstill:
    """A clock that stands at ``NOW``."""

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0


def _read_all(terminal: int) -> str:
    chunks = []
    while True:
        try:
            chunk = os.read(terminal, 65536)
        except OSError:  # the other side is closed: the program has ended
            break
        if not chunk:
            break
        chunks.append(chunk)
    return b"".join(chunks).decode()


@pytest.fixture
def hj(tmp_path: Path) -> Program:
    """The program beside a store of five jobs."""
    home = tmp_path / "home"
    home.mkdir()
    return Program(home, write_store(tmp_path / "jobs.db"))


@pytest.fixture
def bare(tmp_path: Path) -> Program:
    """The program where there is no store yet."""
    home = tmp_path / "home"
    home.mkdir()
    return Program(home, tmp_path / "jobs.db")


def _many(status: str, count: int) -> tuple[dict[str, object], ...]:
    return tuple(row(f"job-{n:03}", status=status, created_at=f"2026-09-01 10:{n:02}:00+00:00") for n in range(count))


def _beside(bare: Program, rows: tuple[dict[str, object], ...]) -> Program:
    write_store(bare.store, rows)
    return bare


@pytest.fixture
def empty(bare: Program) -> Program:
    """A store without jobs."""
    return _beside(bare, ())


@pytest.fixture
def many(bare: Program) -> Program:
    """A store of 25 completed jobs, job-024 the newest."""
    return _beside(bare, _many("completed", 25))


@pytest.fixture
def many_failed(bare: Program) -> Program:
    """A store of 15 failed jobs."""
    return _beside(bare, _many("failed", 15))


@pytest.fixture
def many_running(bare: Program) -> Program:
    """A store of 25 running jobs."""
    return _beside(bare, _many("running", 25))


@pytest.fixture
def bad_rows(bare: Program) -> Program:
    """A sound row, and one as no client writes it."""
    bad = row("bad", created_at="yesterday", metadata="[1", error=None, user=None, progress=None, total_size="big")
    return _beside(bare, (row("good"), bad))


@pytest.fixture
def hostile(bare: Program) -> Program:
    """A store whose texts try to drive the terminal."""
    texts = {
        "name": "\x1b]0;owned\x07\x1b[2Jname",
        "vm_name": "vm\nfake-id\tcompleted",
        "provider": "\x9b31mred",
        "error": "first\nsecond \x1b[31m\u202eelif.exe",
        "user": "[bold red]root[/]",
    }
    return _beside(bare, (row("evil\x1b[31m", status="failed", **texts), row("plain", status="failed", error="x")))


@pytest.fixture
def many_jobs(bare: Program) -> Program:
    """A store whose list is larger than any pipe."""
    return _beside(bare, tuple(row(f"job-{n:05}", error="x" * 200) for n in range(3000)))


@pytest.fixture
def unicode_names(bare: Program) -> Program:
    """A store with names of wide characters beside narrow ones."""
    names = ("データ-192", "web-01", "서버", "é-01")
    return _beside(bare, tuple(row(f"job-{n}", vm_name=name) for n, name in enumerate(names)))


@pytest.fixture
def long_errors(bare: Program) -> Program:
    """A store with a failed job whose error fills more than a line."""
    return _beside(bare, (row("migration-20261122-01506", status="failed", error="no space left on device " * 9),))
