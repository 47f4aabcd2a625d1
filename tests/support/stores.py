"""Stores for the tests: new ones, rows as other writers leave them, and a second process that writes."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw

from hyperjobs.store.flavour import COLUMNS
from hyperjobs.store.sqlite import open_store
from hyperjobs.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hyperjobs.store.sqlite import SQLiteJobStore

GO_FIXTURE = Path(__file__).parents[1] / "fixtures" / "hypersdk-go"

ROW: dict[str, Any] = {
    "id": "raw-1",
    "name": "Export raw",
    "vm_name": "raw",
    "vm_path": "/dc/vm/raw",
    "provider": "vsphere",
    "output_dir": "/exports/raw",
    "status": "completed",
    "created_at": "2026-01-21 10:00:00+00:00",
    "started_at": "2026-01-21 10:01:00+00:00",
    "completed_at": "2026-01-21 10:11:00+00:00",
    "progress": 100.0,
    "error": "",
    "metadata": "null",
    "user": "admin",
    "total_size": 1024,
    "files_count": 2,
}
"""A row as the Go client writes it."""

BUSY_MS = 10_000
"""As every writer of a store has it: an agent may be folding just then."""


def new_store(directory: Path, **options: Any) -> SQLiteJobStore:
    """Make a store in a directory, with a clock that stands still and no waiting for the disk."""
    return open_store(directory / "jobs.db", **{"create": True, "clock": FakeClock(), "synchronous": "OFF", **options})


def go_store(directory: Path) -> Path:
    """Copy the store that hypersdk's own client wrote."""
    return Path(shutil.copy(GO_FIXTURE / "jobs.db", directory / "jobs.db"))


def insert(path: Path, *rows: dict[str, Any]) -> None:
    """Insert rows as some other writer would; ``ROW`` says what is left out. Text may be given as ``RawText``."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_timeout(BUSY_MS)
    try:
        connection.execute("BEGIN IMMEDIATE")
        for row in rows:
            values = {**ROW, **row}
            marks = ",".join("CAST(? AS TEXT)" if isinstance(values[c], RawText) else "?" for c in COLUMNS)
            cells = [bytes(v) if isinstance(v := values[c], RawText) else v for c in COLUMNS]
            connection.execute(f"INSERT INTO jobs ({','.join(COLUMNS)}) VALUES ({marks})", cells)  # noqa: S608 - ours
        connection.execute("COMMIT")
    finally:
        connection.close()


class RawText(bytes):
    """Bytes to be kept as TEXT, whatever they are."""


def script(path: Path, *statements: str) -> None:
    """Run statements on a file, creating it when it is missing."""
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(BUSY_MS)
    try:
        for statement in statements:
            connection.execute(statement).fetchall()
    finally:
        connection.close()


def shell(path: Path, *arguments: str) -> str:
    """Run the ``sqlite3`` program on a store and return what it prints."""
    done = subprocess.run(["sqlite3", str(path), *arguments], capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    return done.stdout


_HOLDER = """
import sys, apsw
connection = apsw.Connection(sys.argv[1])
for statement in sys.argv[2:]:
    connection.execute(statement).fetchall()
print("ready", flush=True)
sys.stdin.readline()
connection.close()
"""


@contextlib.contextmanager
def held(path: Path, statements: Iterable[str] = ("BEGIN IMMEDIATE",)) -> Iterator[subprocess.Popen[str]]:
    """Run statements in another process, which keeps its connection open until the end of the block."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(path), *statements],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.communicate("\n", timeout=30)
