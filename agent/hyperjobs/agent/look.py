"""Reading one store for people and programs, on a connection that neither scrapes nor tasks wait for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from hyperjobs.errors import StoreClosedError, StoreError
from hyperjobs.store.reader import StoreReader, Troubles

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hyperjobs.clock import Clock
    from hyperjobs.store.ledger.options import LedgerOptions

T = TypeVar("T")


class Look:
    """Reads until it is closed, and then no more, whoever still asks; thread-safe."""

    def __init__(self, path: Path, *, options: LedgerOptions, clock: Clock) -> None:
        self._path = path
        self._reader = StoreReader(path, options=options, troubles=Troubles(), clock=clock)
        self._is_closed = False

    def read(self, work: Callable[[Any, str], T], deadline_s: float) -> T:
        """What ``work`` finds by the deadline (in the clock's ``monotonic``); see ``StoreReader.read``.

        Raises:
            StoreClosedError: the agent stops, or another configuration has taken this one's place.
            StoreError: the store cannot be read.
        """
        if not self._is_closed:
            try:
                found = self._reader.read(work, deadline_s=deadline_s)
            except StoreError:
                if not self._is_closed:  # else it is the interrupt
                    raise
        if self._is_closed:
            self._reader.close()  # it may have been opened again since
            raise StoreClosedError(f"{self._path}: the agent is stopping, or has read its configuration anew")
        return found

    def interrupt(self) -> None:
        """End what is being read, and read no more."""
        self._is_closed = True
        self._reader.interrupt()

    def close(self) -> None:
        """Let the store go."""
        self._is_closed = True
        self._reader.close()
