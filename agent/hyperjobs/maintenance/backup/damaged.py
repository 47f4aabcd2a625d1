"""Deleting the backups that do not count, once enough newer ones do: nothing else ever removes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperjobs.maintenance.backup.catalogue import State, is_elsewhere, is_own, newest_verified, read_catalogue
from hyperjobs.maintenance.backup.pack import nothing
from hyperjobs.maintenance.backup.retention import Decision
from hyperjobs.maintenance.backup.rotation import Rotation, prove_newest

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from hyperjobs.maintenance.backup.catalogue import Entry
    from hyperjobs.maintenance.backup.directory import BackupDirectory

_WORTHLESS = frozenset({State.DAMAGED, State.FAILED})


def remove_damaged(  # noqa: PLR0913 - all but the first two by name
    directory: BackupDirectory,
    source: Path,
    *,
    minimum: int,
    now: datetime,
    host: str = "",
    is_frozen: bool = False,
    is_dry: bool = False,
    keep_on: Callable[[], None] = nothing,
) -> Rotation:
    """Delete the store's own damaged and failed backups that at least ``minimum`` newer verified ones stand for.

    One without a readable manifest may be anybody's, and is left alone like those of another host. The newest verified
    one is proven again before the first goes.

    Args:
        directory: of the backups; its lock is taken.
        source: path of the store.
        minimum: so many newer verified ones each needs.
        now: the wall clock.
        host: what this machine is called in backups.
        is_frozen: whether the store is in doubt: then a damaged backup may be what is left of it, and none goes.
        is_dry: decide, and change nothing.
        keep_on: called often; what it raises ends the work between two deletions.

    Raises:
        BackupDamagedError: the newest verified one did not stand its proof; nothing was deleted.
        BackupRunningError: somebody else is at work in the directory.
    """
    refused = "the store is frozen; unfreeze it first" if is_frozen else ""
    if is_dry:
        return _plan(read_catalogue(directory.path, source), source, minimum, host, refused)
    directory.prepare()
    with directory.locked():
        entries = read_catalogue(directory.path, source)
        plan = _plan(entries, source, minimum, host, refused)
        newest = newest_verified([entry for entry in entries if is_own(entry, source)])
        if plan.refused or not plan.deleted or newest is None:
            return plan
        prove_newest(directory, newest, now=now, is_disk_full=False, keep_on=keep_on)
        for name in plan.deleted:
            keep_on()
            directory.remove(name)
    return plan


def _plan(entries: list[Entry], source: Path, minimum: int, host: str, refused: str) -> Rotation:
    own = [entry for entry in entries if is_own(entry, source) and not is_elsewhere(entry.manifest, host)]
    verified = [entry.name for entry in own if entry.is_verified]
    decisions = []
    for entry in reversed([entry for entry in own if entry.state in _WORTHLESS]):
        newer = sum(name.sequence > entry.name.sequence and name.at >= entry.name.at for name in verified)
        reasons = ["pinned"] * entry.is_pinned
        if newer < minimum:
            reasons.append(f"{newer} of {minimum} newer verified")
        decisions.append(Decision(entry.name, tuple(reasons)))
    if refused:
        return Rotation(decisions=tuple(decisions), refused=refused)
    bytes_of = {entry.name: entry.bytes for entry in own}
    deleted = tuple(sorted(decision.name for decision in decisions if not decision.stays))
    freed = sum(bytes_of[name] for name in deleted)
    return Rotation(decisions=tuple(decisions), deleted=deleted, freed_bytes=freed)
