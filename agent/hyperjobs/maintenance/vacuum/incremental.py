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


@dataclass(slots=True)
class Freed:
    """What the steps have done so far.

    Attributes:
        pages: freed.
        is_held_up: it ended early, for a reader keeps the -wal from being moved and it grew too long.
    """

    pages: int = 0
    is_held_up: bool = False


def free_pages(connection: Connection, turn: Turn, freed: Freed) -> None:
    """Free every page that is free now, and count them in ``freed``, which stays right when an error ends it.

    Raises:
        StoreInterruptedError: a stop came; what was freed stays freed.
        StoreBusyError: a writer held the lock for longer than the connection waits.
    """
    wanted = connection.value("PRAGMA freelist_count")
    longest_wal_bytes = wal_bytes(connection.path) + INCREMENTAL_WAL_BYTES
    steps = 0
    while freed.pages < wanted:
        step = free_some(connection, STEP_PAGES)
        if not step:
            break  # writers have filled the rest
        freed.pages += step
        steps += 1
        if steps % _STEPS_A_CHECKPOINT == 0:
            moved = checkpoint(connection, Mode.PASSIVE)
            if moved.remaining and wal_bytes(connection.path) > longest_wal_bytes:
                freed.is_held_up = True
                return
        turn.progress("freeing pages", freed.pages, wanted)
        turn.wait(PAUSE_S)
        turn.keep_on()
    checkpoint(connection, Mode.PASSIVE)  # the file becomes smaller only now
