"""The tasks by name, each made as the configuration says."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

from hyperjobs.agent.options import archive_directory, destinations_of, host_of
from hyperjobs.config.care import NEVER
from hyperjobs.cron.window import parse_window
from hyperjobs.cron.zone import find_zone
from hyperjobs.errors import ConfigError
from hyperjobs.maintenance.backup.destination.opening import open_destination
from hyperjobs.maintenance.backup.retention import Policy
from hyperjobs.maintenance.backup.task import BACKUP, ELSEWHERE, BackupTask
from hyperjobs.maintenance.checkpoint import CheckpointTask
from hyperjobs.maintenance.drill import DrillTask
from hyperjobs.maintenance.integrity.full import FullTask
from hyperjobs.maintenance.integrity.quick import QuickTask
from hyperjobs.maintenance.optimize import OptimizeTask
from hyperjobs.maintenance.prune.task import PruneTask
from hyperjobs.maintenance.reindex import ReindexTask
from hyperjobs.maintenance.reserve import Reserve
from hyperjobs.maintenance.vacuum.task import VacuumTask
from hyperjobs.store.holds import BY_HAND
from hyperjobs.store.retention import Retention
from hyperjobs.store.runs import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime, timedelta

    from hyperjobs.agent.workshop import Workshop
    from hyperjobs.config.maintenance import Prune
    from hyperjobs.maintenance.backup.directory import BackupDirectory
    from hyperjobs.maintenance.task import Task


def make_task(shop: Workshop, name: str, **changes: Any) -> Task:
    """A task by its name.

    Args:
        shop: whose task it is.
        name: ``prune``, ``vacuum`` and so on.
        changes: arguments of the task that differ from what the configuration says.

    Raises:
        ConfigError: there is none of this name.
    """
    maker = _MAKERS.get(name)
    if maker is None:
        raise ConfigError(f"{name}: there is no such task; known here: {', '.join(_MAKERS)}")
    return maker(shop, **changes)


def retention_of(prune: Prune) -> Retention:
    """How long jobs are kept."""
    ages = {status: getattr(prune.retention, status) for status in type(prune.retention).model_fields}
    return Retention(_aged(ages), {provider: _aged(own) for provider, own in prune.providers.items()})


def _prune(shop: Workshop, **changes: Any) -> Task:
    prune = shop.config.maintenance.prune
    return PruneTask(
        shop.store,
        **{
            "retention": retention_of(prune),
            "archive_directory": archive_directory(shop.config) if prune.archive.enabled else None,
            "archive_keep": prune.archive.keep,
            "max_share": prune.max_share,
            "max_clock_jump": prune.max_clock_jump,
            "last_seen": shop.timekeeper.expected,
            "keep_newest": prune.keep_newest,
            "is_backed_up": lambda: _is_backed_up(shop),
            **changes,
        },
    )


def _vacuum(shop: Workshop, **changes: Any) -> Task:
    vacuum = shop.config.maintenance.vacuum
    zone = vacuum.timezone or shop.config.maintenance.timezone
    return VacuumTask(
        shop.store,
        **{
            "mode": str(vacuum.mode),
            "min_free": vacuum.min_free,
            "is_in_window": _within(vacuum.window, zone, otherwise=True),
            "speed": lambda: _last_detail(shop, "vacuum", "mb_per_second"),
            "write_back_share": lambda: _last_detail(shop, "vacuum", "write_back_share"),
            **changes,
        },
    )


def _checkpoint(shop: Workshop, **changes: Any) -> Task:
    care = shop.config.maintenance
    return CheckpointTask(
        shop.store,
        **{
            "truncate": _within(care.checkpoint.truncate, care.timezone, otherwise=False),
            "reserve": Reserve(shop.store, care.reserve, clock=shop.clock),
            **changes,
        },
    )


def _optimize(shop: Workshop, **changes: Any) -> Task:
    return OptimizeTask(shop.store, **changes)


def _reindex(shop: Workshop, **changes: Any) -> Task:
    return ReindexTask(shop.store, **changes)


def _backup(shop: Workshop, *, directory: BackupDirectory | None = None, **changes: Any) -> Task:
    """A backup into another directory than the configured one is no night's backup: it goes nowhere else, and has its own record."""
    backup = shop.config.maintenance.backup
    is_elsewhere = directory is not None and _real(directory) != _real(shop.backups)
    places = () if is_elsewhere else destinations_of(shop.config.maintenance)
    return BackupTask(
        shop.store,
        directory or shop.backups,
        **{
            "name": ELSEWHERE if is_elsewhere else BACKUP,
            "compression": str(backup.compress),
            "policy": Policy(**backup.keep.model_dump()),
            "minimum": backup.minimum,
            "host": host_of(shop.config.maintenance),
            "keep_replaced": None if is_elsewhere else backup.keep_replaced,
            "pause_s": backup.pause.total_seconds(),
            # by hand a store is frozen before work on it, which is no doubt about what it holds
            "is_frozen": lambda: any(held.reason != BY_HAND for held in shop.holds.frozen()),
            "is_rotation_held": lambda: bool(shop.holds.frozen() or shop.holds.distrusted()),
            "destinations": {settings.name: partial(open_destination, settings) for settings in places},
            **changes,
        },
    )


def _integrity_quick(shop: Workshop, **changes: Any) -> Task:
    return QuickTask(
        shop.store,
        **{
            "freeze": shop.freeze,
            "set_integrity": shop.condition.set_integrity,
            "check_drift": shop.check_drift,
            **changes,
        },
    )


def _integrity_full(shop: Workshop, *, directory: BackupDirectory | None = None, **changes: Any) -> Task:
    backups = directory or shop.backups
    return FullTask(
        shop.store,
        backups,
        **{
            "newest": lambda: shop.newest_backup(backups),
            "distrust": shop.distrust,
            "freeze": shop.freeze,
            "set_integrity": shop.condition.set_integrity,
            **changes,
        },
    )


def _drill(shop: Workshop, *, directory: BackupDirectory | None = None, **changes: Any) -> Task:
    backups = directory or shop.backups
    return DrillTask(
        shop.store,
        backups,
        **{"newest": lambda: shop.newest_backup(backups), "distrust": shop.distrust, **changes},
    )


_MAKERS: dict[str, Callable[..., Task]] = {
    "integrity-quick": _integrity_quick,
    "backup": _backup,
    "integrity-full": _integrity_full,
    "prune": _prune,
    "vacuum": _vacuum,
    "optimize": _optimize,
    "drill": _drill,
    "checkpoint": _checkpoint,
    "reindex": _reindex,
}


def _is_backed_up(shop: Workshop) -> bool:
    """Whether the last scheduled backup is a good one; where none is scheduled, that is somebody else's business."""
    if shop.config.maintenance.backup.schedule is None:
        return True
    last = shop.runs.last_ended("backup")
    return last is not None and last.outcome is Outcome.OK


def _aged(ages: Mapping[str, timedelta | None]) -> dict[str, timedelta | None]:
    """``never`` as the tasks have it."""
    return {status: None if age == NEVER else age for status, age in ages.items()}


def _real(directory: BackupDirectory) -> str:
    return os.path.realpath(directory.path)


def _within(window: str | None, zone: str, *, otherwise: bool) -> Callable[[datetime], bool]:
    if window is None:
        return lambda _now: otherwise
    hours, place = parse_window(window), find_zone(zone)
    return lambda now: hours.contains(now, place)


def _last_detail(shop: Workshop, task: str, name: str) -> float | None:
    """A number of the newest good run that has it."""
    found = shop.runs.last_ended(task, Outcome.OK)
    value = found.detail.get(name) if found is not None else None
    return float(value) if isinstance(value, int | float) else None
