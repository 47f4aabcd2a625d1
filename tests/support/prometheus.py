"""A real Prometheus that scrapes one agent, and what it has seen."""

from __future__ import annotations

import json
import urllib.parse
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from support.processes import free_port, get, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.processes import Process


class Prometheus:
    """A running Prometheus server."""

    def __init__(self, process: Process, url: str) -> None:
        self.process = process
        self.url = url

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The vector an expression has now; empty while the server starts or has no sample yet."""
        answer = get(f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
        if answer is None or answer.status != 200:
            return []
        result: list[dict[str, Any]] = json.loads(answer.text)["data"]["result"]
        return result

    def by(self, expression: str, *labels: str) -> dict[tuple[str, ...], float]:
        """The values of an expression by the labels named."""
        return {
            tuple(series["metric"].get(label, "") for label in labels): float(series["value"][1])
            for series in self.query(expression)
        }

    def scalar(self, expression: str) -> float | None:
        """The value of an expression that is one series without labels; ``None`` when there is none."""
        return self.by(expression).get(())

    def until(self, expression: str, what: str, *, timeout_s: float = 40.0) -> None:
        """Wait until an expression has a value."""
        self.process.until(lambda: self.query(expression), what, timeout_s=timeout_s)


@contextmanager
def prometheus(config: str, directory: Path, *options: str) -> Iterator[Prometheus]:
    """Debian's Prometheus with this configuration, once it has seen the agent's jobs, for the length of a block."""
    file = directory / "prometheus.yml"
    file.write_text(config)
    address = f"127.0.0.1:{free_port()}"
    command = ["prometheus", f"--config.file={file}", f"--storage.tsdb.path={directory / 'tsdb'}"]
    with running([*command, f"--web.listen-address={address}", *options]) as process:
        server = Prometheus(process, f"http://{address}")
        # The first scrape has its own random offset, and the head is flushed late: seconds, not milliseconds.
        server.until("hyperjobs_ledger_ready == 1 and on (instance) up == 1", "a scrape", timeout_s=60)
        yield server
