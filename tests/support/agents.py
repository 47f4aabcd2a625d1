"""The real agent, started in any way, and what it says."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import apsw

from support.processes import running
from support.stores import BUSY_MS
from support.tools import give_up

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.processes import Process


@contextmanager
def launched(store: Path, state_dir: Path, *, listen: str = "127.0.0.1:0", env=None, prefix=()) -> Iterator[Process]:
    """``hyperjobs run``, however it ends; ``prefix`` are words before the command."""
    environment = {
        "HYPERJOBS_STORE__STATE_DIR": str(state_dir),
        "HYPERJOBS_MAINTENANCE__BACKUP__DIRECTORY": str(state_dir / "backups"),
        "HYPERJOBS_MAINTENANCE__RESERVE": "0",
        **(env or {}),
    }
    command = [*prefix, sys.executable, "-m", "hyperjobs", "run", "--store", store, "--listen", listen]
    with running(command, env=environment) as process:
        yield process


def events(process: Process) -> list[dict[str, object]]:
    """The lines of its log."""
    return [json.loads(line) for line in process.output.splitlines() if line.startswith("{")]


def logged(process: Process, event: str) -> list[dict[str, object]]:
    """The lines of its log with this event."""
    return [line for line in events(process) if line["event"] == event]


def started(process: Process) -> str:
    """Its address, once it has started."""
    process.until(lambda: logged(process, "agent.started"), "the start")
    return f"http://{logged(process, 'agent.started')[0]['addresses'][0]}"


def unprivileged() -> list[str]:
    """Words before a command that make the system's permissions hold for it, also when the tests run as root."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        give_up("root may do everything, and there is no setpriv to give that up")
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-net_bind_service"]


def stop_seconds(process: Process, *signals) -> tuple[int, float]:
    """Exit code and how long it took from the first signal."""
    started = time.monotonic()
    for number in signals:
        process.signal(number)
    return process.wait(), time.monotonic() - started


def fill(path: Path, jobs: int) -> None:
    """Many finished jobs, fast."""
    db = apsw.Connection(str(path))
    db.set_busy_timeout(BUSY_MS)
    sql = """WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<?)
      INSERT INTO jobs SELECT 'job-'||i,'n','vm','/vm','vsphere','/o','completed','2026-01-01 10:00:00+00:00',
      '2026-01-01 10:01:00+00:00','2026-01-01 10:02:00+00:00',100.0,'','null','',1,1 FROM n"""
    db.execute(sql, (jobs,)).fetchall()
    db.close()
