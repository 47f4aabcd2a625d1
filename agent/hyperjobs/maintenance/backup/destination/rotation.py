"""Deleting old backups of a destination, once the newest there is known to be whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hyperjobs.errors import BackupDamagedError
from hyperjobs.maintenance.backup.destination.facts import VERIFIED
from hyperjobs.maintenance.backup.destination.protocol import go_on

if TYPE_CHECKING:
    from collections.abc import Callable

    from hyperjobs.maintenance.backup.destination.protocol import Destination
    from hyperjobs.maintenance.backup.manifest import Manifest
    from hyperjobs.maintenance.backup.name import BackupName


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """What a rotation did, or would do.

    Attributes:
        kept: names of the verified backups that stay, oldest first.
        deleted: names of those that go, oldest first.
        left: names of what is ours by name and was not judged: damaged or unverified.
    """

    kept: list[str]
    deleted: list[str]
    left: list[str]


def rotate_destination(  # noqa: PLR0913 - what is to be kept, and how it is done
    destination: Destination,
    decide: Callable[[list[Manifest]], set[str]],
    minimum: int,
    keep_on: Callable[[], None] = go_on,
    *,
    stem: str | None = None,
    is_dry: bool = False,
) -> Rotated:
    """Delete the verified backups that ``decide`` does not keep.

    The newest ``minimum`` always stay: newest by sequence number, and newest by time, since a host that lost its first
    directory begins to count anew. The newest by either is read back in full before anything is deleted.

    Args:
        destination: where.
        decide: given the manifests of the verified backups, oldest first, the names of those to keep.
        minimum: how many stay at least; 1 is the least.
        keep_on: asked between two.
        stem: the store's, where one destination holds those of several; others are not looked at.
        is_dry: delete nothing and read nothing back.

    Raises:
        BackupDamagedError: the newest is damaged there; nothing was deleted.
        DestinationError: the destination cannot do it; what was deleted is deleted.
    """
    manifests: dict[BackupName, Manifest] = {}
    left = []
    for name, size_bytes in sorted(destination.sizes(keep_on).items()):
        if stem is not None and name.stem != stem:
            continue
        try:
            manifest = destination.manifest(name, keep_on)
        except BackupDamagedError:
            left.append(str(name))
            continue
        if manifest.state == VERIFIED and manifest.bytes == size_bytes:
            manifests[name] = manifest
        else:
            left.append(str(name))
    keep = decide(list(manifests.values())) | {str(name) for name in _newest(manifests, max(minimum, 1))}
    doomed = [name for name in manifests if str(name) not in keep]
    if doomed and not is_dry:
        for name in _newest(manifests, 1):
            _require_whole(destination, name, keep_on)
        for name in doomed:
            destination.delete(name, keep_on)
    return Rotated(
        kept=[str(name) for name in manifests if str(name) in keep],
        deleted=[str(name) for name in doomed],
        left=left,
    )


def _newest(names: dict[BackupName, Manifest], count: int) -> list[BackupName]:
    by_sequence = sorted(names)[-count:]
    by_time = sorted(names, key=lambda name: (name.at, name.sequence))[-count:]
    return sorted({*by_sequence, *by_time})


def _require_whole(destination: Destination, name: BackupName, keep_on: Callable[[], None]) -> None:
    try:
        destination.verify(name, keep_on)
    except BackupDamagedError as exc:
        raise BackupDamagedError(f"{exc}; nothing older was deleted: put it there again") from exc
