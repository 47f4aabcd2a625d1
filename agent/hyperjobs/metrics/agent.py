"""The agent about itself."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from prometheus_client.process_collector import ProcessCollector

from hyperjobs.metrics.catalogue import gauge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from prometheus_client.core import Metric

    from hyperjobs.metrics.source import Scrape


class AgentSource:
    """The agent group and the process's own standard metrics."""

    name = "agent"

    def __init__(
        self,
        *,
        version: str,
        sqlite: str,
        apsw: str,
        reloaded: Callable[[], tuple[bool, datetime]],
        is_leader: Callable[[], bool],
    ) -> None:
        """``reloaded`` tells whether the last reload worked and when one last did, ``is_leader`` who has the lock."""
        self._versions = [version, platform.python_version(), sqlite, apsw]
        self._reloaded = reloaded
        self._is_leader = is_leader
        self._process = ProcessCollector(registry=None)
        self._scraped_at: datetime | None = None

    def collect(self, scrape: Scrape) -> Iterator[Metric]:
        """The families."""
        build = gauge("build_info")
        build.add_metric(self._versions, 1)
        yield build
        is_good, good_at = self._reloaded()
        yield gauge("config_last_reload_successful", is_good)
        yield gauge("config_last_reload_success_timestamp_seconds", good_at.timestamp())
        yield gauge("leader", self._is_leader())
        if self._scraped_at is not None:
            yield gauge("last_scrape_timestamp_seconds", self._scraped_at.timestamp())
        self._scraped_at = scrape.now
        yield from self._process.collect()
