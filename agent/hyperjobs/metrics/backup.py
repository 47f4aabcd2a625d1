"""Backups: what there are, how old, and whether they were shown to restore."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from hyperjobs.maintenance.backup.catalogue import State, newest_verified, read_catalogue
from hyperjobs.metrics.catalogue import gauge
from hyperjobs.store.runs import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from prometheus_client.core import Metric

    from hyperjobs.maintenance.backup.catalogue import Entry
    from hyperjobs.metrics.source import Scrape
    from hyperjobs.store.condition import Condition
    from hyperjobs.store.runs import Runs

LOCAL = "local"
"""The destination label of the directory that backups are made in; no other destination may be called so."""


class BackupSource:
    """The backup group: the directory's names, manifests and marks; of other destinations what was last heard."""

    name = "backup"

    def __init__(self, directory: Path, store: Path, runs: Runs, condition: Condition) -> None:
        self._directory = directory
        self._store = store
        self._runs = runs
        self._condition = condition
        self._seen: tuple[int, list[Entry]] | None = None

    def collect(self, _scrape: Scrape) -> Iterator[Metric]:
        """The families; where there is no directory yet, those of the drill alone."""
        yield from self._drill()
        try:
            changed_ns = self._directory.stat().st_mtime_ns
            room = os.statvfs(self._directory)
        except OSError:
            return
        # Whatever appears in the directory or goes from it, a mark also, changes its time.
        if self._seen is None or self._seen[0] != changed_ns:
            self._seen = changed_ns, read_catalogue(self._directory, self._store)
        yield from _backups(self._seen[1], self._condition.destinations)
        yield gauge("backup_filesystem_avail_bytes", room.f_bavail * room.f_frsize)

    def _drill(self) -> Iterator[Metric]:
        last = self._runs.last_ended("drill", Outcome.OK, Outcome.FAILED)
        if last is None:
            return
        yield gauge("drill_ok", last.outcome is Outcome.OK)
        good = last if last.outcome is Outcome.OK else self._runs.last_ended("drill", Outcome.OK)
        if good is None or good.ended_at is None:
            return
        yield gauge("drill_duration_seconds", good.detail.get("rto_seconds", 0.0))
        yield gauge("drill_data_age_seconds", good.detail.get("rpo_seconds", 0.0))
        yield gauge("drill_last_success_timestamp_seconds", good.ended_at.timestamp())


def _backups(entries: list[Entry], destinations: list[dict[str, Any]]) -> Iterator[Metric]:
    counts, newest = gauge("backups"), gauge("backup_newest_timestamp_seconds")
    for state in State:
        of_state = [entry for entry in entries if entry.state is state]
        counts.add_metric([LOCAL, state.value], len(of_state))
        if of_state:
            newest.add_metric([LOCAL, state.value], max(entry.name.at for entry in of_state).timestamp())
    for facts in destinations:
        _add_destination(facts, counts, newest)
    yield from (counts, newest)
    yield gauge("backups_pinned", sum(entry.is_pinned for entry in entries))
    if (last := newest_verified(entries)) is not None:
        yield gauge("backup_size_bytes", last.bytes)
    if entries:
        yield gauge("backup_oldest_timestamp_seconds", min(entry.name.at for entry in entries).timestamp())


def _add_destination(facts: Mapping[str, Any], counts: Any, newest: Any) -> None:
    for state in State:
        counts.add_metric([facts["name"], state.value], facts[state.value])
    if facts["newest_at_s"] is not None:
        newest.add_metric([facts["name"], State.VERIFIED.value], facts["newest_at_s"])
