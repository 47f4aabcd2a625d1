"""The state file of a store, looked at: nothing is made, mended or written."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NoReturn

from hyperjobs.errors import StoreReadOnlyError
from hyperjobs.store.connection import Connection
from hyperjobs.store.state import StateFile, state_stem

if TYPE_CHECKING:
    from pathlib import Path


class StateLook(StateFile):
    """A state file that only gives answers.

    Args:
        state_dir: the directory of such files.
        store: whose state it is.

    Raises:
        StoreNotFoundError: there is none.
        StoreError: it cannot be read.
    """

    def __init__(self, state_dir: Path, store: Path) -> None:
        self.path = state_dir / f"{state_stem(store)}.db"
        self.was_damaged = False
        self._lock = threading.Lock()
        self._connection = Connection(self.path, read_only=True, busy_timeout_s=1.0, may_be_remote=True)
        self._db = self._connection.raw

    def writing(self) -> NoReturn:
        """Refuse.

        Raises:
            StoreReadOnlyError: always.
        """
        raise StoreReadOnlyError(f"{self.path}: no such records in it yet")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()
