"""Lives of jobs through the library: seven statements, a transaction each, against apsw alone and against its peers."""

from __future__ import annotations

import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from bench.bare import Bare
from bench.child import call
from bench.dataset import PROVIDERS, dice
from bench.peers import PEERS
from bench.report import Table, median, share
from hyperjobs import Job, JobStatus, open_store

if TYPE_CHECKING:
    import random

    from bench.run import Bench

_STORE_JOBS = 100_000


def new_job(chance: random.Random, status: JobStatus = JobStatus.PENDING) -> Job:
    """A job as a program would make it."""
    vm = f"vm-{chance.randrange(1000)}"
    return Job(
        id=uuid.UUID(int=chance.getrandbits(128)).hex,
        name=f"Export {vm}",
        vm_name=vm,
        vm_path=f"/datacenter/vm/{vm}",
        provider=chance.choice(PROVIDERS),
        output_dir=f"/exports/{vm}",
        status=status,
        created_at=datetime.now(UTC),
        metadata={"format": "ova", "compress": True},
        user=f"user-{chance.randrange(50)}",
    )


def measure(path: str, synchronous: str, rounds: int, lives: int) -> list[tuple[float, float]]:
    """Seconds of so many lives, through the library and bare, round by round, on the same store."""
    chance = dice(3)
    store, bare = open_store(path, synchronous=synchronous), Bare(path, synchronous)
    now = datetime.now(UTC)

    def library(job: Job) -> None:
        store.save_job(job)
        store.update_job_status(job.id, JobStatus.RUNNING)
        store.save_job(replace(job, status=JobStatus.RUNNING, started_at=now))
        for percent in (25.0, 50.0, 75.0):
            store.update_job_progress(job.id, percent)
        store.save_job(_finished(job, now))

    def alone(job: Job) -> None:
        bare.save_job(job)
        bare.update_job_status(job.id, JobStatus.RUNNING, datetime.now(UTC))
        bare.save_job(replace(job, status=JobStatus.RUNNING, started_at=now))
        for percent in (25.0, 50.0, 75.0):
            bare.update_job_progress(job.id, percent)
        bare.save_job(_finished(job, now))

    took = []
    for number in range(rounds):
        both = {}
        for work in (library, alone) if number % 2 else (alone, library):
            jobs = [new_job(chance) for _ in range(lives)]
            started = time.perf_counter()
            for job in jobs:
                work(job)
            both[work] = time.perf_counter() - started
        took.append((both[library], both[alone]))
    store.close()
    bare.close()
    return took


def _finished(job: Job, now: datetime) -> Job:
    completed = now + timedelta(minutes=30)
    return replace(
        job,
        status=JobStatus.COMPLETED,
        started_at=now,
        completed_at=completed,
        progress=100.0,
        total_size=10**9,
        files_count=3,
    )


def measure_library(path: str, lives: int) -> float:
    """Lives a second through the library alone, at NORMAL."""
    chance = dice()
    now = datetime.now(UTC)
    jobs = [new_job(chance) for _ in range(lives)]
    with open_store(path, synchronous="NORMAL") as store:
        started = time.perf_counter()
        for job in jobs:
            store.save_job(job)
            store.update_job_status(job.id, JobStatus.RUNNING)
            store.save_job(replace(job, status=JobStatus.RUNNING, started_at=now))
            for percent in (25.0, 50.0, 75.0):
                store.update_job_progress(job.id, percent)
            store.save_job(_finished(job, now))
        return lives / (time.perf_counter() - started)


def figure(bench: Bench) -> Table:
    """Against apsw alone at both settings, then against the peers."""
    rounds, lives = (10, 20) if bench.is_quick else (100, 20)
    template = bench.directory.template(_STORE_JOBS)
    table = Table("life_cycle", ["synchronous", "Against", "Lives/s of ours", "Lives/s of theirs", "ours / theirs"])
    for synchronous in ("FULL", "NORMAL"):
        with bench.directory.copy(template) as store:
            took = call("bench.life_cycle:measure", path=store, synchronous=synchronous, rounds=rounds, lives=lives)
        ours, theirs = (median([lives / pair[side] for pair in took]) for side in (0, 1))
        ratios = [bare / library for library, bare in took]
        table.add(synchronous, "bare apsw", f"{ours:,.0f}", f"{theirs:,.0f}", share(ratios, spread=0.1))
    python = bench.peers / "bin" / "python"
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in PEERS}
    for _ in range(2 if bench.is_quick else 5):
        for name in PEERS if python.exists() else ():
            with bench.directory.copy(template) as store:
                ours = call("bench.life_cycle:measure_library", path=store, lives=lives * 25)
            with bench.directory.copy(template) as store:
                theirs = call(f"bench.peers:{PEERS[name]}", python=str(python), path=store, lives=lives * 25)
            found[name].append((ours, theirs))
    for name, pairs in found.items():
        if not pairs:
            table.add("NORMAL", name, "", "not installed", "")
            continue
        sides = (f"{median([pair[side] for pair in pairs]):,.0f}" for side in (0, 1))
        table.add("NORMAL", name, *sides, share([ours / theirs for ours, theirs in pairs]))
    table.notes.append(
        f"Ours and theirs in turn, {lives} lives each time, on a store of {_STORE_JOBS:,} jobs; each peer in a process of its own."
    )
    return table
