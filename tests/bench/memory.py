"""What an agent holds in memory through many scrapes, of a store that it adopted itself and of one it knew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.report import Table
from bench.serving import Scraper, resident_mb, sample
from bench.writers import steady
from support.processes import agent

if TYPE_CHECKING:
    from pathlib import Path

    from bench.run import Bench

_ADOPTED_S = 600.0


def figure(bench: Bench) -> Table:
    """Resident memory at some counts of scrapes."""
    jobs, scrapes = (100_000, 200) if bench.is_quick else (1_000_000, 1_000)
    looks = [1, scrapes // 10, scrapes // 2, scrapes]
    known, adopted = (
        _resident(bench, bench.directory.template(jobs, ledger=ledger), looks) for ledger in (True, False)
    )
    table = Table("memory", ["Scrapes", "Store known", "Store adopted by this process"])
    for number in looks:
        table.add(number, f"{known[number]:.1f} MB", f"{adopted[number]:.1f} MB")
    growth = (f"**{seen[scrapes] - seen[scrapes // 10]:+.1f} MB**" for seen in (known, adopted))
    table.add(f"growth from {scrapes // 10} to {scrapes}", *growth)
    table.notes.append(
        f"{jobs:,} jobs, beside a writer of 500 statements a second; counted once the numbers are complete."
    )
    return table


def _resident(bench: Bench, template: Path, looks: list[int]) -> dict[int, float]:
    """MB after so many scrapes."""
    seen: dict[int, float] = {}
    with (
        bench.directory.copy(template) as store,
        agent(store, state_dir=store.parent / "state") as served,
        steady(store),
        Scraper(served.url) as client,
    ):
        served.process.until(
            lambda: sample(client.scrape()[1], "hyperjobs_ledger_ready"), "the first count", timeout_s=_ADOPTED_S
        )

        def look(number: int) -> None:
            if number in looks:
                seen[number] = resident_mb(served.process.pid)

        client.scrape_many(max(looks), pause_s=0.02, after=look)
    return seen
