"""Deleting old backups of a destination, once the newest there is known to be whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hyperjobs.errors import BackupDamagedError
from hyperjobs.maintenance.backup.catalogue import State, is_elsewhere
from hyperjobs.maintenance.backup.destination.facts import judge
from hyperjobs.maintenance.backup.destination.protocol import go_on
from hyperjobs.maintenance.backup.name import BackupName
from hyperjobs.maintenance.backup.retention import decide as decide_names

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from datetime import datetime
    from pathlib import Path

    from hyperjobs.maintenance.backup.destination.facts import Judged
    from hyperjobs.maintenance.backup.destination.protocol import Destination
    from hyperjobs.maintenance.backup.manifest import Manifest
    from hyperjobs.maintenance.backup.retention import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """What a rotation did, or would do.

    Attributes:
        kept: names of the verified backups that stay, oldest first.
        deleted: names of those that go, oldest first.
        left: names of those that do not count, and are never touched.
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
    source: Path | None = None,
    host: str = "",
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
        source: path of the store, where one destination holds those of several; others are not looked at.
        host: what this machine is called in backups; those of another are not looked at either.
        is_dry: delete nothing and read nothing back.

    Raises:
        BackupDamagedError: the newest is damaged there; nothing was deleted.
        DestinationError: the destination cannot do it; what was deleted is deleted.
    """
    judged = judge(destination, keep_on, source=source)
    rotated, doomed, newest = _sorted_out(judged, decide, minimum, host)
    if doomed and not is_dry:
        for name in newest:
            _require_whole(destination, name, keep_on)
        for name in doomed:
            destination.delete(name, keep_on)
    return rotated


def foretell(
    judged: Iterable[Judged], decide: Callable[[list[Manifest]], set[str]], minimum: int, *, host: str = ""
) -> Rotated:
    """What :func:`rotate_destination` would do with the backups that a destination was found to hold."""
    return _sorted_out(judged, decide, minimum, host)[0]


def _sorted_out(
    judged: Iterable[Judged], decide: Callable[[list[Manifest]], set[str]], minimum: int, host: str
) -> tuple[Rotated, list[BackupName], list[BackupName]]:
    """What stays and what goes, the names that go, and those that must be whole before they do."""
    ours = [entry for entry in judged if not is_elsewhere(entry.manifest, host)]
    manifests = {entry.name: entry.manifest for entry in ours if entry.state is State.VERIFIED and entry.manifest}
    left = [str(entry.name) for entry in ours if entry.state is not State.VERIFIED]
    keep = decide(list(manifests.values())) | {str(name) for name in _newest(manifests, max(minimum, 1))}
    doomed = [name for name in manifests if str(name) not in keep]
    rotated = Rotated(
        kept=[str(name) for name in manifests if str(name) in keep],
        deleted=[str(name) for name in doomed],
        left=left,
    )
    return rotated, doomed, _newest(manifests, 1)


def by_policy(
    policy: Policy, *, minimum: int, now: datetime, pinned: Collection[BackupName] = ()
) -> Callable[[list[Manifest]], set[str]]:
    """What :func:`rotate_destination` is to be given to keep what the policy keeps in the first directory.

    Args:
        policy: by which rules.
        minimum: so many stay whatever they say.
        now: the wall clock.
        pinned: those that stay by a person's word; names not there do no harm.
    """

    def keep(manifests: list[Manifest]) -> set[str]:
        names = [name for name in (BackupName.parse(manifest.name) for manifest in manifests) if name is not None]
        decisions = decide_names(
            names, policy, minimum=minimum, now=now, pinned=[name for name in pinned if name in names]
        )
        return {str(decision.name) for decision in decisions if decision.stays}

    return keep


def _newest(names: dict[BackupName, Manifest], count: int) -> list[BackupName]:
    by_sequence = sorted(names)[-count:]
    by_time = sorted(names, key=lambda name: (name.at, name.sequence))[-count:]
    return sorted({*by_sequence, *by_time})


def _require_whole(destination: Destination, name: BackupName, keep_on: Callable[[], None]) -> None:
    try:
        destination.verify(name, keep_on)
    except BackupDamagedError as exc:
        raise BackupDamagedError(f"{exc}; nothing older was deleted: put it there again") from exc
