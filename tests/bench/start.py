"""From the start of the process to its first good scrape, and how a writer fares while its store is adopted."""

from __future__ import annotations

import json
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.report import Table, median, ms
from bench.serving import sample
from bench.writers import steady
from support.processes import free_port, get, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.run import Bench
    from support.processes import Process

_TRY_EVERY_S = 0.005


@dataclass(frozen=True)
class Start:
    """Seconds from the start of the process.

    Attributes:
        good: to the first scrape that says the store is up.
        ready: to the first one whose numbers count every job there is.
    """

    good: float
    ready: float


def figure(bench: Bench) -> Table:
    """An empty store, one that has a ledger, and one to be adopted beside a writer."""
    jobs, rounds = (100_000, 3) if bench.is_quick else (1_000_000, 5)
    table = Table("start", ["Store", "First good scrape", "Numbers complete", "Writer p99", "Writer's longest"])
    empty, known = [], []
    known_template, template = bench.directory.template(jobs, ledger=True), bench.directory.template(jobs)
    for _ in range(rounds):
        with bench.directory.copy() as store, starting(store) as (process, url, began):
            empty.append(watch(process, url, began))
        with bench.directory.copy(known_template) as store, starting(store) as (process, url, began):
            known.append(watch(process, url, began))
    table.add("none yet", *_median(empty), "", "")
    table.add(f"{jobs:,} jobs, with a ledger", *_median(known), "", "")
    adoptions = 1 if bench.is_quick else 3
    for place, directory in (("on disk", bench.directory), ("in memory", bench.calm)):
        adopted, waits = [], []
        for _ in range(adoptions):
            with directory.copy(template) as store, steady(store) as wait:
                with starting(store) as (process, url, began):
                    adopted.append(watch(process, url, began))
                waits.append(wait)
        with directory.copy(template) as store, steady(store) as alone:
            time.sleep(5 if bench.is_quick else 20)
        worst = ms(median([wait.p99 for wait in waits])), ms(max(wait.longest for wait in waits))
        table.add(f"{jobs:,} jobs, to be adopted, {place}", *_median(adopted), *worst)
        table.add(f"the same {place}, without an agent", "", "", ms(alone.p99), ms(alone.longest))
    table.notes.append(
        f"Medians of {rounds}, of {adoptions} adoptions; the longest wait is of all of them. A store in memory (tmpfs) shows"
        " what a writer waits for the agent, without what it waits for a disk."
    )
    return table


def _median(starts: list[Start]) -> tuple[str, str]:
    return ms(median([start.good for start in starts])), ms(median([start.ready for start in starts]))


@contextmanager
def starting(store: Path) -> Iterator[tuple[Process, str, float]]:
    """An agent just started: its process, its address, and when that was."""
    address = f"127.0.0.1:{free_port()}"
    env = {
        "HYPERJOBS_STORE__PATH": str(store),
        "HYPERJOBS_STORE__CREATE": "true",
        "HYPERJOBS_STORE__STATE_DIR": str(store.parent / "state"),
        "HYPERJOBS_WEB__LISTEN": json.dumps([address]),
    }
    began = time.perf_counter()
    with running([sys.executable, "-m", "hyperjobs", "run"], env=env) as process:
        yield process, f"http://{address}", began
        process.stop()


def watch(process: Process, url: str, began: float, *, timeout_s: float = 600.0) -> Start:
    """Scrape until the ledger is ready."""
    good = 0.0
    while time.perf_counter() - began < timeout_s:
        answer = get(f"{url}/metrics")
        now = time.perf_counter() - began
        if answer is not None and answer.status == 200 and sample(answer.text, "hyperjobs_store_up"):
            good = good or now
            if sample(answer.text, "hyperjobs_ledger_ready"):
                return Start(good, now)
        assert process.exit_code is None, process.output
        time.sleep(_TRY_EVERY_S if not good else 0.05)
    raise TimeoutError(f"not ready after {timeout_s} s:\n{process.output}")
