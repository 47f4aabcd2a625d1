"""A store on a host of its own: state, backups and a configuration in the test's folder, and the real program beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import apsw
import yaml

from support.ledgers import HYPERSDK_SCHEMA
from support.processes import free_port
from support.stores import BUSY_MS

if TYPE_CHECKING:
    from pathlib import Path

LONGEST_S = 11.0
"""The whole visit within ten seconds, and a little for a busy machine's start of a process."""

SOUND: dict[str, Any] = {
    "id": "job-0",
    "name": "Export",
    "vm_name": "web-01",
    "vm_path": "/dc/web-01",
    "provider": "vsphere",
    "output_dir": "/exports",
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


class Host:
    """What the doctor is called to."""

    def __init__(self, folder: Path, store: Path | None = None) -> None:
        self.folder = folder
        self.store = store or folder / "jobs.db"
        self.file = folder / "hyperjobs.yaml"
        self.port = free_port()
        for name in ("state", "backups"):
            (folder / name).mkdir(mode=0o700)
        self.options: dict[str, Any] = {
            "store": {"path": str(self.store), "state_dir": str(folder / "state"), "busy_timeout": "1s"},
            "web": {"listen": [f"127.0.0.1:{self.port}"]},
            "maintenance": {"reserve": "0", "backup": {"directory": str(folder / "backups")}},
        }
        self.write()

    def write(self) -> None:
        self.file.write_text(yaml.safe_dump(self.options))

    def make(self, *rows: dict[str, Any], mode: str = "wal") -> None:
        """The store, with these rows on top of sound ones."""
        db = apsw.Connection(str(self.store))
        db.set_busy_timeout(BUSY_MS)
        db.execute(f"PRAGMA journal_mode={mode}").fetchall()
        db.execute(HYPERSDK_SCHEMA).fetchall()
        for number, row in enumerate(rows):
            cells = SOUND | {"id": f"job-{number}"} | row
            marks = ",".join("?" * len(cells))
            db.execute(f"INSERT INTO jobs({','.join(cells)}) VALUES({marks})", tuple(cells.values()))
        db.close()

    def sql(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements as another program does, which waits for locks; the rows of the last."""
        db = apsw.Connection(str(self.store))
        db.set_busy_timeout(5_000)
        rows: list[Any] = []
        for statement in statements:
            rows = db.execute(statement).fetchall()
        db.close()
        return rows

    def run(self, *words: str, user: str = "") -> subprocess.CompletedProcess[str]:
        """``hyperjobs doctor``; it must come back in time and without a traceback."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("HYPERJOBS_", "XDG_"))}
        command = [sys.executable, "-m", "hyperjobs", "doctor", "--config", str(self.file), *words]
        began_s = time.monotonic()
        done = subprocess.run(
            command,
            env={**kept, "HOME": str(self.folder), "TZ": "UTC"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            **({"user": user} if user else {}),
        )
        took_s = time.monotonic() - began_s
        assert "Traceback" not in done.stdout + done.stderr
        assert "unexpected" not in done.stdout
        assert "--fix" in words or took_s < LONGEST_S, f"{took_s:.1f} s"
        return done

    def doctor(self, *words: str) -> tuple[int, list[dict[str, Any]]]:
        """Exit code and findings."""
        done = self.run("--json", *words)
        assert done.stderr == ""
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]

    def one(self, name: str, *words: str) -> dict[str, Any]:
        """The worst finding of one check."""
        _, findings = self.doctor("--only", name, *words)
        return next(each for each in findings if each["check"] == name)
