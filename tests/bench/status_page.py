"""The status page and the API over HTTP beside a writer, and what those who look cost a scrape."""

from __future__ import annotations

import gzip
import http.client
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bench.report import Table, median, ms, quantile
from bench.serving import Scraper
from bench.writers import steady
from support.processes import agent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.run import Bench

_VIEWERS = 8
_STALE_S = 2.05
"""After so long a page is found anew."""
_API = (
    ("the first 100 jobs", "/api/v1/jobs"),
    ("the first 1,000 that failed", "/api/v1/jobs?status=failed&limit=1000"),
    ("100 of one provider in a week", "/api/v1/jobs?provider=aws&since=7d"),
    ("counts of 7 days by day", "/api/v1/stats?by=day&since=7d"),
    ("counts of all, sizes added up", "/api/v1/stats"),
    ("a text that no job has", "/api/v1/jobs?text=nowhere%20at%20all"),
)


def figure(bench: Bench) -> Table:
    """The page at two sizes, lists at the larger one, scrapes with and without viewers."""
    sizes = (10_000, 100_000) if bench.is_quick else (10_000, 1_000_000)
    fresh = 5 if bench.is_quick else 20
    scrapes = 100 if bench.is_quick else 500
    table = Table("status_page", ["What", "Jobs", "p50", "longest", "bytes (gzip)"])
    for size in sizes:
        with (
            bench.directory.copy(bench.directory.template(size, ledger=True)) as store,
            agent(store, state_dir=store.parent / "state") as served,
            steady(store),
        ):
            took, body = _times(served.url, "/", fresh, pause_s=_STALE_S)
            table.add("the page, found anew", f"{size:,}", ms(median(took)), ms(max(took)), _weight(body))
            took, _ = _times(served.url, "/", 200)
            table.add("the page, found within two seconds", f"{size:,}", ms(median(took)), ms(max(took)), "")
            if size != sizes[-1]:
                continue
            for name, path in _API:
                took, body = _times(served.url, path, 5)
                table.add(name, f"{size:,}", ms(median(took)), ms(max(took)), _weight(body))
            with Scraper(served.url) as client:
                alone = client.scrape_many(scrapes, pause_s=0.02)
                with _viewers(served.url):
                    beside = client.scrape_many(scrapes, pause_s=0.02)
            for name, took in (("a scrape", alone), (f"a scrape, {_VIEWERS} viewers at once and again", beside)):
                table.add(name, f"{size:,}", ms(median(took)), f"{ms(max(took))}, p99 {ms(quantile(took, 0.99))}", "")
    table.notes.append("A writer of 500 statements a second works beside all of it.")
    return table


def _times(url: str, path: str, times: int, *, pause_s: float = 0.0) -> tuple[list[float], bytes]:
    """Seconds of so many requests, and the last answer."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    took, body = [], b""
    for _ in range(times):
        time.sleep(pause_s)
        started = time.perf_counter()
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        took.append(time.perf_counter() - started)
        if answer.status != 200:
            raise RuntimeError(f"{path} answered {answer.status}: {body[:200]!r}")
    connection.close()
    return took, body


@contextmanager
def _viewers(url: str) -> Iterator[None]:
    """Many who load the page again as soon as they have it, ten times a second each."""
    stopping = threading.Event()

    def look() -> None:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        while not stopping.wait(0.1):
            connection.request("GET", "/", headers={"Accept-Encoding": "gzip"})
            connection.getresponse().read()
        connection.close()

    threads = [threading.Thread(target=look) for _ in range(_VIEWERS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopping.set()
        for thread in threads:
            thread.join()


def _weight(body: bytes) -> str:
    return f"{len(body):,} ({len(gzip.compress(body, 4)):,})"
