"""What a salvage gets out of damaged stores, beside a scan up to the first error and the ``sqlite3`` shell's ``.recover``."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from bench.child import call
from bench.report import Table
from hyperjobs.clock import SystemClock
from hyperjobs.errors import HyperjobsError
from hyperjobs.maintenance.salvage.salvage import Wish, salvage
from hyperjobs.maintenance.salvage.sources import Places
from hyperjobs.maintenance.task import Turn
from hyperjobs.store.ledger.options import LedgerOptions
from support import damage
from support.lived import lived_in, rows_of

if TYPE_CHECKING:
    from typing import Any

    from bench.run import Bench

    Rows = dict[int, tuple[Any, ...]]

_JOBS = 3_000
_TIMEOUT_S = 120


def figure(bench: Bench) -> Table:
    """The share of jobs saved by each way, for each kind of damage, and how long a large store takes."""
    seeds = 3 if bench.is_quick else 20
    folder = bench.calm.path / "salvaging"
    folder.mkdir()
    whole = lived_in(folder / "whole.db", _JOBS)
    rows = rows_of(whole)
    recovers = _can_recover(whole, folder, rows)
    heads = ["Damage", "scan to the first error", "from both ends", "salvage", "in doubt, left out"]
    table = Table("salvaging", heads + ["`.recover`"] * recovers)
    for name, work in damage.PAGES.items():
        saved: Counter[str] = Counter()
        for seed in range(seeds):
            it = damage.Damaged(whole, random.Random(f"{name}-{seed}"))  # noqa: S311 - repeatable on purpose
            work(it)
            path = folder / "damaged.db"
            path.write_bytes(it.data)
            saved += _ways(path, folder, rows, recovers=recovers)
        ways = ["first", "both", "salvage", "doubt", *(["recover"] if recovers else [])]
        table.add(name.replace("_", " "), *(f"{saved[way] / seeds / len(rows):.2%}" for way in ways))
    jobs = 20_000 if bench.is_quick else 1_000_000
    took = call("bench.salvaging:large", path=bench.directory.template(jobs), folder=bench.directory.path)
    table.notes.append(
        f"{seeds} files of each kind, {len(rows):,} jobs each, one place damaged at random; shares of jobs that came back "
        f"to the bit. A store of {jobs:,} jobs ({took['bytes'] / 1e6:,.0f} MB) took {took['seconds']:.0f} s "
        f"({took['cpu']:.0f} s of CPU), with its proof, and {took['memory'] / 1e6:,.0f} MB of memory."
    )
    if not recovers:
        table.notes.append(
            "The `sqlite3` shell here fails at `.recover` on a whole file already, so it is not compared."
        )
    return table


def _ways(path: Path, folder: Path, rows: Rows, *, recovers: bool) -> Counter[str]:
    def right(found: Rows) -> int:
        return sum(rows.get(rowid) == cells for rowid, cells in found.items())

    ascending = damage.scan(path, "ASC")
    saved = Counter(first=right(ascending), both=right({**damage.scan(path, "DESC"), **ascending}))
    new = folder / "new.db"
    clock = SystemClock()
    try:
        done = salvage(path, new, Wish(places=Places(), ledger=LedgerOptions()), Turn(now=clock.now(), clock=clock))
        saved["salvage"], saved["doubt"] = right(rows_of(new)), len(done.doubtful)
        new.unlink()
    except HyperjobsError:
        pass
    if recovers:
        saved["recover"] = right(_recovered(path, folder))
    return saved


def _can_recover(whole: Path, folder: Path, rows: Rows) -> bool:
    return shutil.which("sqlite3") is not None and _recovered(whole, folder) == rows


def _recovered(path: Path, folder: Path) -> Rows:
    new = folder / "recovered.db"
    new.unlink(missing_ok=True)
    sql = subprocess.run(["sqlite3", path, ".recover"], capture_output=True, check=False, timeout=_TIMEOUT_S).stdout
    subprocess.run(["sqlite3", new], input=sql, capture_output=True, check=False, timeout=_TIMEOUT_S)
    return damage.scan(new, "ASC")


def large(path: str, folder: str) -> dict[str, float]:
    """Salvage a copy of a large store that lost a page."""
    store, new = Path(folder) / "lossy.db", Path(folder) / "salvaged.db"
    shutil.copy(path, store)
    size = store.stat().st_size
    with store.open("r+b") as file:  # a leaf in the middle; the whole file in memory would count as ours
        at = next(
            at
            for at in range(size // 2 // damage.PAGE, size)
            if os.pread(file.fileno(), 1, at * damage.PAGE) == b"\x0d"
        )
        file.seek(at * damage.PAGE)
        file.write(bytes(damage.PAGE))
    clock, began, used = SystemClock(), time.perf_counter(), time.process_time()
    salvage(store, new, Wish(places=Places(), ledger=LedgerOptions()), Turn(now=clock.now(), clock=clock))
    took, used = time.perf_counter() - began, time.process_time() - used
    store.unlink()
    new.unlink()
    return {
        "seconds": took,
        "cpu": used,
        "bytes": size,
        "memory": _peak_bytes(),
    }


def _peak_bytes() -> int:
    """The most memory that this process had; what rusage says begins with that of its parent."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
