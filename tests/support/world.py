"""A host on which hyperjobs has been at work for a while: what the examples of the commands are about.

It is made once by the real program, and put back as it was before each example, at the same path, since backups and
state know a store by its path. What an example calls ``/etc/…`` is in the world's own ``etc``.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import apsw
import zstandard

from hyperjobs.maintenance.backup.create import create_backup
from hyperjobs.maintenance.backup.directory import BackupDirectory
from hyperjobs.store.snapshot import Pace
from hyperjobs.testing import FakeClock
from support.agents import started
from support.ledgers import make_store
from support.processes import free_port, running
from support.stores import BUSY_MS, insert

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from support.processes import Process

STORE = "/var/lib/hypersdk/jobs.db"
CONFIG = "/etc/hyperjobs/hyperjobs.yaml"
FAILED, RUNNING, PENDING = "migration-20261122-01506", "migration-20261124-00007", "migration-20261124-00012"
OLD, PINNED, LOST = "migration-20260801-00003", "migration-20260801-00004", "migration-20261101-00042"
TIMED_OUT = "NFC lease expired: timeout after 300s"
_DEADLINE_S = 60


@dataclass(frozen=True)
class World:
    """The host.

    Attributes:
        root: stands for ``/``; beside it lies what the world is put back from.
        port: where its agent serves, when it runs.
    """

    root: Path
    port: int

    @property
    def home(self) -> Path:
        """The home directory of who writes the examples."""
        return self.root / "home"

    @property
    def here(self) -> Path:
        """Where they are written."""
        return self.root / "here"

    @property
    def config(self) -> Path:
        """The configuration of the host."""
        return self.at(CONFIG)

    @property
    def environment(self) -> dict[str, str]:
        """What a process of this host sees, and nothing of the machine that the test runs on."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("HYPERJOBS_", "XDG_"))}
        path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
        return {**kept, "PATH": path, "HOME": str(self.home), "TZ": "UTC", "HYPERJOBS_CONFIG": str(self.config)}

    def at(self, path: str) -> Path:
        """Where an absolute path of an example is in truth."""
        return self.root / path.lstrip("/")

    def words(self, line: str) -> list[str]:
        """The words of a line after the program's name, as a shell of this host would hand them over."""
        name, *words = shlex.split(line)
        assert name == "hyperjobs", line
        return [self._word(word) for word in words]

    def _word(self, word: str) -> str:
        if word.startswith("~/"):
            return str(self.home / word[2:])
        return str(self.at(word)) if word.startswith("/") else word

    def hyperjobs(self, *words: str | Path) -> str:
        """Run the program, which must do well; what it wrote."""
        command = [sys.executable, "-m", "hyperjobs", *map(str, words)]
        done = subprocess.run(
            command,
            env=self.environment,
            cwd=self.here,
            capture_output=True,
            text=True,
            timeout=_DEADLINE_S,
            check=False,
        )
        assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    @contextmanager
    def agent(self) -> Iterator[Process]:
        """Its agent, at work."""
        command = [sys.executable, "-m", "hyperjobs", "run"]
        with running(command, env=self.environment, cwd=self.here) as process:
            started(process)
            yield process

    def put_back(self) -> None:
        """Make all of it as it was first."""
        shutil.rmtree(self.root)
        shutil.copytree(self._first, self.root, symlinks=True)

    def keep(self) -> None:
        """This is how it is to be put back."""
        shutil.copytree(self.root, self._first, symlinks=True)

    @property
    def _first(self) -> Path:
        return self.root.with_name(f"{self.root.name}-first")


def make_world(directory: Path, *, receiver: str) -> World:
    """A host with a store of some forty jobs, their history, backups, archives, an audit log, and a past agent.

    Args:
        directory: an empty one.
        receiver: the URL that its notifications go to.
    """
    world = World(directory / "world", free_port())
    for name in ("home", "here", "backups", "offsite", "log", "mnt/old", "etc/hyperjobs", "etc/prometheus/rules"):
        (world.root / name).mkdir(parents=True, mode=0o700)
    world.at(STORE).parent.mkdir(parents=True)
    options = _options(world, receiver)
    world.config.write_text(json.dumps(options))  # JSON is YAML
    now = datetime.now(UTC)
    store = make_store(world.at(STORE))
    insert(store, *_jobs(now))
    with world.agent() as agent:
        audit = world.root / "log" / "audit.jsonl"
        agent.until(lambda: audit.exists() and audit.read_bytes().count(b"\n") == 1, "the begin of the audit log")
        _change(store, now)
        agent.until(lambda: FAILED in audit.read_text(), "line of the failed job in the audit log")
        agent.until(lambda: not _waiting(store), "end of the outbox")
        assert agent.stop() == 0
    directory_of_backups = BackupDirectory(world.root / "backups")
    for days in (3, 1):
        create_backup(store, directory_of_backups, clock=FakeClock(now - timedelta(days=days)), pace=Pace())
    world.hyperjobs("backup", "create")
    db = apsw.Connection(str(store))
    db.set_busy_timeout(BUSY_MS)
    db.execute("DELETE FROM jobs WHERE id=?", (LOST,))
    db.close()
    world.hyperjobs("prune", "--yes")
    insert(store, _job(OLD, now, days=110), _job(PINNED, now, days=109))
    world.hyperjobs("pin", PINNED, "--reason", "for the auditors")
    _write_files(world, options, now)
    world.keep()
    return world


def _options(world: World, receiver: str) -> dict[str, object]:
    return {
        "store": {"path": str(world.at(STORE)), "state_dir": str(world.root / "state")},
        "web": {"listen": [f"127.0.0.1:{world.port}"]},
        "audit": {"path": str(world.root / "log" / "audit.jsonl")},
        "notifications": [{"name": "ops", "type": "webhook", "url": receiver}],
        "maintenance": {
            "reserve": 0,
            "backup": {
                "directory": str(world.root / "backups"),
                "destinations": [{"name": "offsite", "directory": str(world.root / "offsite")}],
            },
            "prune": {"retention": {"completed": "40d", "failed": "90d", "cancelled": "40d"}},
        },
    }


def _job(job_id: str, now: datetime, *, days: float, status: str = "completed", **values: object) -> dict[str, object]:
    """A job that was made so many days ago, ran for half an hour, and is what its status says."""
    made, began, ended = (f"{now - timedelta(days=days) + timedelta(minutes=n):%F %T.%f+00:00}" for n in (0, 1, 31))
    is_ended = status not in {"pending", "running"}
    return {
        "id": job_id,
        "name": f"Export {job_id}",
        "vm_name": f"vm-{job_id[-3:]}",
        "vm_path": f"/dc/vm/{job_id[-3:]}",
        "status": status,
        "user": "alice",
        "created_at": made,
        "started_at": None if status == "pending" else began,
        "completed_at": ended if is_ended else None,
        "progress": 100.0 if status == "completed" else 40.0 if status == "running" else 0.0,
        "error": TIMED_OUT if status == "failed" else "",
        **values,
    }


def _jobs(now: datetime) -> Iterator[dict[str, object]]:
    for number in range(24):
        provider = ("vsphere", "hyperv")[number % 2]
        status = "failed" if number % 6 == 0 else "cancelled" if number % 6 == 1 else "completed"
        days = 3 + number * 1.4
        yield _job(f"migration-2026{1100 + number}-00{number:03}", now, days=days, status=status, provider=provider)
    for number in range(8):
        yield _job(f"migration-20260701-00{number:03}", now, days=120 + number)
    yield _job(LOST, now, days=12)
    yield _job(FAILED, now, days=1.5, status="running")
    yield _job(RUNNING, now, days=0.02, status="pending")
    yield _job(PENDING, now, days=0.01, status="pending")


def _change(store: Path, now: datetime) -> None:
    """What jobs do while an agent looks on."""
    db = apsw.Connection(str(store))
    db.set_busy_timeout(5_000)
    at = f"{now:%F %T.%f+00:00}"
    db.execute("UPDATE jobs SET status='running', started_at=?, progress=12 WHERE id=?", (at, RUNNING))
    db.execute("UPDATE jobs SET status='failed', completed_at=?, error=? WHERE id=?", (at, TIMED_OUT, FAILED))
    db.close()


def _waiting(store: Path) -> int:
    """So many changes the audit log does not have yet."""
    db = apsw.Connection(str(store))
    db.set_busy_timeout(5_000)
    found: int = db.execute("SELECT count(*) FROM hyperjobs_audit").fetchall()[0][0]
    db.close()
    return found


def _write_files(world: World, options: Mapping[str, object], now: datetime) -> None:
    """What lies about in the directory and the home of who writes the examples."""
    for name in (".zfunc", ".config/fish/completions"):
        (world.home / name).mkdir(parents=True)
    (world.here / "hyperjobs.yaml").write_text(json.dumps(options))
    changed = json.loads(json.dumps(options))
    changed["maintenance"]["prune"]["retention"]["cancelled"] = "30d"
    (world.here / "new.yaml").write_text(json.dumps(changed))
    (world.here / "mine.yaml").write_text("labels: {team: storage}\n")
    panel = {"type": "stat", "title": "Jobs", "targets": [{"expr": "sum by (status) (hyperjobs_jobs)"}]}
    (world.here / "dashboard.json").write_text(json.dumps({"title": "Ours", "panels": [panel]}))
    for path in (world.here / "jobs.db", world.root / "mnt/old/jobs.db", world.home / ".hypersdk/jobs.db"):
        path.parent.mkdir(exist_ok=True)
        insert(make_store(path), *(_job(f"{path.parent.name}-{number}", now, days=number) for number in range(3)))
        _close(path)
    old = (now - timedelta(days=100)).timestamp()
    os.utime(world.root / "mnt/old/jobs.db", (old, old))
    exported = world.hyperjobs("export", "--limit", "5")
    (world.here / "exported.jsonl.zst").write_bytes(zstandard.compress(exported.encode()))
    history = [
        {
            "timestamp": f"{now:%FT%TZ}",
            "vm_name": "web-01",
            "vm_path": "/dc/vm/web-01",
            "provider": "vsphere",
            "format": "ova",
            "output_dir": "/exports",
            "total_size": 1,
            "files_count": 1,
            "duration": 60_000_000_000,
            "success": True,
        }
    ]
    (world.home / ".hyperexport").mkdir()
    (world.home / ".hyperexport" / "history.json").write_text(json.dumps(history))


def _close(path: Path) -> None:
    """Leave a store that nobody has open, as one file."""
    db = apsw.Connection(str(path))
    db.set_busy_timeout(BUSY_MS)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    db.close()
