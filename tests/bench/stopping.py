"""How long a task goes on after Ctrl-C, sent in the middle of it."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from bench.report import Table, ms
from support.big_store import BigStore
from support.works import WORKS, interrupted

if TYPE_CHECKING:
    from bench.run import Bench

_NAMES = (
    "backup create", "restore", "prune", "vacuum", "vacuum full", "integrity", "integrity --full", "drill", "reindex",
    "optimize", "export", "import", "copy", "delete", "diff", "top failures",
)  # fmt: skip
_LATER_S = (0.0, 0.3, 1.0)


def figure(bench: Bench) -> Table:
    """The longest of three, at the beginning of the work and later in it; one that has ended by then is left out."""
    jobs = 100_000 if bench.is_quick else 300_000
    folder = Path(mkdtemp(dir=bench.directory.path, prefix="stopping-"))
    table = Table("stopping", ["Command", "Ended after, at most"])
    try:
        big = BigStore.make(folder, jobs)
        (big.kept / "other.db").unlink()
        for name in _NAMES:
            table.add(f"`hyperjobs {' '.join(WORKS[name].words).replace('{}/', '')}`", ms(_longest(big, name)))
    finally:
        shutil.rmtree(folder)
    table.notes.append(
        f"At {jobs:,} jobs, from the signal to the end of the process, with all it made cleared away; the longest of three."
    )
    return table


def _longest(big: BigStore, name: str) -> float:
    work, took = WORKS[name], []
    for later_s in _LATER_S:
        big.put_back()
        big.sql(*work.before)
        code, said, took_s = interrupted(big, work, signal.SIGINT, later_s=later_s)
        if code == 0:
            continue
        assert code in {130, -signal.SIGINT}, said
        took.append(took_s)
    return max(took)
