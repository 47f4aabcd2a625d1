"""A client as Prometheus is one: it keeps its connection and asks for OpenMetrics, compressed."""

from __future__ import annotations

import gzip
import http.client
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

ACCEPT = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2"


class Scraper:
    """Scrapes one address."""

    def __init__(self, url: str, *, timeout_s: float = 300.0) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._connection.close()

    def scrape(self) -> tuple[float, str]:
        """Seconds to the last byte, and the text; anything but 200 is an error."""
        started = time.perf_counter()
        self._connection.request("GET", "/metrics", headers={"Accept": ACCEPT, "Accept-Encoding": "gzip"})
        response = self._connection.getresponse()
        body = response.read()
        took = time.perf_counter() - started
        if response.status != 200:
            raise RuntimeError(f"/metrics answered {response.status}")
        return took, (gzip.decompress(body) if response.headers["Content-Encoding"] == "gzip" else body).decode()

    def scrape_many(self, times: int, *, pause_s: float, after: Callable[[int], None] = lambda _: None) -> list[float]:
        """Seconds of so many scrapes; ``after`` is told how many there have been."""
        took = []
        for number in range(times):
            took.append(self.scrape()[0])
            after(number + 1)
            time.sleep(pause_s)
        return took


def sample(text: str, name: str) -> float | None:
    """The value of a sample without labels; ``None`` when it is not there."""
    values = [line.split()[1] for line in text.splitlines() if line.startswith(f"{name} ")]
    return float(values[0]) if values else None


def resident_mb(pid: int) -> float:
    """Memory of a process that is its own and in use, MB."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / 1024
