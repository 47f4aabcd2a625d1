"""What a new configuration would delete beside the one in force, and how that is said."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperjobs.agent.options import destinations_of, host_of
from hyperjobs.agent.roster import retention_of
from hyperjobs.config.care import show_share
from hyperjobs.errors import ReloadRefusedError
from hyperjobs.maintenance.backup.retention import Policy
from hyperjobs.maintenance.effect import Loss, Rules, lost_backups, lost_jobs
from hyperjobs.maintenance.effect_elsewhere import lost_archives, lost_elsewhere
from hyperjobs.store.retention import Retention

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hyperjobs.config import Maintenance
    from hyperjobs.maintenance.task import Turn

_SHORT = {"prune.retention": "", "prune.providers": "", "backup.keep": "keep."}
"""Sections whose options are known without the section's name."""
_PRUNE = ("schedule", "retention", "providers", "keep_newest")
_ARCHIVE = ("archive",)
_BACKUP = ("schedule", "directory", "keep", "minimum", "host")


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a new configuration would delete that the one in force does not.

    Attributes:
        jobs: of the store.
        backups: of the configured directory.
        archives: of pruned jobs.
        elsewhere: backups in second places, by the place's name; only those whose rules change.
        job_changes: the options that decide about jobs, as ``completed: 30d → 3d``; the others likewise.
        max_share: the largest share (0 to 1) that a reload may delete, by the configuration in force.
        digest: of the new configuration, as far as it is about maintenance.
    """

    jobs: Loss
    backups: Loss
    archives: Loss
    elsewhere: Mapping[str, Loss]
    job_changes: tuple[str, ...]
    backup_changes: tuple[str, ...]
    archive_changes: tuple[str, ...]
    max_share: float
    digest: str

    @property
    def is_too_much(self) -> bool:
        """Whether a reload needs a person's word."""
        losses = (self.jobs, self.backups, self.archives, *self.elsewhere.values())
        return any(loss.exceeds(self.max_share) for loss in losses)

    def text(self) -> str:
        """What it comes to, in one line; empty when nothing would go."""
        return "; ".join(filter(None, (_said(loss, changes, what) for loss, changes, what in self._parts())))

    def shape(self) -> dict[str, Any]:
        """The same as JSON values."""
        shapes = [_shape(loss, changes) for loss, changes, _ in self._parts()]
        return {
            **dict(zip(("jobs", "backups", "archives"), shapes, strict=False)),
            "destinations": dict(zip(self.elsewhere, shapes[3:], strict=True)),
            "max_share": self.max_share,
            "refused": self.is_too_much,
            "digest": self.digest,
        }

    def _parts(self) -> list[tuple[Loss, tuple[str, ...], str]]:
        """Each loss, the options that decide about it, and what would be lost."""
        return [
            (self.jobs, self.job_changes, "jobs"),
            (self.backups, self.backup_changes, "backups"),
            (self.archives, self.archive_changes or self.job_changes, "archives of pruned jobs"),
            *(
                (loss, self.backup_changes or (f"destination {name}",), f"backups at {name}")
                for name, loss in self.elsewhere.items()
            ),
        ]

    def require_little(self, source: Path | None) -> None:
        """Return when a reload may put it into force without a person's word.

        Args:
            source: the file that the new configuration is in.

        Raises:
            ReloadRefusedError: it would delete too much, or nobody can tell; the message says what, and what to do.
        """
        if self.is_too_much:
            file = f" {source}" if source is not None else ""
            raise ReloadRefusedError(
                f"{self.text()}: more than maintenance.reload_max_deletes ({show_share(self.max_share)}) allows, so the old "
                f"configuration stays; if it is meant, 'hyperjobs config ack{file}' (configuration {self.digest[:12]}) and "
                "reload within an hour, or restart the agent"
            )


def effect_of(store: Path, old: Maintenance, new: Maintenance, turn: Turn, *, archives: Path) -> Effect:
    """Hold a new configuration against the one in force, by what each would delete.

    Args:
        store: path of the store.
        old: the one in force.
        new: the one that may take its place.
        turn: ends the counting in time.
        archives: where pruned jobs are where no configuration says it.

    Raises:
        ConfigError: its rules keep no backup at all.
    """
    before, after = rules_of(old, archives), rules_of(new, archives)
    return Effect(
        jobs=lost_jobs(store, before, after, turn),
        backups=lost_backups(store, before, after, turn.now),
        archives=lost_archives(store, before, after, turn.now),
        elsewhere=lost_elsewhere(store, before, after, turn),
        job_changes=_changes(_dump(old)["prune"], _dump(new)["prune"], "prune", _PRUNE),
        backup_changes=_changes(_dump(old)["backup"], _dump(new)["backup"], "backup", _BACKUP),
        archive_changes=_changes(_dump(old)["prune"], _dump(new)["prune"], "prune", _ARCHIVE),
        max_share=old.reload_max_deletes,
        digest=digest_of(new),
    )


def rules_of(maintenance: Maintenance, archives: Path) -> Rules:
    """By what a configuration deletes; a task that never runs deletes nothing."""
    prune, backup = maintenance.prune, maintenance.backup
    retention = Retention() if prune.schedule is None else retention_of(prune)
    return Rules(
        retention=retention,
        keep_newest=prune.keep_newest,
        backups=None if backup.schedule is None else Path(os.path.realpath(backup.directory)),
        policy=Policy(**backup.keep.model_dump()),
        minimum=backup.minimum,
        host=host_of(maintenance),
        destinations={settings.name: settings for settings in destinations_of(maintenance)},
        # a prune that has nothing to prune by looks at no archive either
        archives=(prune.archive.directory or archives) if prune.archive.enabled and retention.is_set else None,
        archive_keep=prune.archive.keep,
    )


def digest_of(maintenance: Maintenance) -> str:
    """What tells one configuration of maintenance from every other, whatever file, variable or flag it came from."""
    return hashlib.sha256(maintenance_text(maintenance).encode()).hexdigest()


def maintenance_text(maintenance: Maintenance) -> str:
    """The options of maintenance as JSON that reads back as the same."""
    return json.dumps(_dump(maintenance), sort_keys=True)


def _dump(maintenance: Maintenance) -> dict[str, Any]:
    return maintenance.model_dump(mode="json")


def _said(loss: Loss, changes: tuple[str, ...], what: str) -> str:
    if loss.unknown:
        return f"{', '.join(changes)} may delete {what}, and how many nobody can tell: {loss.unknown}"
    return f"{', '.join(changes)} would delete {loss.more:,} of {loss.total:,} {what}" if loss.more else ""


def _shape(loss: Loss, changes: tuple[str, ...]) -> dict[str, Any]:
    return {"more": loss.more, "total": loss.total, "unknown": loss.unknown, "changes": list(changes)}


def _changes(old: Mapping[str, Any], new: Mapping[str, Any], section: str, names: tuple[str, ...]) -> tuple[str, ...]:
    before, after = _flat(old, section, names), _flat(new, section, names)
    return tuple(
        f"{name}: {_shown(before.get(name))} → {_shown(after.get(name))}"
        for name in dict.fromkeys((*before, *after))
        if before.get(name) != after.get(name)
    )


def _flat(values: Mapping[str, Any], section: str, names: tuple[str, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in names:
        _flatten(values[name], _SHORT.get(f"{section}.{name}"), f"{section}.{name}", found)
    return found


def _flatten(value: Any, prefix: str | None, name: str, found: dict[str, Any]) -> None:
    if not isinstance(value, dict):
        found[name] = value
        return
    for key, inner in value.items():
        deeper = f"{prefix if prefix is not None else f'{name}.'}{key}"
        _flatten(inner, None, deeper, found)


def _shown(value: Any) -> str:
    return "none" if value is None else str(value)
