"""Where rows that are lost can be had from: verified backups and archives of pruned jobs, the newest first."""

from __future__ import annotations

import contextlib
import functools
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hyperjobs.errors import HyperjobsError
from hyperjobs.maintenance.backup.catalogue import State, read_catalogue
from hyperjobs.maintenance.backup.destination.facts import judge
from hyperjobs.maintenance.backup.destination.opening import open_destination
from hyperjobs.maintenance.backup.reading import readable
from hyperjobs.maintenance.prune.directory import ArchiveDirectory
from hyperjobs.maintenance.prune.manifest import read_manifest
from hyperjobs.store.source import source_sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from hyperjobs.maintenance.backup.destination.opening import DestinationSettings
    from hyperjobs.maintenance.backup.destination.protocol import Destination
    from hyperjobs.maintenance.backup.name import BackupName


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One backup or archive.

    Attributes:
        name: of it.
        place: ``local``, or the name of the destination.
        at: when it was taken; of an archive, when its prune ended.
    """

    kind: Literal["backup", "archive"]
    name: str
    place: str
    at: datetime
    path: Path
    backup: BackupName | None = None
    destination: Destination | None = None

    @contextlib.contextmanager
    def database(self, keep_on: Callable[[], None]) -> Iterator[Path]:
        """The backup's database, once its bytes are those of its manifest.

        Raises:
            HyperjobsError: they are not, or it cannot be had.
        """
        assert self.backup is not None  # noqa: S101 - an archive has none
        with contextlib.ExitStack() as stack:
            directory = self.path
            if self.destination is not None:
                directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hyperjobs-fetch-")))
                self.destination.fetch(self.backup, directory, keep_on)
            yield stack.enter_context(readable(directory, self.backup, keep_on))


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where to look.

    Attributes:
        backups: directory; ``None`` for none.
        archives: the same of archives.
    """

    backups: Path | None = None
    destinations: Sequence[DestinationSettings] = ()
    archives: Path | None = None


def sources_of(store: Path, places: Places, keep_on: Callable[[], None]) -> tuple[list[Source], list[str]]:
    """Every backup that counts and every archive of a store, the newest first, and why some places could not be asked."""
    found: list[Source] = []
    troubles: list[str] = []
    looks: list[Callable[[], list[Source]]] = [
        lambda: _local(places.backups, store),
        *(functools.partial(_remote, each, store, keep_on) for each in places.destinations),
        lambda: _archives(places.archives, store),
    ]
    for look in looks:
        try:
            found += look()
        except HyperjobsError as exc:
            troubles.append(str(exc))
    unique = {(source.kind, source.name): source for source in reversed(found)}  # what is here need not be fetched
    return sorted(unique.values(), key=lambda source: source.at, reverse=True), troubles


def _local(directory: Path | None, store: Path) -> list[Source]:
    if directory is None:
        return []
    return [
        Source(kind="backup", name=str(entry.name), place="local", at=entry.name.at, path=directory, backup=entry.name)
        for entry in read_catalogue(directory, store)
        if entry.is_verified and entry.manifest is not None and entry.manifest.flavour == "hypersdk"
    ]


def _remote(settings: DestinationSettings, store: Path, keep_on: Callable[[], None]) -> list[Source]:
    destination = open_destination(settings)
    return [
        Source(
            kind="backup",
            name=str(entry.name),
            place=settings.name,
            at=entry.name.at,
            path=Path(),
            backup=entry.name,
            destination=destination,
        )
        for entry in judge(destination, keep_on, source=store)
        if entry.state is State.VERIFIED
    ]


def _archives(path: Path | None, store: Path) -> list[Source]:
    if path is None:
        return []
    directory, own = ArchiveDirectory(path), source_sha256(store)
    found = []
    for name in directory.names():
        manifest = read_manifest(path / name.manifest)
        if manifest is not None and manifest.source_sha256 == own:
            found.append(Source(kind="archive", name=str(name), place="local", at=name.at, path=path / name.data))
    return found
