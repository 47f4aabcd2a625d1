"""What is looked at: one store, the configuration it is kept by, and what was found out before the other checks."""

from __future__ import annotations

import contextlib
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hyperjobs.store.connection import Connection
from hyperjobs.store.flavour import Flavour
from hyperjobs.store.mount import MOUNTS
from hyperjobs.store.state_look import StateLook

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from hyperjobs.clock import Clock
    from hyperjobs.config import Config
    from hyperjobs.doctor.outlook import Look, Outlook
    from hyperjobs.store.flavour import Recognition

_BUSY_S: Final = 1.0
"""For a store that is locked as a whole: what still has to be said is said by who holds it."""
_LONG_S: Final = 2.5
_SHORT_S: Final = 0.3
"""Without WAL a reader keeps a commit waiting, so it is to be a short one."""
_FULL_S: Final = 86_400.0


@dataclass(kw_only=True)
class Case:
    """One visit.

    Attributes:
        path: real path of the store.
        config: in force here; the defaults where it cannot be used.
        config_problem: why it cannot; empty when it can.
        environ: of the process.
        user: as whom files were looked at; empty is who asks.
        is_full: the long checks are wanted too, however long they take.
        watch_s: how long a lock may be held before the store counts as locked.
        mounts: the table of mounts.
        outlook: what another process found out of the files before this one opened anything.
        look: that process.
        until_s: when, of ``time.monotonic()``, all of it has to end.
        recognition: what the store is; ``None`` until it was opened, and where that failed.
        trouble: why it could not be opened.
        journal_mode: of the store, as SQLite names it.
    """

    path: Path
    config: Config
    clock: Clock
    environ: Mapping[str, str]
    config_problem: str = ""
    user: str = ""
    is_full: bool = False
    watch_s: float = 5.0
    mounts: Path = MOUNTS
    outlook: Outlook | None = None
    look: Look | None = None
    until_s: float = math.inf
    recognition: Recognition | None = None
    trouble: Exception | None = None
    journal_mode: str = ""

    @property
    def is_hypersdk(self) -> bool:
        """Whether it is the store of hypersdk's own client."""
        return self.recognition is not None and self.recognition.flavour is Flavour.HYPERSDK

    @property
    def allows_network(self) -> bool:
        """Whether the store may lie on a network file system."""
        return self.config.store.network_filesystem == "allow"

    @property
    def bound_s(self) -> float:
        """How long a check may read."""
        if self.is_full:
            return _FULL_S
        return _LONG_S if self.journal_mode == "wal" else _SHORT_S

    @contextlib.contextmanager
    def opened(self, seconds: float | None = None, *, busy_timeout_s: float = _BUSY_S) -> Iterator[Connection]:
        """The store for reading; statements end with StoreInterruptedError after so many seconds.

        Raises:
            StoreError: it cannot be opened.
        """
        until_s = time.monotonic() + (self.bound_s if seconds is None else seconds)
        connection = Connection(
            self.path,
            read_only=True,
            busy_timeout_s=busy_timeout_s,
            clock=self.clock,
            is_stopping=lambda: time.monotonic() > until_s,
        )
        try:
            yield connection
        finally:
            connection.close()

    @contextlib.contextmanager
    def state(self) -> Iterator[StateLook]:
        """The records of maintenance, for reading.

        Raises:
            StoreError: there are none, or they cannot be read.
        """
        look = StateLook(self.config.store.state_dir, self.path)
        try:
            yield look
        finally:
            look.close()
