"""The store's part of a scrape, at several sizes, beside a writer and the keeper that folds what it writes."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bench.child import call
from bench.keeping import OPTIONS, folding
from bench.report import Table, median, ms, quantile
from bench.writers import steady
from hyperjobs.clock import SystemClock
from hyperjobs.store.reader import StoreReader, Troubles

if TYPE_CHECKING:
    from bench.run import Bench

_PAUSE_S = 0.02


def measure(path: str, state: str, scrapes: int) -> list[float]:
    """Seconds of each snapshot, one every 20 ms, so that they meet the log at every length it has between two folds."""
    reader = StoreReader(Path(path), options=OPTIONS, troubles=Troubles(), clock=SystemClock())
    took = []
    with folding(path, state):
        time.sleep(1.0)
        for _ in range(scrapes):
            started = time.perf_counter()
            view = reader.snapshot(now=datetime.now(UTC)).view
            took.append(time.perf_counter() - started)
            assert view.is_ready
            time.sleep(_PAUSE_S)
    reader.close()
    return took


def figure(bench: Bench) -> Table:
    """Sizes in turn, several rounds of them."""
    sizes = [(10_000, 100), (100_000, 100)] if bench.is_quick else [(10_000, 100), (100_000, 100), (1_000_000, 100)]
    sizes += [(5_000_000, 100)] if bench.is_huge else []
    sizes += [(100_000 if bench.is_quick else 1_000_000, 10_000)]
    rounds, scrapes = (2, 50) if bench.is_quick else (5, 200)
    medians: dict[tuple[int, int], list[float]] = {size: [] for size in sizes}
    all_of: dict[tuple[int, int], list[float]] = {size: [] for size in sizes}
    for size in sizes:
        bench.directory.template(size[0], unfinished=size[1], ledger=True)
    for _ in range(rounds):
        for size in sizes:
            template = bench.directory.template(size[0], unfinished=size[1], ledger=True)
            with bench.directory.copy(template) as store, steady(store):
                took = call("bench.scrape:measure", path=store, state=store.parent / "state", scrapes=scrapes)
            medians[size].append(median(took))
            all_of[size] += took
    table = Table("scrape", ["Jobs", "Pending or running", "p50", "p99", "against 10k"])
    first = median(medians[sizes[0]])
    for size in sizes:
        p50 = median(medians[size])
        ratio = f"{p50 / first:.2f}" if size[1] == sizes[0][1] else ""
        table.add(f"{size[0]:,}", f"{size[1]:,}", ms(p50), ms(quantile(all_of[size], 0.99)), ratio)
    table.notes.append(f"{rounds} rounds of {scrapes} scrapes at each size; p50 is the median of the rounds' medians.")
    return table
