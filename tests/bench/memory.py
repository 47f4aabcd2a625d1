"""What an agent holds in memory through many scrapes, having adopted the store itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.report import Table
from bench.serving import Scraper, resident_mb, sample
from bench.writers import steady
from support.processes import agent

if TYPE_CHECKING:
    from bench.run import Bench

_ADOPTED_S = 600.0


def figure(bench: Bench) -> Table:
    """Resident memory at some counts of scrapes."""
    jobs, scrapes = (100_000, 200) if bench.is_quick else (1_000_000, 1_000)
    looks = {scrapes // 10 * tenth for tenth in range(1, 11)}
    seen: dict[int, float] = {}
    table = Table("memory", ["Scrapes", "Resident"])
    with (
        bench.directory.copy(bench.directory.template(jobs)) as store,
        agent(store, state_dir=store.parent / "state") as served,
        steady(store),
        Scraper(served.url) as client,
    ):
        table.add("while it starts", f"{resident_mb(served.process.pid):.1f} MB")
        served.process.until(
            lambda: sample(client.scrape()[1], "hyperjobs_ledger_ready"), "the first count", timeout_s=_ADOPTED_S
        )
        table.add("first count done", f"{resident_mb(served.process.pid):.1f} MB")

        def look(number: int) -> None:
            if number in looks:
                seen[number] = resident_mb(served.process.pid)

        client.scrape_many(scrapes, pause_s=0.02, after=look)
    first, last = scrapes // 10, scrapes
    for number in (first, scrapes // 2, last):
        table.add(number, f"{seen[number]:.1f} MB")
    table.add(f"growth from {first} to {last}", f"**{seen[last] - seen[first]:+.1f} MB**")
    table.notes.append(f"{jobs:,} jobs, adopted by this very process, beside a writer of 500 statements a second.")
    return table
