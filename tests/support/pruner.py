"""A prune in a process of its own, to be killed: ``python -m support.pruner STORE ARCHIVES``."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from hyperjobs.clock import SystemClock
from hyperjobs.maintenance.prune.task import PruneTask
from hyperjobs.maintenance.task import Turn
from support.pruning import ALL_30D


def main() -> None:
    """Prune once, saying when it is at it."""
    clock = SystemClock()
    task = PruneTask(Path(sys.argv[1]), retention=ALL_30D, archive_directory=Path(sys.argv[2]), max_share=1.0)

    def progress(what: str, done: int, _all: int) -> None:
        if what == "pruning":
            sys.stdout.write(f"{done}\n")
            sys.stdout.flush()

    turn = Turn(now=clock.now(), clock=clock, wait=threading.Event().wait, progress=progress)
    sys.stdout.write(f"{task.run(turn).summary}\n")


if __name__ == "__main__":
    main()
