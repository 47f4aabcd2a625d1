"""An agent that was down while jobs were written: its first scrape, and the way back to no log left to fold."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING

import apsw

from bench.child import call
from bench.dataset import dice
from bench.report import Table, ms
from bench.serving import sample
from bench.start import starting, watch
from bench.writers import life, steady
from support.processes import get

if TYPE_CHECKING:
    from pathlib import Path

    from bench.dataset import Directory
    from bench.run import Bench

_PER_COMMIT = 500
_CAUGHT_UP_ROWS = 2_000
"""What a writer of 500 statements a second leaves between two folds is far less, a log that waits far more."""


def write_lives(path: str, jobs: int) -> None:
    """Whole lives of so many jobs, through the triggers, as fast as it goes."""
    db = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE)
    db.execute("PRAGMA synchronous=OFF").fetchall()
    chance = dice(2)
    for start in range(0, jobs, _PER_COMMIT):
        with db:
            for _ in range(min(_PER_COMMIT, jobs - start)):
                for sql, values in life(uuid.UUID(int=chance.getrandbits(128)).hex, chance):
                    db.execute(sql, values)
    db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    db.close()


def figure(bench: Bench) -> Table:
    """Write, start, watch."""
    jobs, missed = (100_000, 20_000) if bench.is_quick else (1_000_000, 500_000)
    table = Table("catch_up", ["", "On disk", "In memory"])
    template = bench.directory.template(jobs, ledger=True)
    columns = [_measure(bench, directory, template, missed) for directory in (bench.directory, bench.calm)]
    for name, *values in zip(columns[0], *(column.values() for column in columns), strict=True):
        table.add(name, *values)
    table.notes.append("In memory (tmpfs) a writer waits for the agent alone, never for a disk.")
    return table


def _measure(bench: Bench, directory: Directory, template: Path, missed: int) -> dict[str, str]:
    """What is said of one store → how it is shown."""
    with directory.copy(template) as store:
        call("bench.catch_up:write_lives", path=store, jobs=missed)
        size = store.stat().st_size
        with steady(store) as alone:
            time.sleep(5 if bench.is_quick else 20)
        with steady(store) as waits, starting(store) as (process, url, began):
            start = watch(process, url, began)
            rows = _unfolded(url)
            process.until(lambda: _unfolded(url) < _CAUGHT_UP_ROWS, "the end of the log", timeout_s=1200)
            caught_up_s = time.perf_counter() - began
        return {
            "jobs written without an agent": f"{missed:,}",
            "log rows at the first scrape": f"{rows:,.0f}",
            "first good scrape after": ms(start.good),
            "numbers complete after": f"{caught_up_s:.1f} s",
            "writer meanwhile: p99, longest": f"{ms(waits.p99)}, {ms(waits.longest)}",
            "writer without an agent: p99, longest": f"{ms(alone.p99)}, {ms(alone.longest)}",
            "store's size before, after": f"{size / 1e6:.0f} MB, {store.stat().st_size / 1e6:.0f} MB",
        }


def _unfolded(url: str) -> float:
    answer = get(f"{url}/metrics")
    rows = sample(answer.text, "hyperjobs_ledger_unfolded_rows") if answer is not None else None
    return float("inf") if rows is None else rows
