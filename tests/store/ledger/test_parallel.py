"""Writers of three kinds at once, each in a process of its own, beside a keeper that never rests."""

# ruff: noqa: S608 - the writers write SQL of our own words

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from hyperjobs.store.ledger.options import LedgerOptions
from hyperjobs.store.ledger.tally import BYTES, CREATED, DURATION, FINISHED_JOBS
from support.ledger_model import prune
from support.ledgers import Kept, make_store

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.tool("sqlite3")

_JOBS = 60
_WRITER = """
import json, sys
kind, path = sys.argv[1:]
if kind == "apsw":
    import apsw as driver
    db = driver.Connection(path); db.set_busy_timeout(20000)
else:
    import sqlite3 as driver
    db = driver.connect(path, timeout=20, isolation_level=None)
errors = []
for sql in json.load(sys.stdin):
    try:
        db.execute(sql).fetchall()
    except driver.Error as exc:
        errors.append(f"{sql}: {exc}")
print(json.dumps(errors))
"""


class Life:
    """What one writer does, drawn at random on ids of its own, and what must be counted for it."""

    def __init__(self, name: str, seed: int) -> None:
        self.statements: list[str] = []
        self.counted: Counter[tuple[str, str, str]] = Counter()
        self.left: Counter[tuple[str, str]] = Counter()
        random = Random(seed)  # noqa: S311 - the same lives every time
        for number in range(_JOBS):
            self._live(f"{name}-{number}", random)

    def _live(self, job: str, random: Random) -> None:
        provider, end = random.choice(["vsphere", "aws"]), random.choice(["completed", "failed", "cancelled"])
        size, start = random.randrange(1, 1000), "2026-01-01 10:00:00+00:00"
        in_transaction = random.random() < 0.3
        steps = [
            self._save(job, provider, "pending"),
            f"UPDATE jobs SET status='running',started_at='{start}' WHERE id='{job}'",
            f"UPDATE jobs SET progress=50 WHERE id='{job}'",
        ]
        if random.random() < 0.2:
            steps += ["SAVEPOINT s", f"UPDATE jobs SET status='failed' WHERE id='{job}'", "ROLLBACK TO s", "RELEASE s"]
        if random.random() < 0.5:
            steps.append(self._save(job, provider, end, (start, "2026-01-01 11:00:00+00:00"), size))
            self.counted[DURATION, provider, end] += 1
            self.counted[BYTES, provider, ""] += size
        else:
            steps.append(f"UPDATE jobs SET status='{end}' WHERE id='{job}'")
        self.counted[CREATED, provider, ""] += 1
        self.counted[FINISHED_JOBS, provider, end] += 1
        if random.random() < 0.3:
            steps.append(f"DELETE FROM jobs WHERE id='{job}'")
        else:
            self.left[provider, end] += 1
        self.statements += ["BEGIN IMMEDIATE", *steps, "COMMIT"] if in_transaction else steps

    @staticmethod
    def _save(job: str, provider: str, status: str, span: tuple[str, str] | None = None, size: int = 0) -> str:
        times = ",".join(f"'{at}'" for at in span) if span else "NULL,NULL"
        values = f"'{job}','n','vm','/vm','{provider}','/out','{status}','2026-01-01 09:00:00+00:00',{times},0,'','null','',{size},1"
        return f"INSERT OR REPLACE INTO jobs VALUES({values})"


def _start(kind: str, path: Path) -> subprocess.Popen[str]:
    if kind == "shell":
        command = ["sqlite3", "-batch", "-bail", "-cmd", ".timeout 20000", str(path)]
    else:
        command = [sys.executable, "-c", _WRITER, kind, str(path)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _run(kind: str, path: Path, life: Life, errors: list[str]) -> None:
    process = _start(kind, path)
    given = ";\n".join(life.statements) + ";\n" if kind == "shell" else json.dumps(life.statements)
    out, err = process.communicate(given, timeout=120)
    if err or process.returncode or (kind != "shell" and json.loads(out)):
        errors.append(f"{kind}: {out}{err}")


def _counted(kept: Kept) -> Counter[tuple[str, str, str]]:
    found: Counter[tuple[str, str, str]] = Counter()
    for (metric, provider, status, _), count in kept.exported().items():
        if metric in {CREATED, FINISHED_JOBS, DURATION, BYTES}:
            found[metric, provider, status] += count
    return found


def _prune_until(path: Path, stopped: threading.Event, pruned: list[int]) -> None:
    while not stopped.wait(0.02):
        pruned.append(prune(path, ["completed", "failed"]))


@pytest.mark.parametrize("is_pruned", [False, True], ids=["alone", "beside prunes"])
def test_counters_and_gauges_are_the_sum_of_what_parallel_writers_did(tmp_path: Path, *, is_pruned: bool) -> None:
    kept = Kept(make_store(tmp_path / "jobs.db"), tmp_path / "state", options=LedgerOptions(fold_rows=50))
    lives = [(kind, Life(f"{kind}{copy}", seed=copy * 3 + index)) for copy in range(2) for index, kind in enumerate(("apsw", "stdlib", "shell"))]  # fmt: skip
    errors: list[str] = []
    writers = [threading.Thread(target=_run, args=(kind, kept.path, life, errors)) for kind, life in lives]
    shown: Counter[Any] = Counter()
    stopped, pruned = threading.Event(), [0]
    pruner = threading.Thread(target=_prune_until, args=(kept.path, stopped, pruned))

    kept.turn()  # what was there before the triggers is a baseline, not counted
    for writer in writers:
        writer.start()
    if is_pruned:
        pruner.start()
    while any(writer.is_alive() for writer in writers):
        kept.turn()
        now = _counted(kept)
        assert all(now[key] >= count for key, count in shown.items())
        shown = now
    for writer in writers:
        writer.join()
    stopped.set()
    if is_pruned:
        pruner.join()
    kept.turn()

    assert not errors
    assert _counted(kept) == sum((life.counted for _, life in lives), Counter())
    left = sum((life.left for _, life in lives), Counter())
    gauges = {key: jobs for key, jobs in kept.view().rollup.gauges.items() if jobs}
    assert sum(gauges.values()) == left.total() - sum(pruned)
    assert gauges == dict(left) or is_pruned
    assert bool(sum(pruned)) == is_pruned
    assert kept.keeper.check_drift() == 0
    assert kept.view().unfolded_rows == 0
    kept.stop()
