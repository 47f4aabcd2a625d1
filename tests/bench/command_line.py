"""CPU seconds of commands, as a process started for each."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from bench.report import Table, median, ms

if TYPE_CHECKING:
    from bench.run import Bench


def figure(bench: Bench) -> Table:
    """Medians of ten, a round of all commands each time."""
    jobs = 100_000 if bench.is_quick else 1_000_000
    store = bench.directory.template(jobs, ledger=True)
    commands = {
        "python -c pass": ["-c", "pass"],
        "hyperjobs --version": ["-m", "hyperjobs", "--version"],
        "hyperjobs list": ["-m", "hyperjobs", "list", "--store", str(store)],
        "hyperjobs list --json": ["-m", "hyperjobs", "list", "--store", str(store), "--json"],
        "hyperjobs stats": ["-m", "hyperjobs", "stats", "--store", str(store)],
    }
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(3 if bench.is_quick else 10):
        for name, words in commands.items():
            took[name].append(_run([sys.executable, *words]))
    table = Table("command_line", ["Command", "CPU, user and system", "Elapsed"])
    for name, runs in took.items():
        table.add(name, *(ms(median([run[part] for run in runs])) for part in (0, 1)))
    table.notes.append(f"At {jobs:,} jobs, output to a pipe; `python -c pass` is what any Python program takes here.")
    return table


def _run(command: list[str]) -> tuple[float, float]:
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return used.ru_utime + used.ru_stime, time.perf_counter() - started
