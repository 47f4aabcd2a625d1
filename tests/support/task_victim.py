"""Runs any maintenance task again and again, as the agent does, in a process that is there to be killed.

``python -m support.task_victim STORE DIRECTORY``: each line on stdin, a task's name, starts a victim; its pid is
answered. It is forked from a process that has imported everything and opened nothing, so that a kill falls into the
work and not into the start. ``once NAME`` lets it end by itself. What a task says that it may not goes to ``DIRECTORY/trouble``.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from hyperjobs.agent.workshop import opened_workshop
from hyperjobs.cli.edge import answer
from hyperjobs.cli.program import program
from hyperjobs.clock import SystemClock
from hyperjobs.config import load_config
from hyperjobs.errors import BackupRunningError, StoreBusyError
from hyperjobs.logs import configure_logs
from hyperjobs.store.connection import Connection

RESTORE = "restore"
CHANGES: dict[str, tuple[str, dict[str, Any]]] = {
    "prune": ("prune", {"max_share": 1.0}),
    "backup": ("backup", {"pages": 20, "pause_s": 0.002}),
    "vacuum": ("vacuum", {"mode": "full", "min_free": 0.0, "is_forced": True}),
    "incremental": ("vacuum", {"mode": "incremental", "min_free": 0.0, "is_forced": True}),
    "drill": ("drill", {}),
    "checkpoint": ("checkpoint", {"truncate": lambda _now: True}),
    "integrity": ("integrity-quick", {}),
    "integrity of a backup": ("integrity-full", {}),
}
"""Task → its name in the product, and what is to be other than by default."""
_EXPECTED = (StoreBusyError, BackupRunningError)
"""Beside writers, and beside a lock that the one killed before has not let go of yet."""
_MOST_TRIES = 50


def environment(store: Path, directory: Path) -> dict[str, str]:
    """The configuration of an agent of this store that keeps all it has in one directory."""
    return {
        "HYPERJOBS_STORE__PATH": str(store),
        "HYPERJOBS_STORE__STATE_DIR": str(directory / "state"),
        "HYPERJOBS_MAINTENANCE__BACKUP__DIRECTORY": str(directory / "backups"),
        "HYPERJOBS_MAINTENANCE__BACKUP__KEEP__LAST": "2",
        **{f"HYPERJOBS_MAINTENANCE__BACKUP__KEEP__{word}": "0" for word in ("DAILY", "WEEKLY", "MONTHLY")},
        "HYPERJOBS_MAINTENANCE__BACKUP__MINIMUM": "2",
        "HYPERJOBS_MAINTENANCE__PRUNE__RETENTION__COMPLETED": "30d",
        "HYPERJOBS_MAINTENANCE__PRUNE__ARCHIVE__DIRECTORY": str(directory / "archives"),
        "HYPERJOBS_MAINTENANCE__RESERVE": "0",
        "HYPERJOBS_LOG__LEVEL": "error",
    }


def suffer(task: str, store: Path, directory: Path, *, is_once: bool) -> None:
    """Run the task until killed, or until it is done once."""
    if task == RESTORE:
        words = ["restore", "--live", "--yes", "--store", str(store), "--dir", str(directory / "backups")]
        code = answer(program, words)
        if code not in {0, StoreBusyError.exit_code}:
            _say(directory, f"restore: exit {code}")
        if not is_once:
            signal.pause()
        return
    name, changes = CHANGES[task]
    config = load_config(None, environ=os.environ)
    with opened_workshop(config, store, clock=SystemClock()) as shop:
        for tries in range(sys.maxsize):
            if name == "vacuum":
                make_room(store)
            finished = shop.runner.run(shop.task(name, **changes), wait=threading.Event().wait)
            error = None if finished is None else finished.error
            if error is not None and not isinstance(error, _EXPECTED):
                _say(directory, f"{task}: {type(error).__name__}: {error}")
            if is_once and (error is None or tries > _MOST_TRIES):
                return
            time.sleep(0.01)  # a task that has nothing to do is not run without a breath


def make_room(store: Path) -> None:
    """Leave some free pages in a store, so that there is something to give back."""
    connection = Connection(store, busy_timeout_s=60.0)
    try:
        with contextlib.suppress(StoreBusyError):
            connection.rows("CREATE TABLE IF NOT EXISTS filler(x)")
            connection.rows(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<300)"
                " INSERT INTO filler SELECT zeroblob(3000) FROM n"
            )
            connection.rows("DELETE FROM filler")
    finally:
        connection.close()


def _say(directory: Path, line: str) -> None:
    with (directory / "trouble").open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


def main() -> None:
    """Start victims as asked."""
    store, directory = Path(sys.argv[1]), Path(sys.argv[2])
    configure_logs("critical", "json")
    for line in sys.stdin:
        words = line.split(maxsplit=1)
        is_once = words[0] == "once"
        task = words[1].strip() if is_once else line.strip()
        pid = os.fork()
        if pid == 0:
            os.dup2(os.open(directory / "output", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 1)
            os.dup2(1, 2)
            try:
                suffer(task, store, directory, is_once=is_once)
            except Exception:  # noqa: BLE001 - whatever it is, it is what the test looks for
                _say(directory, traceback.format_exc())
            os._exit(0)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
        os.waitpid(pid, 0)
        sys.stdout.write("dead\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
