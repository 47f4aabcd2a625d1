"""A backup beside a busy writer: what the writer feels of it, and how long it takes beside a plain copy."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.child import call
from bench.report import Table, median, ms, share
from bench.writers import RATE, steady
from hyperjobs.clock import SystemClock
from hyperjobs.maintenance.backup.create import create_backup
from hyperjobs.maintenance.backup.directory import BackupDirectory
from hyperjobs.maintenance.backup.task import PAGES, PAUSE_S
from hyperjobs.store.snapshot import Pace
from support.tools import is_present

if TYPE_CHECKING:
    from bench.run import Bench
    from bench.writers import Waits

_UNTHROTTLED = (1000, 0.0)
_THROTTLED = (PAGES, PAUSE_S)


def back_up(path: str, directory: str, pages: int, pause_s: float, compression: str) -> dict[str, Any]:
    """One backup; its manifest, and the seconds of all of it."""
    pace = Pace(pages=pages, pause_s=pause_s, pause=time.sleep)
    started = time.perf_counter()
    manifest = create_backup(
        Path(path), BackupDirectory(Path(directory)), clock=SystemClock(), pace=pace, compression=compression
    )
    return {**asdict(manifest), "seconds": time.perf_counter() - started}


def figure(bench: Bench) -> Table:
    """Each kind in turn, in several rounds, on copies of one store."""
    jobs, rounds, shell_s = (100_000, 2, 10) if bench.is_quick else (1_000_000, 3, 60)
    template = bench.directory.template(jobs)
    kinds: dict[str, tuple[int, tuple[int, float], str]] = {
        "throttled, the default": (RATE, _THROTTLED, "none"),
        "unthrottled": (RATE, _UNTHROTTLED, "none"),
        "throttled, zstd": (RATE, _THROTTLED, "zstd"),
        "throttled, 1,000 writes/s": (2 * RATE, _THROTTLED, "none"),
    }
    idle: dict[int, list[Waits]] = {RATE: [], 2 * RATE: []}
    waits: dict[str, list[Waits]] = {kind: [] for kind in kinds}
    taken: dict[str, list[dict[str, Any]]] = {kind: [] for kind in kinds}
    copies: list[float] = []
    for _ in range(rounds):
        copies.append(_copy(template))
        for kind, (rate, (pages, pause_s), compression) in kinds.items():
            with bench.directory.copy(template) as store:
                _settle(store)
                directory = store.parent / "backups"
                with steady(store, rate) as felt:
                    # where the writer wrote alone is measured on the same file, just before
                    time.sleep(_ALONE_S)
                idle[rate].append(felt)
                with steady(store, rate) as felt:
                    options = {"pages": pages, "pause_s": pause_s, "compression": compression}
                    taken[kind].append(call("bench.backing_up:back_up", path=store, directory=directory, **options))
                waits[kind].append(felt)
    table = Table("backing_up", ["What", "Copy", "Proof", "All", "Writer p99", "longest", "p99 against alone"])
    for rate, felt in idle.items():
        table.add(f"the writer alone, {rate:,} writes/s", "", "", "", *_felt(felt), "")
    for kind, manifests in taken.items():
        seconds = [median([each[name] for each in manifests]) for name in ("copy_seconds", "verify_seconds", "seconds")]
        alone = median([each.p99 for each in idle[kinds[kind][0]]])
        ratio = median([each.p99 for each in waits[kind]]) / alone
        table.add(kind, *(f"{value:.2f} s" for value in seconds), *_felt(waits[kind]), f"{ratio:.2f}")
    table.add("cp and fsync", f"{median(copies):.2f} s", "", "", "", "", "")
    ratios = [each["copy_seconds"] / copy for each, copy in zip(taken["unthrottled"], copies, strict=True)]
    table.notes.append(f"Unthrottled copy / cp and fsync: {share(ratios)}.")
    if is_present("sqlite3"):
        table.notes.append(_shell(bench, template, shell_s))
    size = template.stat().st_size / 2**20
    packed = median([each["bytes"] for each in taken["throttled, zstd"]]) / 2**20
    table.notes.append(f"{rounds} rounds; {jobs:,} jobs, {size:,.0f} MiB, {packed:,.0f} MiB in zstd.")
    return table


_ALONE_S = 4.0


def _felt(felt: list[Waits]) -> tuple[str, str]:
    return ms(median([each.p99 for each in felt])), ms(max(each.longest for each in felt))


def _settle(store: Path) -> None:
    """Let the disk finish what was written for the measurement itself."""
    with store.open("rb") as file:
        os.fsync(file.fileno())


def _copy(template: Path) -> float:
    """Seconds of ``cp`` and fsync of the file, which nobody writes to meanwhile."""
    copy = template.with_suffix(".copied")
    _settle(template)
    started = time.perf_counter()
    try:
        subprocess.run(["cp", "--reflink=never", template, copy], check=True)
        _settle(copy)
        return time.perf_counter() - started
    finally:
        copy.unlink(missing_ok=True)


def _shell(bench: Bench, template: Path, limit_s: float) -> str:
    """What the sqlite3 program's own backup comes to beside the same writer."""
    program = shutil.which("sqlite3") or sys.exit("sqlite3 went away")
    with bench.directory.copy(template) as store, steady(store) as felt:
        started = time.perf_counter()
        process = subprocess.Popen([program, store, f".backup {store.parent / 'shell.db'}"], stdout=subprocess.DEVNULL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(limit_s)
        took = time.perf_counter() - started
        has_ended = process.poll() is not None
        process.kill()
        process.wait()
    end = f"ended after {took:.1f} s" if has_ended else f"had not ended after {took:.0f} s, when it was killed"
    return f"`sqlite3 .backup` beside the writer {end}; its p99 {ms(felt.p99)}, longest {ms(felt.longest)}."
