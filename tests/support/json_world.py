"""Every command with ``--json``, one after the other, in one world: what each wrote."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner

from hyperjobs.cli.program import program
from hyperjobs.cli.setting import Setting
from hyperjobs.store.sqlite import open_store
from support.processes import agent, until
from support.receivers import http_receiver
from support.stores import insert, script, shell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = datetime(2026, 9, 10, 12, 0, tzinfo=UTC)
ERROR = "dial tcp 10.0.0.5:443: i/o timeout"


class Standstill:
    """A clock that stands at ``NOW``."""

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0


@dataclass
class World:
    """A store with its state and backups, and what was written about it.

    Attributes:
        written: (command, the option that makes it another shape) → what each call wrote, as values.
    """

    folder: Path
    written: dict[tuple[str, str], list[list[Any]]] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    url: str = ""

    @property
    def store(self) -> Path:
        return self.folder / "jobs.db"

    def call(self, command: str, *words: str, code: int = 0, shape: str = "", env: dict[str, str] | None = None) -> Any:
        """Run one command with --json in this process; the last object that it wrote."""
        given = {
            **dict.fromkeys(name for name in os.environ if name.startswith("HYPERJOBS_")),
            **self.environment,
            **(env or {}),
        }
        result = CliRunner(env=given).invoke(
            program, [*command.split(), *words, "--json"], obj=Setting(clock=Standstill()), standalone_mode=False
        )
        assert result.exception is None, (command, result.exception)
        assert (result.return_value or 0) == code, (command, result.output)
        return self.keep(command, shape, result.stdout)

    def keep(self, command: str, shape: str, text: str) -> Any:
        found = [json.loads(line) for line in text.splitlines()]
        self.written.setdefault((command, shape), []).append(found)
        return found[-1] if found else None


def _empty_world(folder: Path) -> World:
    world = World(folder)
    world.environment = {
        "HYPERJOBS_STORE__PATH": str(world.store),
        "HYPERJOBS_STORE__STATE_DIR": str(folder / "state"),
        "HYPERJOBS_MAINTENANCE__BACKUP__DIRECTORY": str(folder / "backups"),
        "HYPERJOBS_MAINTENANCE__PRUNE__ARCHIVE__DIRECTORY": str(folder / "archive"),
        "HYPERJOBS_MAINTENANCE__BACKUP__HOST": "db1",
    }
    _fill(world.store)
    return world


@contextmanager
def begin_world(folder: Path) -> Iterator[World]:
    """A world in which every command has something to say, with an agent at work on another store."""
    world = _empty_world(folder)
    other = folder / "other"
    other.mkdir()
    _fill(other / "jobs.db")
    log, config = folder / "audit.jsonl", folder / "audited.yaml"
    config.write_text(json.dumps({"audit": {"path": str(log)}}))
    with agent(other / "jobs.db", state_dir=other / "state", arguments=("--config", str(config))) as running:
        world.url = running.url
        until(lambda: log.exists() and log.read_bytes().count(b"\n") == 1, "the log was begun")
        world.call("install")
        world.call("backup create")
        world.call("delete", "job-2", "--yes")
        world.call("prune undo", "latest", "--yes")
        world.call("set-status", "running", "job-4", "--yes")
        world.call("export", str(folder / "jobs.jsonl"))
        world.call("pin", "job-1")
        _dashboard(folder)
        gone = {"name": "gone", "type": "webhook", "url": "http://localhost:9/canary"}
        (folder / "notify.yaml").write_text(json.dumps({"notifications": [gone]}))
        yield world


def make_world(folder: Path) -> World:
    """Run them all."""
    world = _empty_world(folder)
    _read(world)
    _back_up(world)
    _edit(world)
    _move(world)
    _mend(world)
    _maintain(world)
    _hold(world)
    _configure(world)
    _outside(world)
    world.call("uninstall", "--dry-run")
    world.call("uninstall", "--yes")
    world.call("uninstall", "--yes")
    return world


def _fill(store: Path) -> None:
    open_store(store, create=True).close()
    insert(
        store,
        {"id": "job-1", "created_at": "2026-09-01 10:00:00+00:00", "started_at": "2026-09-01 10:01:00+00:00",
         "completed_at": "2026-09-01 10:31:00+00:00", "metadata": '{"format": "ova"}'},
        {"id": "job-2", "status": "failed", "error": ERROR, "provider": "hyperv", "progress": 40.0,
         "created_at": "2026-09-09 10:00:00+00:00", "started_at": "2026-09-09 10:01:00+00:00",
         "completed_at": "2026-09-09 10:31:00+00:00"},
        {"id": "job-3", "status": "running", "progress": 45.5, "created_at": "2026-09-10 11:00:00+00:00",
         "started_at": "2026-09-10 11:30:00+00:00", "completed_at": None},
        {"id": "job-4", "status": "pending", "progress": 0.0, "created_at": "2026-09-10 11:59:00+00:00",
         "started_at": None, "completed_at": None},
        {"id": "bad", "status": "completed", "error": None, "user": None, "created_at": "2026-08-01 10:00:00+00:00",
         "started_at": "2026-08-01 10:00:00+00:00", "completed_at": "2026-08-01 11:00:00+00:00"},
    )  # fmt: skip


def _read(world: World) -> None:
    world.call("list")
    world.call("list", "--user", "nobody")
    world.call("running")
    world.call("failed")
    world.call("failed", "--group", shape="--group")
    world.call("show", "job-1")
    world.call("show", "bad")
    world.call("history", "job-2")
    world.call("install")
    world.call("install")
    world.call("stats")
    world.call("stats", "--by", "provider")
    world.call("stats", "--user", "nobody")
    world.call("top failures")
    world.call("top failures", "--by", "provider")


def _back_up(world: World) -> None:
    world.call("backup create", "--dry-run", shape="--dry-run")
    world.call("backup create")
    world.call("backup create", "--to", str(world.folder / "handout.db"))
    world.call("backup list", "--reasons")
    world.call("backup list")
    world.call("backup show")
    world.call("backup verify")
    world.call("backup verify", "--all")
    world.call("backup pin", "latest", "--reason", "the last before wave 7")
    world.call("backup unpin", "latest")
    world.call("backup unpin", "latest")
    world.call("backup prune", "--dry-run", "--keep-last", "1")
    world.call("pin", "job-1", "--reason", "audit")
    world.call("pins")
    world.call("unpin", "job-1")


def _edit(world: World) -> None:
    world.call("cancel", "job-4", "nobody", "--yes", code=7)
    world.call("retry", "job-4", "--yes")
    world.call("set-status", "completed", "job-3", "--yes", "--reason", "it ended")
    world.call("set-status", "completed", "job-3", "--yes", "--dry-run")
    world.call("backup diff", "latest")
    world.call("diff")
    world.call("delete", "job-2", "--yes")
    world.call("history", "job-2")
    world.call("prune list")
    world.call("prune undo", "latest", "--dry-run")
    world.call("prune undo", "latest", "--yes")
    (world.folder / "archive" / "jobs-20260101T000000Z-0009.jsonl.zst").write_bytes(b"")
    world.call("restore", "--dry-run")
    world.call("restore", "--to", str(world.folder / "restored.db"))
    world.call("restore", "--job", "job-1", "--replace", "--dry-run")
    world.call("salvage", "--dry-run", "--live")
    restored = world.folder / "restored.db"
    script(restored, "UPDATE jobs SET error='a'||char(0)||'b' WHERE id='job-1'")
    world.call("salvage", "--store", str(restored), "--dry-run", "--no-fill", code=3)
    world.call("backup adopt", str(world.folder / "handout.db"))


def _move(world: World) -> None:
    file = world.folder / "jobs.jsonl"
    world.call("export", str(file))
    file.write_text(file.read_text() + "no job\n")
    world.call("import", str(file), "--yes", code=1)
    world.call("copy", str(world.store), str(world.folder / "copy.db"), "--create", "--yes")
    world.call("copy", str(world.store), str(world.folder / "copy.db"), "--dry-run")
    world.call("salvage", "--to", str(world.folder / "salvaged.db"), "--live")
    world.call("restore", "--file", str(world.folder / "salvaged.db"), "--dry-run")
    world.call("rebuild", str(file), "--to", str(world.folder / "rebuilt.db"), "--skip-damaged")
    world.call("rebuild", "--to", str(world.folder / "none.db"), "--dry-run", "--skip-damaged")


def _maintain(world: World) -> None:
    script(world.store, "ANALYZE")
    for command in ("integrity", "vacuum", "checkpoint", "optimize", "drill"):
        world.call(command)
        world.call(command, "--dry-run")
    world.call("reindex", "--yes")
    world.call("prune", "--yes")
    world.call("prune", "--yes", env={"HYPERJOBS_MAINTENANCE__PRUNE__RETENTION__COMPLETED": "5d"})
    world.call("prune list")
    world.call("retention simulate", "--days", "3")
    world.call("retention simulate", "--days", "3", "--daily", shape="--daily")
    world.call("schedule")
    world.call("schedule preview", "--days", "2")
    world.call(
        "schedule preview", "--from", "2026-10-24", "--days", "3", "--tz", "Europe/Madrid", "--cron", "30 2 * * *"
    )


def _hold(world: World) -> None:
    world.call("resume")
    world.call("pause", "--for", "2h", "--reason", "storage work")
    world.call("resume")
    world.call("unfreeze", "--reason", "nothing was")
    world.call("freeze", "--reason", "a disk was replaced")
    world.call("unfreeze", "--reason", "the check was clean")
    world.call("runs")


def _mend(world: World) -> None:
    world.call("doctor", "--only", "journal")
    world.call("doctor", "--fix", "--dry-run", shape="--fix")
    world.call("doctor", "--fix", "--yes", shape="--fix")
    world.call("doctor", "--undo", "latest", "--yes", shape="--undo")


def _configure(world: World) -> None:
    for command in ("config show", "config schema", "config diff-effect", "rules values", "rules render"):
        world.call(command)
    nowhere = {"HYPERJOBS_MAINTENANCE__BACKUP__DIRECTORY": str(world.folder / "nowhere")}
    world.call("config check", "--host", env=nowhere)
    world.call("config check")
    world.call("config ack", "--yes")
    world.call("rules render", "--kind", "all", "--out", str(world.folder / "rules"), shape="--out")
    world.call("check-metrics", "--all", str(_dashboard(world.folder)), code=1)


def _dashboard(folder: Path) -> Path:
    path = folder / "dashboard.json"
    targets = [{"expr": "hyperjobs_jobs{vm='x'}"}, {"expr": "hyperjobs_nothing"}, {"expr": "node_load1"}]
    path.write_text(json.dumps({"panels": [{"title": "By machine", "targets": targets}]}))
    return path


def _outside(world: World) -> None:
    """What needs others: a receiver, an agent with an audit log, a process to stop."""
    with http_receiver() as receiver:
        hook = {"name": "ops", "type": "webhook", "url": f"{receiver.url}/canary"}
        gone = {"name": "gone", "type": "webhook", "url": "http://localhost:9/canary"}
        file = world.folder / "notify.yaml"
        file.write_text(json.dumps({"notifications": [hook, gone]}))
        world.call("notify test", "--config", str(file), code=1)
    log, config = world.folder / "audit.jsonl", world.folder / "hyperjobs.yaml"
    config.write_text(json.dumps({"store": {"path": str(world.store)}, "audit": {"path": str(log)}}))
    kept = {"env": world.environment, "arguments": ("--config", str(config))}
    with agent(world.store, state_dir=world.folder / "state", **kept) as running:
        until(lambda: log.exists() and log.read_bytes().count(b"\n") == 1, "the log was begun")
        script(world.store, "UPDATE jobs SET status='running', progress=50.0 WHERE id='job-4'")
        until(lambda: log.read_bytes().count(b"\n") == 2, "the change is in the log")
        until(lambda: shell(world.store, "SELECT count(*) FROM hyperjobs_audit") == "0\n", "the store knows")
        world.call("healthcheck", "--url", running.url)
        world.call("healthcheck", "--url", running.url, "--ready", "--store")
    world.call("audit verify", "--config", str(config))
    world.call("audit show", "--config", str(config))
    log.write_bytes(log.read_bytes().replace(b"running", b"pending"))
    world.call("audit verify", "--config", str(config), code=3)
    with _watching(world) as lines:
        world.keep("watch", "", lines(1))
        script(world.store, "UPDATE jobs SET progress=60.0 WHERE id='job-4'")
        world.keep("watch", "", lines(1))
        script(
            world.store, "UPDATE jobs SET status='completed', completed_at='2026-09-10 12:00:00+00:00' WHERE id='job-4'"
        )
        world.keep("watch", "", lines(1))


@contextmanager
def _watching(world: World) -> Iterator[Any]:
    with subprocess.Popen(
        [sys.executable, "-m", "hyperjobs", "watch", "--json", "--interval", "0.2s"],
        stdout=subprocess.PIPE, text=True, env={**os.environ, **world.environment},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        try:
            yield lambda count: "".join(process.stdout.readline() for _ in range(count))
        finally:
            process.terminate()
