"""Measures the figures of docs/performance.md on this machine: ``python tests/bench/run.py [--only NAME] [--quick]``.

Every figure is a time or a ratio out of one run, interleaved where two things are compared. None of them is a test:
a machine that is busy makes no build fail.
"""

from __future__ import annotations

import argparse
import importlib
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

sys.path[0] = str(Path(__file__).parents[1])  # `bench` and `support` are imported by their names

from bench import report  # noqa: E402 - after the path is set
from bench.dataset import Directory  # noqa: E402 - as above

FIGURES = (
    "scrape",
    "http_scrape",
    "go_writer",
    "life_cycle",
    "batch",
    "backing_up",
    "first_page",
    "memory",
    "start",
    "catch_up",
    "command_line",
    "pruning",
    "exporting",
    "rebuilding",
    "reclaiming",
    "checking",
    "salvaging",
    "stopping",
    "status_page",
)
"""Each is a module of this folder with a ``figure(bench)``."""


@dataclass(frozen=True)
class Bench:
    """What a figure is told.

    Attributes:
        directory: where its stores are.
        calm: a folder in memory: what a writer waits for there is never a disk.
        peers: an environment that has what we are compared with; it need not be there.
        is_quick: sizes and rounds that take seconds, to try the measurement itself.
        is_huge: also at five million jobs, which takes 5 GB.
    """

    directory: Directory
    calm: Directory
    peers: Path
    is_quick: bool
    is_huge: bool


def main() -> None:
    """Measure what is asked, print it, and write it into the page if that is asked too."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", choices=FIGURES, help="this figure; may be given several times")
    parser.add_argument("--quick", action="store_true", help="small sizes: to try the measurement, not to quote")
    parser.add_argument("--huge", action="store_true", help="scrapes at 5,000,000 jobs too (5 GB of disk)")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/performance.md")
    parser.add_argument("--dir", type=Path, help="keep stores here for the next run, instead of a temporary folder")
    parser.add_argument(
        "--peers",
        type=Path,
        default=Path(sys.prefix) / "peers",
        help="an environment with requirements/peers.txt; by default the one that make bench makes",
    )
    asked = parser.parse_args()
    folder = asked.dir or Path(tempfile.mkdtemp(prefix="hyperjobs-bench-"))
    memory = Path(tempfile.mkdtemp(prefix="hyperjobs-bench-", dir="/dev/shm"))
    bench = Bench(Directory(folder), Directory(memory), asked.peers, is_quick=asked.quick, is_huge=asked.huge)
    tables = [report.machine()]
    try:
        sys.stdout.write(f"{tables[0].markdown()}\n")
        for name in asked.only or FIGURES:
            tables.append(importlib.import_module(f"bench.{name}").figure(bench))
            sys.stdout.write(f"\n{name}\n\n{tables[-1].markdown()}\n")
            sys.stdout.flush()
    finally:
        shutil.rmtree(memory)
        if asked.dir is None:
            shutil.rmtree(folder)
    if asked.write:
        report.write(tables)


if __name__ == "__main__":
    main()
