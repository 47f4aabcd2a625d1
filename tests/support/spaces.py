"""Stores with free pages in them, and runs of tasks on them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import apsw

from hyperjobs.clock import SystemClock
from hyperjobs.maintenance.task import Turn
from hyperjobs.store.connection import Connection
from hyperjobs.store.content import Content, read_content
from hyperjobs.store.space import Space, read_space
from hyperjobs.testing import START
from support.ledgers import HYPERSDK_SCHEMA, insert
from support.stores import BUSY_MS

if TYPE_CHECKING:
    from pathlib import Path


def roomy_store(path: Path, *, jobs: int = 12_000, free_share: float = 0.5, auto_vacuum: str = "INCREMENTAL") -> Path:
    """A store in WAL mode of which about so large a share is free pages, from its beginning on."""
    db = apsw.Connection(str(path))
    db.set_busy_timeout(BUSY_MS)
    for pragma in (f"auto_vacuum={auto_vacuum}", "journal_mode=WAL", "synchronous=OFF"):
        db.execute(f"PRAGMA {pragma}").fetchall()
    db.execute(HYPERSDK_SCHEMA).fetchall()
    with db:
        for number in range(jobs):
            insert(db, f"job-{number:06d}", "completed", size=number)
    with db:
        db.execute("DELETE FROM jobs WHERE id<?", (f"job-{int(jobs * free_share):06d}",))
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    db.close()
    return path


def turn(**changes: Any) -> Turn:
    """One run, in real time, that nothing stops."""
    return Turn(**{"now": START, "clock": SystemClock(), "wait": threading.Event().wait, **changes})


def space_of(path: Path) -> Space:
    """How full a store is."""
    connection = Connection(path, read_only=True)
    try:
        return read_space(connection)
    finally:
        connection.close()


def content_of(path: Path) -> Content:
    """Its jobs; and its pages are sound."""
    connection = Connection(path, read_only=True)
    try:
        assert connection.rows("PRAGMA integrity_check") == [("ok",)]
        return connection.read(read_content)
    finally:
        connection.close()
