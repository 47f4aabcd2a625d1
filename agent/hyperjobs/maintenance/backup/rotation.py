"""Deleting the backups that retention lets go, and only while that cannot cost the last good one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from hyperjobs.errors import BackupDamagedError, StoreFullError
from hyperjobs.maintenance.backup.catalogue import is_elsewhere, is_own, newest_verified, read_catalogue
from hyperjobs.maintenance.backup.check import check
from hyperjobs.maintenance.backup.manifest import manifest_of
from hyperjobs.maintenance.backup.pack import nothing
from hyperjobs.maintenance.backup.proof import require_same_file
from hyperjobs.maintenance.backup.retention import MINIMUM, Decision, Policy, check_policy, decide
from hyperjobs.maintenance.disk import disk_errors

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from hyperjobs.maintenance.backup.catalogue import Entry
    from hyperjobs.maintenance.backup.directory import BackupDirectory
    from hyperjobs.maintenance.backup.name import BackupName

_CLOCK_SLACK: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """What retention says of a store's verified backups, and what was done about it.

    Attributes:
        decisions: on each of them, the newest first.
        deleted: the names that went, or in a dry run would go, the oldest first.
        freed_bytes: the room they took.
        refused: why nothing may be deleted now; empty when it may.
    """

    decisions: tuple[Decision, ...]
    deleted: tuple[BackupName, ...] = ()
    freed_bytes: int = 0
    refused: str = ""


def rotate(  # noqa: PLR0913 - all but the first two by name
    directory: BackupDirectory,
    source: Path,
    policy: Policy,
    *,
    minimum: int = MINIMUM,
    now: datetime,
    host: str = "",
    newest_run_ok: bool = True,
    is_frozen: bool = False,
    is_disk_full: bool = False,
    is_dry: bool = False,
    keep_on: Callable[[], None] = nothing,
    so_far: Callable[[Rotation], object] = lambda _rotation: None,
) -> Rotation:
    """Delete the store's own verified backups that no rule keeps; everything else in the directory stays as it is.

    Before the first goes, the newest is proven again in full: what others are deleted for must be good now, not when
    it was taken.

    Args:
        directory: of the backups; its lock is taken.
        source: path of the store.
        policy: which backups stay.
        minimum: so many verified ones stay whatever the policy says.
        now: the wall clock.
        host: what this machine is called in backups: those of another are neither deleted nor counted.
        newest_run_ok: whether the newest attempt at a backup succeeded; if not, nothing goes.
        is_frozen: whether the store is; then nothing goes either.
        is_disk_full: a backup had no room: all but ``minimum`` and the pinned may go, even after a failed run.
        is_dry: decide, and change nothing.
        keep_on: called often; what it raises ends the work between two deletions.
        so_far: told after each deletion what has gone: an error that ends the work later does not bring it back.

    Raises:
        BackupDamagedError: the newest did not stand its proof; it was marked so, and nothing was deleted.
        BackupRunningError: somebody else is at work in the directory.
        ConfigError: the policy keeps nothing.
    """
    check_policy(policy, minimum)
    rules = Policy(last=minimum) if is_disk_full else policy
    refused = _refusal(newest_run_ok=newest_run_ok or is_disk_full, is_frozen=is_frozen)
    if is_dry:
        return _plan(
            _ours(read_catalogue(directory.path, source), host), source, rules, minimum, now=now, refused=refused
        )
    directory.prepare()
    with disk_errors(directory.path, "retention stopped; what it deleted is gone, the rest stays"), directory.locked():
        entries = _ours(read_catalogue(directory.path, source), host)
        plan = _plan(entries, source, rules, minimum, now=now, refused=refused)
        newest = newest_verified(entries)
        if plan.refused or not plan.deleted or newest is None:
            return plan
        prove_newest(directory, newest, now=now, is_disk_full=is_disk_full, keep_on=keep_on)
        bytes_of = {entry.name: entry.bytes for entry in entries}
        freed_bytes = 0
        for number, name in enumerate(plan.deleted, start=1):
            keep_on()
            directory.remove(name)
            freed_bytes += bytes_of[name]
            so_far(replace(plan, deleted=plan.deleted[:number], freed_bytes=freed_bytes))
    return plan


def _ours(entries: list[Entry], host: str) -> list[Entry]:
    return [entry for entry in entries if not is_elsewhere(entry.manifest, host)]


def _refusal(*, newest_run_ok: bool, is_frozen: bool) -> str:
    if is_frozen:
        return "the store is frozen; unfreeze it first"
    return "" if newest_run_ok else "the newest run failed; nothing is deleted until one succeeds"


def _plan(  # noqa: PLR0913 - what the public one was given
    entries: list[Entry], source: Path, policy: Policy, minimum: int, *, now: datetime, refused: str
) -> Rotation:
    """What would go, were it not refused."""
    own = {entry.name: entry for entry in entries if entry.is_verified and is_own(entry, source)}
    pinned = [name for name, entry in own.items() if entry.is_pinned]
    decisions = tuple(decide(own, policy, minimum=minimum, now=now, pinned=pinned))
    newest = max(own, default=None)
    if not refused and newest is not None and newest.at > now + _CLOCK_SLACK:
        refused = (
            f"the newest backup, {newest}, is dated more than a day after now ({now:%Y-%m-%dT%H:%M:%SZ}); "
            "set the clock right, or move that backup away"
        )
    if refused:
        return Rotation(decisions=decisions, refused=refused)
    deleted = tuple(sorted(decision.name for decision in decisions if not decision.stays))
    return Rotation(decisions=decisions, deleted=deleted, freed_bytes=sum(own[name].bytes for name in deleted))


def prove_newest(
    directory: BackupDirectory, newest: Entry, *, now: datetime, is_disk_full: bool, keep_on: Callable[[], None]
) -> None:
    """Return when the newest verified backup is what it was.

    Raises:
        BackupDamagedError: it is not.
        HyperjobsError: that could not be found out.
    """
    file = directory.path / str(newest.name)
    try:
        try:
            check(directory.path, newest.name, now=now, keep_on=keep_on)
        except StoreFullError:
            if not is_disk_full:
                raise
            # where nothing can be decompressed, the bytes that were proven when it was taken are proof enough
            require_same_file(file, manifest_of(directory.path, newest.name), keep_on)
    except BackupDamagedError as exc:
        raise BackupDamagedError(f"{exc}; retention deleted nothing; see 'hyperjobs backup list'") from exc
