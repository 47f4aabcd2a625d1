"""The part of an agent that keeps the ledger, without the rest of it."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import apsw

from hyperjobs.clock import SystemClock
from hyperjobs.store.continuity import Continuity
from hyperjobs.store.ledger.keeper import Keeper
from hyperjobs.store.ledger.options import LedgerOptions
from hyperjobs.store.state import StateFile

if TYPE_CHECKING:
    from collections.abc import Iterator

OPTIONS = LedgerOptions()


@contextmanager
def keeping(path: str, state: str) -> Iterator[Keeper]:
    """A keeper of this store, not yet at work."""
    clock = SystemClock()
    file = StateFile(Path(state), Path(path), clock=clock)
    keeper = Keeper(Path(path), options=OPTIONS, state=file, continuity=Continuity(file), clock=clock)
    try:
        yield keeper
    finally:
        keeper.close()
        file.close()


@contextmanager
def folding(path: str, state: str) -> Iterator[Keeper]:
    """A keeper that folds twice a second in a thread of its own, as the agent's does."""
    stopping = threading.Event()
    with keeping(path, state) as keeper:

        def work() -> None:
            while not stopping.wait(keeper.turn(stopping.is_set)):
                pass

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield keeper
        finally:
            stopping.set()
            thread.join()


def adopt(path: str, state: str) -> None:
    """Install the ledger and fold until nothing is left."""
    with keeping(path, state) as keeper:
        keeper.turn(lambda: False)
    # The keeper leaves a long WAL to the next one; a template is one file.
    db = apsw.Connection(path)
    db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    db.close()
