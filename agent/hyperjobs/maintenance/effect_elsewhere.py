"""What other rules would delete beside the store and its backups: archives of pruned jobs, and backups in second places."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperjobs.errors import HyperjobsError, StoreInterruptedError
from hyperjobs.maintenance.backup.catalogue import read_catalogue
from hyperjobs.maintenance.backup.destination.attended import attended
from hyperjobs.maintenance.backup.destination.facts import Judged, judge
from hyperjobs.maintenance.backup.destination.opening import open_destination
from hyperjobs.maintenance.backup.destination.rotation import by_policy, foretell
from hyperjobs.maintenance.effect import Loss, Rules
from hyperjobs.maintenance.prune.directory import ArchiveDirectory
from hyperjobs.maintenance.prune.expire import own_archives

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from hyperjobs.maintenance.backup.destination.opening import DestinationSettings
    from hyperjobs.maintenance.task import Turn


def lost_archives(store: Path, old: Rules, new: Rules, now: datetime) -> Loss:
    """Count the archives of the store's pruned jobs that the new rules let go and the old ones keep."""
    is_same_place = old.archives == new.archives
    if new.archives is None or (is_same_place and new.archive_keep >= old.archive_keep):
        return Loss()
    try:
        found = own_archives(ArchiveDirectory(new.archives), store)
    except HyperjobsError as exc:
        return Loss(unknown=str(exc))
    more = [
        at for _, at in found if now - at > new.archive_keep and not (is_same_place and now - at > old.archive_keep)
    ]
    return Loss(more=len(more), total=len(found))


def lost_elsewhere(store: Path, old: Rules, new: Rules, turn: Turn) -> dict[str, Loss]:
    """Count the verified backups of each second place that the new rules let go and the old ones keep.

    Places whose rules do not change are not asked, and not in the answer. One that cannot be asked, or not before the
    turn is stopped, is unknown, and never raised.

    Raises:
        ConfigError: the new rules keep nothing.
    """
    if new.backups is None:
        return {}
    is_changed = new.by_backups != old.by_backups
    return {
        name: _lost_at(settings, store, old if old.destinations.get(name) == settings else None, new, turn)
        for name, settings in new.destinations.items()
        if is_changed or old.destinations.get(name) != settings
    }


def _lost_at(settings: DestinationSettings, store: Path, old: Rules | None, new: Rules, turn: Turn) -> Loss:
    try:
        judged: list[Judged] = attended(
            lambda keep_on: judge(open_destination(settings), keep_on, source=store), turn.keep_on
        )
        after, total = _going(judged, store, new, turn.now)
        before = set() if old is None or old.backups is None else _going(judged, store, old, turn.now)[0]
    except StoreInterruptedError:
        return Loss(unknown=f"{settings.name} did not answer in time")
    except HyperjobsError as exc:
        return Loss(unknown=str(exc))
    return Loss(more=len(after - before), total=total)


def _going(judged: list[Judged], store: Path, rules: Rules, now: datetime) -> tuple[set[str], int]:
    assert rules.backups is not None  # noqa: S101 - asked before
    pinned = [entry.name for entry in read_catalogue(rules.backups, store) if entry.is_pinned]
    keep = by_policy(rules.policy, minimum=rules.minimum, now=now, pinned=pinned)
    found = foretell(judged, keep, rules.minimum, host=rules.host)
    return set(found.deleted), len(found.kept) + len(found.deleted)
