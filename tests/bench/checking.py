"""The checks of the live store beside a steady writer, and a restore beside ``cp`` and fsync of the same file."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.child import call
from bench.report import Table, median, ms
from bench.writers import RATE, steady
from hyperjobs.clock import SystemClock
from hyperjobs.maintenance.backup.create import create_backup
from hyperjobs.maintenance.backup.directory import BackupDirectory
from hyperjobs.maintenance.backup.name import BackupName
from hyperjobs.maintenance.backup.proof import prove_database, require_same_file, verify
from hyperjobs.maintenance.integrity.quick import QuickTask
from hyperjobs.maintenance.publish import publish
from hyperjobs.maintenance.restore.staging import staged
from hyperjobs.maintenance.task import Turn
from hyperjobs.store.snapshot import Pace

if TYPE_CHECKING:
    from bench.run import Bench

_IDLE_S = 5.0
_BLOCK_BYTES = 1 << 20


def figure(bench: Bench) -> Table:
    """How the writer waits with and without the check, and how long a restore and its proofs take."""
    jobs = 100_000 if bench.is_quick else 1_000_000
    template = bench.directory.template(jobs)
    table = Table("checking", ["What", "Result"])
    with bench.directory.copy(template) as path:
        with steady(path) as alone:
            time.sleep(_IDLE_S)
        with steady(path) as beside:
            check = call("bench.checking:check", path=path, at_least_s=_IDLE_S)
    table.add(f"writer of {RATE} statements a second alone, p99 (longest)", f"{ms(alone.p99)} ({ms(alone.longest)})")
    table.add("the same beside integrity-quick, p99 (longest)", f"{ms(beside.p99)} ({ms(beside.longest)})")
    table.add(f"quick_check of {jobs:,} jobs beside it", ms(check["pages"]))
    table.add("all of integrity-quick beside it, every row looked at", ms(check["all"]))
    with bench.directory.copy(template) as path:
        taken = call("bench.checking:restore", path=path)
    size = f"{taken['bytes'] / 1e6:,.0f} MB"
    table.add(f"cp and fsync of {size}", ms(taken["cp"]))
    table.add(
        "restore of it to a new file, all in all", f"{ms(taken['restore'])}, {taken['restore'] / taken['cp']:.1f} times"
    )
    table.add("of which the proof: sha256, quick_check, counts", ms(taken["quick"]))
    table.add("the full proof: sha256, integrity_check, every value", ms(taken["full"]))
    table.notes.append(
        "Times are medians of three; the check runs again and again for as long as the writer alone did."
    )
    return table


def check(path: str, at_least_s: float) -> dict[str, float]:
    """Check a live store until so long has passed; the medians of its times."""
    clock = SystemClock()
    task = QuickTask(Path(path), freeze=_fail, set_integrity=lambda _is_whole, _messages: None)
    details = []
    began = time.perf_counter()
    while not details or time.perf_counter() - began < at_least_s:
        details.append(task.run(Turn(now=clock.now(), clock=clock, wait=_wait)).detail)
    return {"pages": median([d["pages_seconds"] for d in details]), "all": median([d["seconds"] for d in details])}


def restore(path: str) -> dict[str, float]:
    """Back a store up, and restore it three times; the medians."""
    store, clock = Path(path), SystemClock()
    directory = BackupDirectory(store.parent / "backups")
    manifest = create_backup(store, directory, clock=clock, pace=Pace(), compression="none")
    name = BackupName.parse(manifest.name)
    assert name is not None
    file = directory.path / manifest.name
    took: dict[str, list[float]] = {"cp": [], "restore": [], "quick": [], "full": []}
    for _ in range(3):
        copy = store.with_name("copy.db")
        began = time.perf_counter()
        shutil.copyfile(file, copy)
        descriptor = os.open(copy, os.O_RDWR)
        os.fsync(descriptor)
        os.close(descriptor)
        took["cp"].append(time.perf_counter() - began)
        copy.unlink()
        began = time.perf_counter()
        with staged(directory.path, name, copy) as (database, _):
            publish(database, copy)
        took["restore"].append(time.perf_counter() - began)
        began = time.perf_counter()
        require_same_file(copy, manifest)
        prove_database(copy, level="quick")
        took["quick"].append(time.perf_counter() - began)
        copy.unlink()
        began = time.perf_counter()
        verify(directory.path, name)
        took["full"].append(time.perf_counter() - began)
    return {"bytes": float(manifest.bytes), **{what: median(times) for what, times in took.items()}}


def _wait(seconds: float) -> bool:
    time.sleep(seconds)
    return False


def _fail(reason: str, message: str) -> None:
    raise RuntimeError(f"{reason}: {message}")
