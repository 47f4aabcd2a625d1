"""What goes into the manifest of an archive: its jobs added up, and which store they are from."""

from __future__ import annotations

import contextlib
import os
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Final

from hyperjobs import __version__
from hyperjobs.maintenance.backup.directory import sync_directory
from hyperjobs.maintenance.backup.pack import new_file
from hyperjobs.maintenance.prune.frame import written
from hyperjobs.maintenance.prune.manifest import ArchiveManifest
from hyperjobs.store.cells import Cells, id_of, text_of
from hyperjobs.store.due import ended_of
from hyperjobs.store.flavour import COLUMNS
from hyperjobs.store.returning import find_there
from hyperjobs.store.version import sqlite_version

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path

    from hyperjobs.maintenance.prune.name import ArchiveName
    from hyperjobs.store.connection import Connection

_STATUS: Final = COLUMNS.index("status")
_PROVIDER: Final = COLUMNS.index("provider")
_MOST_PROVIDERS: Final = 200
_OTHERS: Final = "(others)"


class Tally:
    """What is in an archive and was deleted."""

    def __init__(self) -> None:
        self.jobs: Counter[tuple[str, str]] = Counter()
        self.oldest: datetime | None = None
        self.newest: datetime | None = None

    def add(self, rows: Iterable[Cells]) -> None:
        """Count rows that are in it."""
        for cells in rows:
            self.jobs[_key(cells)] += 1
            ended = ended_of(cells)
            if ended is not None:
                self.oldest = ended if self.oldest is None else min(self.oldest, ended)
                self.newest = ended if self.newest is None else max(self.newest, ended)

    def take_off(self, rows: Iterable[Cells]) -> None:
        """Count rows that were not deleted after all."""
        self.jobs.subtract(map(_key, rows))

    def by(self) -> dict[str, dict[str, int]]:
        """Status → provider → jobs; of very many providers the smallest are put together."""
        shown = {provider for provider, _ in self._providers().most_common(_MOST_PROVIDERS)}
        found: dict[str, dict[str, int]] = defaultdict(dict)
        for (status, provider), jobs in sorted(self.jobs.items()):
            if jobs:
                name = provider if provider in shown else _OTHERS
                found[status][name] = found[status].get(name, 0) + jobs
        return dict(found)

    def _providers(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for (_, provider), jobs in self.jobs.items():
            found[provider] += jobs
        return found


def make_manifest(name: ArchiveName, tally: Tally, **values: Any) -> ArchiveManifest:
    """A manifest of these jobs; ``values`` are the fields that only the caller knows."""
    return ArchiveManifest(
        run=str(name),
        jobs=tally.jobs.total(),
        by=tally.by(),
        oldest=tally.oldest.isoformat() if tally.oldest else None,
        newest=tally.newest.isoformat() if tally.newest else None,
        started_at=name.at.isoformat(),
        sqlite_version=sqlite_version(),
        hyperjobs_version=__version__,
        **values,
    )


def write_manifest(path: Path, manifest: ArchiveManifest) -> None:
    """Write a manifest as one file that is there whole or not at all."""
    making = making_of(path)
    with written(path):
        making.unlink(missing_ok=True)  # a killed one's
        try:
            with new_file(making) as file:
                file.write(manifest.text().encode())
                file.flush()
                os.fsync(file.fileno())
            making.rename(path)
        finally:
            with contextlib.suppress(OSError):  # it has its name by now, or is of no use
                making.unlink()
        sync_directory(path.parent)


def making_of(path: Path) -> Path:
    """What a manifest is called until it is whole."""
    return path.with_name(f".{path.name}.making")


def still_there(connection: Connection, rows: list[Cells]) -> list[Cells]:
    """Those of the rows whose id the store has."""
    there = {job_id for found in find_there(connection, rows) for job_id in found.there}
    return [cells for cells in rows if id_of(cells) in there]


def _key(cells: Cells) -> tuple[str, str]:
    return text_of(cells[_STATUS]), text_of(cells[_PROVIDER])
