"""Ctrl-C and SIGTERM for a command that has something to clean up."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Self

from hyperjobs.errors import StoreInterruptedError

if TYPE_CHECKING:
    from types import TracebackType


class Stop:
    """The signals as an event, for the length of a block; an error that a stop brought about ends with the block.

    Attributes:
        code: what the process answers when a stop came, else 0.
    """

    def __init__(self) -> None:
        self.event = threading.Event()
        self.code = 0

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._heard) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> bool:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        return bool(self.code) and isinstance(exc, StoreInterruptedError)

    def keep_on(self) -> None:
        """Return, or raise StoreInterruptedError when a stop came."""
        if self.event.is_set():
            raise StoreInterruptedError("stopped before it was done")

    def _heard(self, number: int, _frame: object) -> None:
        self.code = 128 + number
        self.event.set()
