"""Noticing that two hosts put backups of stores at one path into one directory: each would take the other's for its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from hyperjobs.maintenance.backup.catalogue import is_elsewhere, is_own, newest_verified, read_catalogue

if TYPE_CHECKING:
    from pathlib import Path

log = structlog.get_logger(__name__)


def sharing_host(directory: Path, source: Path, host: str) -> str:
    """The host whose backup of a store at the same path is newer than our newest; empty when there is none.

    It is said in the log too.

    Args:
        directory: of backups.
        source: path of the store.
        host: what this machine is called in backups.
    """
    newest = newest_verified([entry for entry in read_catalogue(directory, source) if is_own(entry, source)])
    if newest is None or newest.manifest is None or not is_elsewhere(newest.manifest, host):
        return ""
    log.warning("backup.two_hosts", directory=str(directory), host=host, other=newest.manifest.host)
    return newest.manifest.host


def sharing_words(other: str) -> str:
    """What is wrong with that, and what to do."""
    return (
        f"two hosts share this directory: the newest backup before was taken on {other}, whose backups are never deleted "
        "from here; give each host a directory, or set maintenance.backup.host if this machine was only renamed"
    )
