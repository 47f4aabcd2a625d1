"""A whole scrape over HTTP beside a writer, and the same questions asked by query-exporter of the same file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from bench.report import Table, median, ms, quantile
from bench.serving import Scraper
from bench.writers import steady
from hyperjobs.store.ledger.options import LedgerOptions
from support.processes import agent, free_port, get, running

if TYPE_CHECKING:
    from pathlib import Path

    from bench.run import Bench

_PAUSE_S = 0.02
_QUERY_EXPORTER_SCRAPES = 5


def figure(bench: Bench) -> Table:
    """Ours, then theirs."""
    jobs, scrapes = (100_000, 100) if bench.is_quick else (1_000_000, 1_000)
    template = bench.directory.template(jobs, ledger=True)
    table = Table("http_scrape", ["Exporter", "Scrapes", "p50", "p99", "longest", "times ours (p50)"])
    with bench.directory.copy(template) as store:
        with agent(store, state_dir=store.parent / "state") as served, steady(store), Scraper(served.url) as client:
            client.scrape_many(10, pause_s=0.1)
            ours = client.scrape_many(scrapes, pause_s=_PAUSE_S)
        table.add("hyperjobs", scrapes, *_times(ours), "1")
        theirs = _query_exporter(bench.peers / "bin" / "query-exporter", store)
    if theirs:
        table.add("query-exporter", len(theirs), *_times(theirs), f"**{median(theirs) / median(ours):.0f}**")
    else:
        table.add("query-exporter", 0, "not installed", "", "", "")
    table.notes.append(f"{jobs:,} jobs, and a writer of 500 statements a second beside each.")
    return table


def _times(took: list[float]) -> list[str]:
    return [ms(median(took)), ms(quantile(took, 0.99)), ms(max(took))]


def _query_exporter(program: Path, store: Path) -> list[float]:
    """Seconds of its scrapes; ``[]`` when it is not installed."""
    if not program.exists():
        return []
    port = free_port()
    config = store.parent / "query-exporter.yaml"
    config.write_text(json.dumps(_config(store)))  # JSON is YAML
    url = f"http://127.0.0.1:{port}"
    command = [program, "--host", "127.0.0.1", "--port", str(port), "--config", config, "--log-level", "error"]
    with running(command) as process:
        process.until(lambda: get(f"{url}/"), "query-exporter")
        with steady(store), Scraper(url) as client:
            return client.scrape_many(_QUERY_EXPORTER_SCRAPES, pause_s=0.1)


def _config(store: Path) -> dict[str, object]:
    """Counts, buckets and sums by provider and status: what our jobs group says of the rows."""
    seconds = "(julianday(completed_at)-julianday(started_at))*86400"
    edges = LedgerOptions().bounds
    columns = {
        "jobs": "count(*)",
        **{f"job_duration_bucket_{index}": f"sum({seconds}<={edge})" for index, edge in enumerate(edges)},
        "job_duration_count": f"count({seconds})",
        "job_duration_sum": f"coalesce(sum({seconds}),0)",
        "job_bytes": "sum(total_size)",
        "job_files": "sum(files_count)",
    }
    listed = ",".join(f"{sql} AS {name}" for name, sql in columns.items())
    by = ["provider", "status"]
    return {
        "databases": {"store": {"dsn": f"sqlite:///{store}"}},
        "metrics": {name: {"type": "gauge", "labels": by} for name in columns},
        "queries": {
            "jobs": {
                "databases": ["store"],
                "metrics": list(columns),
                "sql": f"SELECT provider,status,{listed} FROM jobs GROUP BY provider,status",  # noqa: S608
            }
        },
    }
