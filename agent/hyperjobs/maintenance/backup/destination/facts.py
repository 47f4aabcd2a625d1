"""What a destination holds, by its manifests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hyperjobs.errors import BackupDamagedError
from hyperjobs.maintenance.backup.destination.protocol import go_on

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from hyperjobs.maintenance.backup.destination.protocol import Destination

VERIFIED = "verified"


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationFacts:
    """A destination at one moment; nothing was read back for it.

    Attributes:
        name: the destination's.
        verified: backups whose manifest says so, with a file of the manifest's size.
        unverified: backups whose manifest says something else.
        damaged: backups without a manifest of their own, or with a file of another size.
        newest_at: when the newest verified backup was taken; ``None`` without one.
        oldest_at: the same of the oldest.
        newest_bytes: size of the newest verified one's file.
    """

    name: str
    verified: int = 0
    unverified: int = 0
    damaged: int = 0
    newest_at: datetime | None = None
    oldest_at: datetime | None = None
    newest_bytes: int | None = None


def read_facts(destination: Destination, keep_on: Callable[[], None] = go_on) -> DestinationFacts:
    """Count the backups of a destination: one listing, and one small read for each backup.

    Raises:
        DestinationError: it cannot be asked; what is known of it then is old, and not nothing.
    """
    verified, unverified, damaged = [], 0, 0
    for name, size_bytes in destination.sizes(keep_on).items():
        try:
            manifest = destination.manifest(name, keep_on)
        except BackupDamagedError:
            damaged += 1
            continue
        if manifest.bytes != size_bytes:
            damaged += 1
        elif manifest.state != VERIFIED:
            unverified += 1
        else:
            verified.append((name.at, size_bytes))
    newest_at, newest_bytes = max(verified, default=(None, None))
    return DestinationFacts(
        name=destination.name,
        verified=len(verified),
        unverified=unverified,
        damaged=damaged,
        newest_at=newest_at,
        oldest_at=min(verified, default=(None, None))[0],
        newest_bytes=newest_bytes,
    )
