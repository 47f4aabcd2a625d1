"""The real agent, started in every way, and stores that it can and cannot serve."""

from __future__ import annotations

import json
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import apsw
import pytest

from support.processes import running
from support.scrapes import copy_fixture

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.processes import Process


@pytest.fixture
def store(tmp_path) -> Path:
    """A copy of the store that the real Go client wrote, in a directory of its own."""
    directory = tmp_path / "store"
    directory.mkdir()
    return copy_fixture(directory)


@contextmanager
def launched(store: Path, state_dir: Path, *, listen: str = "127.0.0.1:0", env=None) -> Iterator[Process]:
    """``hyperjobs run``, however it ends."""
    environment = {"HYPERJOBS_STORE__STATE_DIR": str(state_dir), **(env or {})}
    command = [sys.executable, "-m", "hyperjobs", "run", "--store", store, "--listen", listen]
    with running(command, env=environment) as process:
        yield process


@pytest.fixture
def launch(tmp_path):
    """Starts an agent that may fail to."""

    def start(store, *, state_dir=None, **more):
        return launched(store, state_dir or tmp_path / "state", **more)

    return start


def events(process: Process) -> list[dict[str, object]]:
    """The lines of its log."""
    return [json.loads(line) for line in process.output.splitlines() if line.startswith("{")]


def logged(process: Process, event: str) -> list[dict[str, object]]:
    """The lines of its log with this event."""
    return [line for line in events(process) if line["event"] == event]


def stop_seconds(process: Process, *signals) -> tuple[int, float]:
    """Exit code and how long it took from the first signal."""
    started = time.monotonic()
    for number in signals:
        process.signal(number)
    return process.wait(), time.monotonic() - started


def fill(path: Path, jobs: int) -> None:
    """Many finished jobs, fast."""
    db = apsw.Connection(str(path))
    sql = """WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<?)
      INSERT INTO jobs SELECT 'job-'||i,'n','vm','/vm','vsphere','/o','completed','2026-01-01 10:00:00+00:00',
      '2026-01-01 10:01:00+00:00','2026-01-01 10:02:00+00:00',100.0,'','null','',1,1 FROM n"""
    db.execute(sql, (jobs,)).fetchall()
    db.close()
