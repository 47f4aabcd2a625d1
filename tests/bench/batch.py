"""Ten thousand jobs in one transaction: ``save_jobs`` against ``executemany`` of apsw alone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bench.bare import Bare
from bench.child import call
from bench.dataset import dice
from bench.life_cycle import new_job
from bench.report import Table, median, ms, share
from hyperjobs import JobStatus, open_store

if TYPE_CHECKING:
    from bench.run import Bench

_JOBS = 10_000


def measure(path: str, rounds: int) -> list[tuple[float, float]]:
    """Seconds through the library and bare, round by round, on the same store."""
    chance = dice(4)
    took = []
    store, bare = open_store(path), Bare(path, "FULL")
    for number in range(rounds):
        both = {}
        for work in (store.save_jobs, bare.save_jobs) if number % 2 else (bare.save_jobs, store.save_jobs):
            jobs = [new_job(chance, JobStatus.PENDING) for _ in range(_JOBS)]
            started = time.perf_counter()
            work(jobs)
            both[work] = time.perf_counter() - started
        took.append((both[store.save_jobs], both[bare.save_jobs]))
    store.close()
    bare.close()
    return took


def figure(bench: Bench) -> Table:
    """On a store of 100,000 jobs."""
    rounds = 4 if bench.is_quick else 15
    with bench.directory.copy(bench.directory.template(100_000)) as store:
        took = call("bench.batch:measure", path=store, rounds=rounds)
    table = Table("batch", ["Jobs", "save_jobs", "bare apsw", "speed against bare"])
    library, bare = (ms(median([pair[side] for pair in took])) for side in (0, 1))
    table.add(f"{_JOBS:,}", library, bare, share([bare / library for library, bare in took]))
    table.notes.append(f"{rounds} rounds in turn, synchronous FULL, one transaction each.")
    return table
