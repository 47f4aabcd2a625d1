"""What a destination holds, by its manifests."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hyperjobs.errors import BackupDamagedError
from hyperjobs.maintenance.backup.catalogue import State, stem_of
from hyperjobs.maintenance.backup.destination.protocol import go_on
from hyperjobs.maintenance.backup.manifest import DAMAGED
from hyperjobs.store.source import source_sha256

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from hyperjobs.maintenance.backup.destination.protocol import Destination
    from hyperjobs.maintenance.backup.manifest import Manifest
    from hyperjobs.maintenance.backup.name import BackupName


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationFacts:
    """A destination at one moment; nothing was read back for it.

    Attributes:
        name: the destination's.
        verified: backups that count, by what can be told without reading them; the other states are those of
            :class:`~hyperjobs.maintenance.backup.catalogue.State`.
        newest_at: when the newest verified backup was taken; ``None`` without one.
        oldest_at: the same of the oldest.
        newest_bytes: size of the newest verified one's file.
    """

    name: str
    verified: int = 0
    unverified: int = 0
    failed: int = 0
    damaged: int = 0
    newest_at: datetime | None = None
    oldest_at: datetime | None = None
    newest_bytes: int | None = None


def read_facts(
    destination: Destination, keep_on: Callable[[], None] = go_on, *, source: Path | None = None
) -> DestinationFacts:
    """Count the backups of a destination: one listing, and one small read for each backup.

    Args:
        destination: which.
        keep_on: as everywhere.
        source: path of the store whose backups count; ``None`` for those of all stores.

    Raises:
        DestinationError: it cannot be asked; what is known of it then is old, and not nothing.
    """
    judged = judge(destination, keep_on, source=source)
    states = Counter(entry.state for entry in judged)
    verified = [(entry.name.at, entry.bytes) for entry in judged if entry.state is State.VERIFIED]
    newest_at, newest_bytes = max(verified, default=(None, None))
    return DestinationFacts(
        name=destination.name,
        verified=states[State.VERIFIED],
        unverified=states[State.UNVERIFIED],
        failed=states[State.FAILED],
        damaged=states[State.DAMAGED],
        newest_at=newest_at,
        oldest_at=min(verified, default=(None, None))[0],
        newest_bytes=newest_bytes,
    )


@dataclass(frozen=True, slots=True)
class Judged:
    """One backup of a destination.

    Attributes:
        manifest: ``None`` when there is none that can be read and is its own.
        bytes: size of its file, as the destination counts them.
    """

    name: BackupName
    manifest: Manifest | None
    state: State
    bytes: int


def judge(destination: Destination, keep_on: Callable[[], None] = go_on, *, source: Path | None = None) -> list[Judged]:
    """The backups there, oldest first, each with what it is worth by its manifest, size and marks.

    A backup is a store's own by the same rule as in the first directory; see
    :func:`~hyperjobs.maintenance.backup.catalogue.read_catalogue`.

    Args:
        destination: which.
        keep_on: as everywhere.
        source: path of the store; ``None`` for the backups of all stores.

    Raises:
        DestinationError: the destination cannot be asked.
    """
    failed = destination.failed(keep_on)
    judged = []
    for name, size_bytes in sorted(destination.sizes(keep_on).items()):
        if source is not None and name.stem != stem_of(source):
            continue
        try:
            manifest = destination.manifest(name, keep_on)
        except BackupDamagedError:
            judged.append(Judged(name, None, State.UNVERIFIED, size_bytes))
            continue
        if source is not None and manifest.source_sha256 != source_sha256(source):
            continue
        state = State.VERIFIED
        if name in failed or manifest.bytes != size_bytes:
            state = State.FAILED
        elif manifest.state == DAMAGED:
            state = State.DAMAGED
        judged.append(Judged(name, manifest, state, size_bytes))
    return judged
