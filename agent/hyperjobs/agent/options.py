"""What the configuration says, as the store has it."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from hyperjobs.maintenance.audit.log import AuditSettings
from hyperjobs.maintenance.backup.destination.opening import DestinationSettings
from hyperjobs.store.ledger.options import LedgerOptions

if TYPE_CHECKING:
    from datetime import timedelta
    from pathlib import Path

    from hyperjobs.config import Config, Maintenance


def ledger_options(config: Config) -> LedgerOptions:
    """The ledger's options from the configuration."""
    return LedgerOptions(
        providers=tuple(config.metrics.providers),
        max_providers=config.metrics.max_providers,
        bounds=tuple(config.metrics.duration_buckets),
        history=config.store.history,
        is_audited=config.audit.path is not None,
    )


def audit_settings(config: Config) -> AuditSettings | None:
    """How the audit log is kept; ``None`` where there is none."""
    audit = config.audit
    if audit.path is None:
        return None
    return AuditSettings(
        path=audit.path, rotate_bytes=audit.rotate, keep=audit.keep, fsync=audit.fsync, key_file=audit.key_file
    )


def archive_directory(config: Config) -> Path:
    """Where prune puts jobs before it deletes them."""
    named = config.maintenance.prune.archive.directory
    return named if named is not None else usual_archives(config.store.state_dir)


def usual_archives(state_dir: Path) -> Path:
    """Where they are put when no configuration says it."""
    return state_dir / "archive"


def fixes(config: Config) -> tuple[Path, timedelta]:
    """Where the doctor keeps the rows that it mended as they were, and for how long."""
    return config.store.state_dir / "fixes", config.maintenance.keep_fixes


def host_of(maintenance: Maintenance) -> str:
    """What this machine is called in backups."""
    return maintenance.backup.host or socket.gethostname()


def destinations_of(maintenance: Maintenance) -> list[DestinationSettings]:
    """The second places of backups."""
    return [DestinationSettings(**each.model_dump()) for each in maintenance.backup.destinations]
