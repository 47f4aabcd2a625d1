"""What other rules would delete that those in force do not: jobs by retention, backups by theirs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from hyperjobs.errors import HyperjobsError, StoreInterruptedError
from hyperjobs.maintenance.backup.catalogue import is_elsewhere, is_own, read_catalogue
from hyperjobs.maintenance.backup.retention import MINIMUM, Policy, decide
from hyperjobs.maintenance.opened import opened
from hyperjobs.store import query
from hyperjobs.store.due import Rule, newest_kept
from hyperjobs.store.flavour import recognise, require_hypersdk
from hyperjobs.store.newly_due import count_newly_due
from hyperjobs.store.retention import Retention

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from hyperjobs.maintenance.backup.destination.opening import DestinationSettings
    from hyperjobs.maintenance.backup.name import BackupName
    from hyperjobs.maintenance.task import Turn
    from hyperjobs.store.connection import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """By what is deleted.

    Attributes:
        retention: of jobs; one of nothing where prune does not run.
        keep_newest: finished jobs that stay whatever their age.
        backups: where they are; ``None`` where none are rotated.
        policy: which backups stay, and ``minimum`` always do.
        host: what this machine is called in backups; those of another stay.
        destinations: the second places of backups, by name; there the same rules hold.
        archives: where pruned jobs are; ``None`` where none are removed.
        archive_keep: how long those stay.
    """

    retention: Retention = field(default_factory=Retention)
    keep_newest: int = 0
    backups: Path | None = None
    policy: Policy = field(default_factory=Policy)
    minimum: int = MINIMUM
    host: str = ""
    destinations: Mapping[str, DestinationSettings] = field(default_factory=dict)
    archives: Path | None = None
    archive_keep: timedelta = timedelta.max

    @property
    def by_backups(self) -> tuple[object, ...]:
        """What decides about backups."""
        return self.backups, self.policy, self.minimum, self.host


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What would go of one kind that would not have gone before.

    Attributes:
        more: how many.
        total: of how many; 0 where nobody had to count, for no rule became stricter.
        unknown: why it could not be found out; then the numbers say nothing.
    """

    more: int = 0
    total: int = 0
    unknown: str = ""

    def exceeds(self, share: float) -> bool:
        """Whether this is more than a share (0 to 1), or may be."""
        return bool(self.unknown) or self.more > share * self.total


def lost_jobs(store: Path, old: Rules, new: Rules, turn: Turn) -> Loss:
    """Count the jobs that the new rules let prune delete in its next runs and the old ones do not.

    Rules that are not stricter cost no look at the store. What cannot be counted is unknown, and never raised.
    """
    if not _is_stricter(old, new, turn.now):
        return Loss()
    try:
        with opened(store, turn, read_only=True) as connection:
            require_hypersdk(recognise(connection), store, "prune")
            query.register(connection.raw)
            more, jobs = count_newly_due(connection, *(_rule(connection, rules, turn.now) for rules in (old, new)))
    except StoreInterruptedError:
        return Loss(unknown=f"{store}: the jobs could not be counted in time")
    except HyperjobsError as exc:
        return Loss(unknown=str(exc))
    return Loss(more=more, total=jobs)


def lost_backups(store: Path, old: Rules, new: Rules, now: datetime) -> Loss:
    """Count the verified backups of the store that the new rules let go and the old ones keep.

    Raises:
        ConfigError: the new rules keep nothing.
    """
    if new.backups is None or new.by_backups == old.by_backups:
        return Loss()
    try:
        found = [entry for entry in read_catalogue(new.backups, store) if entry.is_verified and is_own(entry, store)]
    except HyperjobsError as exc:
        return Loss(unknown=str(exc))

    def going(rules: Rules) -> set[BackupName]:
        own = [entry for entry in found if not is_elsewhere(entry.manifest, rules.host)]
        pinned = [entry.name for entry in own if entry.is_pinned]
        names = [entry.name for entry in own]
        decisions = decide(names, rules.policy, minimum=rules.minimum, now=now, pinned=pinned)
        return {decision.name for decision in decisions if not decision.stays}

    before = going(old) if old.backups == new.backups else set()
    return Loss(more=len(going(new) - before), total=len(found))


def _rule(connection: Connection, rules: Rules, now: datetime) -> Rule:
    cutoffs = rules.retention.cutoffs(now)
    return Rule(cutoffs).limited(newest_kept(connection, cutoffs, rules.keep_newest))


def _is_stricter(old: Rules, new: Rules, now: datetime) -> bool:
    """Whether any job can be due by the new rules alone."""
    if not new.retention.is_set:
        return False
    if new.keep_newest < old.keep_newest:
        return True
    before, after = old.retention.cutoffs(now), new.retention.cutoffs(now)
    for provider in (None, *before.providers, *after.providers):
        theirs = before.general if provider is None else before.providers.get(provider, before.general)
        ours = after.general if provider is None else after.providers.get(provider, after.general)
        for status, at in ours.items():
            was = theirs[status]
            if at is not None and (was is None or at > was):
                return True
    return False
