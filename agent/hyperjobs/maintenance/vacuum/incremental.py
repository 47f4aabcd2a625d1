"""Freeing pages in steps that writers do not notice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hyperjobs.maintenance.vacuum.plan import INCREMENTAL_WAL_BYTES
from hyperjobs.store.space import free_some
from hyperjobs.store.wal import Mode, checkpoint, wal_bytes

if TYPE_CHECKING:
    from hyperjobs.maintenance.task import Turn
    from hyperjobs.store.connection import Connection

STEP_PAGES: Final = 100
"""A transaction: writers wait 10 ms at most; 1000 pages keep them 38 ms."""
PAUSE_S: Final = 0.005
_STEPS_A_CHECKPOINT = 2
"""Each leaves a few hundred frames in the -wal; the writers would move them themselves from 1,000 on."""


@dataclass(frozen=True, slots=True)
class Freed:
    """What the steps did.

    Attributes:
        pages: freed.
        is_held_up: it ended early, for a reader keeps the -wal from being moved and it grew too long.
    """

    pages: int
    is_held_up: bool


def free_pages(connection: Connection, turn: Turn) -> Freed:
    """Free every page that is free now.

    Raises:
        StoreInterruptedError: a stop came; what was freed stays freed.
        StoreBusyError: a writer held the lock for longer than the connection waits.
    """
    wanted = connection.value("PRAGMA freelist_count")
    longest_wal_bytes = wal_bytes(connection.path) + INCREMENTAL_WAL_BYTES
    freed = steps = 0
    while freed < wanted:
        step = free_some(connection, STEP_PAGES)
        if not step:
            break  # writers have filled the rest
        freed += step
        steps += 1
        if steps % _STEPS_A_CHECKPOINT == 0:
            moved = checkpoint(connection, Mode.PASSIVE)
            if moved.remaining and wal_bytes(connection.path) > longest_wal_bytes:
                return Freed(freed, is_held_up=True)
        turn.progress("freeing pages", freed, wanted)
        turn.wait(PAUSE_S)
        turn.keep_on()
    checkpoint(connection, Mode.PASSIVE)  # the file becomes smaller only now
    return Freed(freed, is_held_up=False)
