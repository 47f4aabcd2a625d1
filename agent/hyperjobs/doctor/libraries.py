"""Check of the SQLite that we, and those who write the store, use."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hyperjobs.doctor.finding import Finding, ok, warning
from hyperjobs.store.flavour import wal_reset_safe
from hyperjobs.store.holder import openers_of
from hyperjobs.store.library import sqlite_of
from hyperjobs.store.process import process_of
from hyperjobs.store.version import sqlite_version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hyperjobs.doctor.case import Case

_MOST_PROCESSES = 50
_REMEDY = "upgrade its SQLite to 3.51.3 or later (or 3.50.7, 3.44.6); for Go, mattn/go-sqlite3 1.14.36 or later; keep verified backups"


def look_at_libraries(case: Case) -> Iterator[Finding]:
    """Whether one of them has the WAL-reset bug."""
    ours = sqlite_version()
    pids = [pid for pid in openers_of(case.path) if pid != os.getpid()]
    others = [(process_of(pid), sqlite_of(pid)) for pid in pids[:_MOST_PROCESSES]]
    shape = [{"pid": each.pid, "command": each.command, "sqlite": version} for each, version in others]
    bad = [(each.text(), version) for each, version in others if version is not None and not wal_reset_safe(version)]
    if not wal_reset_safe(ours):
        yield warning(f"our own SQLite {ours} has the WAL-reset bug", "upgrade apsw", ours=ours, others=shape)
    if bad:
        said = "; ".join(f"{who} uses SQLite {version}" for who, version in bad[:5])
        yield warning(f"{said}, which has the WAL-reset bug (3.7.0 to 3.51.2)", _REMEDY, ours=ours, others=shape)
        return
    known = sum(version is not None for _, version in others)
    said = f"; {known} of {len(others)} others are known, none has the WAL-reset bug" if others else ""
    yield ok(f"ours is {ours}{said}", ours=ours, others=shape)
