"""A store out into a file of each form, and in again, by the command line: how long, and how much memory it takes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

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
            open_store(target, create=True).close()
            _add(table, f"import {file.name}", jobs, _run("import", str(file), "--yes", "--store", str(target)), None)
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
