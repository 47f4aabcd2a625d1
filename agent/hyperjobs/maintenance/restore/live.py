"""Restoring into a store that other processes have open and go on using."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperjobs.errors import StoreRefusedError
from hyperjobs.maintenance.backup.pack import new_file
from hyperjobs.maintenance.room import require_room
from hyperjobs.store.connection import Connection
from hyperjobs.store.facts import read_store_facts
from hyperjobs.store.snapshot import Pace, copy_snapshot, overwrite

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

_LOCK_WAIT_S = 10.0


def restore_live(database: Path, target: Path, *, now: datetime) -> Path:
    """Write a proven database into the open store, as one transaction that every other process then sees.

    Renaming over an open database would leave its users writing to a file without a name; SQLite's own backup into it
    is the one way they keep working by.

    Returns:
        A copy of the store as it was.

    Raises:
        StoreRefusedError: the two have different page sizes, which an open store in WAL mode cannot change.
        StoreBusyError: the store's lock was not to be had.
        StoreFullError: no room for the copy, or for the -wal that grows by the size of the backup.
    """
    kept = target.with_name(f"{target.name}.before-restore-{now:%Y%m%dT%H%M%SZ}")
    live = Connection(target, busy_timeout_s=_LOCK_WAIT_S)
    try:
        source = Connection(database, immutable=True)
        try:
            facts, new = live.read(read_store_facts), source.read(read_store_facts)
            if facts.page_size_bytes != new.page_size_bytes:
                raise StoreRefusedError(
                    f"{target}: has pages of {facts.page_size_bytes} bytes and the backup of {new.page_size_bytes}; "
                    "stop its users and restore without --live",
                    reason="page_size",
                )
            require_room(
                target.parent, (facts.pages + new.pages) * facts.page_size_bytes, "a restore into the open store"
            )
            new_file(kept).close()
            # Copied under the lock: what a writer commits up to the very end is in it, or comes after the restore.
            overwrite(live, source, lambda: _copy(target, kept))
        finally:
            source.close()
    finally:
        live.close()
    return kept


def _copy(store: Path, copy: Path) -> None:
    reader = Connection(store, read_only=True)
    try:
        copy_snapshot(reader, copy, Pace())
    finally:
        reader.close()
