"""The agent about itself."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from prometheus_client.process_collector import ProcessCollector

from hyperjobs.metrics.catalogue import counter, gauge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from prometheus_client.core import Metric

    from hyperjobs.metrics.source import Scrape


class AgentSource:
    """The agent group and the process's own standard metrics."""

    name = "agent"

    def __init__(  # noqa: PLR0913 - what it shows, each by name
        self,
        *,
        version: str,
        sqlite: str,
        apsw: str,
        reloaded: Callable[[], tuple[bool, datetime]],
        is_leader: Callable[[], bool],
        notifications: Callable[[], Mapping[tuple[str, str], int]] = dict,
    ) -> None:
        """Take what tells about the agent.

        Args:
            version: of hyperjobs.
            sqlite: its version.
            apsw: its version.
            reloaded: whether the last reload worked, and when one last did.
            is_leader: whether this process has the lock.
            notifications: channel and outcome to messages.
        """
        self._notifications = notifications
        self._versions = [version, platform.python_version(), sqlite, apsw]
        self._reloaded = reloaded
        self._is_leader = is_leader
        self._process = ProcessCollector(registry=None)
        self._scraped_at: datetime | None = None
        self.scrapes = 0
        """How often somebody scraped."""

    def scraped(self, at: datetime) -> None:
        """Note that somebody scraped; of two at once one may be lost, which nobody can tell from one."""
        self._scraped_at, self.scrapes = at, self.scrapes + 1

    def collect(self, _scrape: Scrape) -> Iterator[Metric]:
        """The families."""
        build = gauge("build_info")
        build.add_metric(self._versions, 1)
        yield build
        is_good, good_at = self._reloaded()
        yield gauge("config_last_reload_successful", is_good)
        yield gauge("config_last_reload_success_timestamp_seconds", good_at.timestamp())
        yield gauge("leader", self._is_leader())
        notified = counter("notifications_total")
        for (channel, outcome), count in sorted(self._notifications().items()):
            notified.add_metric([channel, outcome], count)
        yield notified
        if self._scraped_at is not None:
            yield gauge("last_scrape_timestamp_seconds", self._scraped_at.timestamp())
        yield from self._process.collect()
