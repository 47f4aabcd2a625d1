"""A store out into a file of each form, and in again, by the command line: how long, and how much memory it takes.

Before each import the same rows are put in by apsw alone, which is about the least that SQLite itself takes.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import apsw

from bench.child import call
from bench.dataset import SAVE
from bench.report import Table
from bench.writers import steady
from hyperjobs.store.sqlite import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from bench.run import Bench


def figure(bench: Bench) -> Table:
    """Export by form, import and copy into a new store, and an import beside a writer."""
    jobs = 100_000 if bench.is_quick else 1_000_000
    table = Table("exporting", [f"{jobs:,} jobs", "Took", "CPU", "A second", "Peak memory", "File"])
    with bench.directory.copy(bench.directory.template(jobs)) as store:
        files = [
            store.parent / name for name in ("jobs.jsonl", "jobs.jsonl.zst", "jobs.jsonl.gz", "jobs.json", "jobs.csv")
        ]
        for file in files:
            _add(table, f"export {file.name}", jobs, _run("export", str(file), "--store", str(store)), file)
        newest = store.parent / "newest.jsonl"
        _add(
            table,
            "export --sort newest",
            jobs,
            _run("export", str(newest), "--sort", "newest", "--store", str(store)),
            newest,
        )
        newest.unlink()
        for file in (files[1], files[3]):
            target = store.parent / "new.db"
            bare_s, bare_cpu_s = call("bench.exporting:bare", source=store, target=target)
            _forget(target)
            open_store(target, create=True).close()
            took = _run("import", str(file), "--yes", "--store", str(target))
            _add(table, f"import {file.name}", jobs, took, None)
            table.notes.append(
                f"apsw alone, before {file.name}: {bare_s:.1f} s, {bare_cpu_s:.1f} s of CPU;"
                f" the import takes {took[0] / bare_s:.2f} times as long and {took[1] / bare_cpu_s:.2f} times the CPU."
            )
            _add(
                table,
                f"import {file.name} again",
                jobs,
                _run("import", str(file), "--yes", "--store", str(target)),
                None,
            )
            _forget(target)
        target = store.parent / "new.db"
        _add(table, "copy --create", jobs, _run("copy", str(store), str(target), "--create", "--yes"), None)
        _forget(target)
        target = store.parent / "new.db"
        open_store(target, create=True).close()
        with steady(target) as waits:
            took = _run("import", str(files[1]), "--yes", "--store", str(target))
        _add(table, "import beside 500 writes/s", jobs, took, None)
        table.notes.append(
            f"The writer's waits beside the import: p99 {waits.p99 * 1000:.0f} ms, longest {waits.longest * 1000:.0f} ms."
        )
    return table


def bare(source: str, target: str) -> tuple[float, float]:
    """Seconds, and seconds of CPU, that apsw alone takes for the rows of a store, 1,000 a transaction, synchronous NORMAL."""
    open_store(target, create=True).close()
    reader = apsw.Connection(source, flags=apsw.SQLITE_OPEN_READONLY)
    db = apsw.Connection(target, flags=apsw.SQLITE_OPEN_READWRITE)
    for pragma in ("synchronous=NORMAL", "cache_size=-16384"):
        db.execute(f"PRAGMA {pragma}").fetchall()
    took = [0.0, 0.0]
    rows = reader.execute("SELECT * FROM jobs ORDER BY id")
    while part := list(itertools.islice(rows, 1000)):
        began = time.monotonic(), time.process_time()
        with db:
            db.executemany(SAVE, part)
        took = [took[0] + time.monotonic() - began[0], took[1] + time.process_time() - began[1]]
    began = time.monotonic(), time.process_time()
    db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    db.close()
    return took[0] + time.monotonic() - began[0], took[1] + time.process_time() - began[1]


def _add(table: Table, what: str, jobs: int, took: tuple[float, float, float], file: Path | None) -> None:
    seconds, cpu, peak_mb = took
    size = f"{file.stat().st_size / 1e6:.0f} MB" if file else ""
    table.add(what, f"{seconds:.1f} s", f"{cpu:.1f} s", f"{jobs / seconds:,.0f}", f"{peak_mb:.0f} MB", size)


def _run(*words: str) -> tuple[float, float, float]:
    """Seconds that a command took, seconds of CPU, and its peak resident memory in MB."""
    began_s = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "hyperjobs", *words], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    took_s = time.monotonic() - began_s
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(words)}: exit {process.returncode}")
    return took_s, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e6


def _forget(store: Path) -> None:
    for path in store.parent.glob(f"{store.name}*"):
        path.unlink()
