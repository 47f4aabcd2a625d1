"""The Go client's stand-in at full speed, with the agent running beside it and without one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.report import Table, median, share
from support.gowriter import GoWriter
from support.processes import agent
from support.tools import is_present

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from bench.run import Bench

_KEYS = ("statements_per_second", "p50_ms", "p99_ms", "max_ms")


def figure(bench: Bench) -> Table:
    """Both settings of synchronous, each in rounds of one run without and one with."""
    columns = ["synchronous", "Agent", "Statements/s", "p50", "p99", "longest", "with / without"]
    table = Table("go_writer", columns)
    if not is_present("go-sqlite3"):
        table.add("", "", "no Go or no driver: see CONTRIBUTING.md", "", "", "", "")
        return table
    rounds, seconds = (2, 2) if bench.is_quick else (9, 5)
    writer = GoWriter.build(bench.directory.path)
    plain, known = (bench.directory.template(100_000, ledger=ledger) for ledger in (False, True))
    for synchronous in ("NORMAL", "FULL"):
        flags = ("-seconds", seconds, "-synchronous", synchronous)
        pairs = []
        for number in range(rounds):
            runs = [(_without, plain), (_with, known)]
            # Whoever comes first does so every other time.
            done = [run(bench, writer, store, flags) for run, store in (runs if number % 2 else reversed(runs))]
            pairs.append(done if number % 2 else done[::-1])
        for name, found in zip(("without", "with"), zip(*pairs, strict=True), strict=True):
            rate, p50, p99, longest = ([run[key] for run in found] for key in _KEYS)
            ratios = [with_[_KEYS[0]] / without[_KEYS[0]] for without, with_ in pairs] if name == "with" else None
            times = (f"{median(p50):.2f} ms", f"{median(p99):.2f} ms", f"{max(longest):.0f} ms")
            table.add(synchronous, name, f"{median(rate):,.0f}", *times, share(ratios) if ratios else "")
    table.notes.append(
        f"{rounds} rounds of {seconds} s each way on a store of 100,000 jobs; the ratio is the median of the rounds' ratios."
    )
    return table


def _without(bench: Bench, writer: GoWriter, template: Path, flags: tuple[object, ...]) -> dict[str, Any]:
    with bench.directory.copy(template) as store:
        return writer.write(store, *flags).raw


def _with(bench: Bench, writer: GoWriter, template: Path, flags: tuple[object, ...]) -> dict[str, Any]:
    with bench.directory.copy(template) as store, agent(store, state_dir=store.parent / "state"):
        return writer.write(store, *flags).raw
