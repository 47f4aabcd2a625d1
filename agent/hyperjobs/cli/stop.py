"""Ctrl-C and SIGTERM for a command that has something to clean up, and the progress it shows meanwhile."""

from __future__ import annotations

import signal
import sys
import threading
from typing import TYPE_CHECKING, Self

from hyperjobs.errors import StoreInterruptedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from hyperjobs.clock import Clock
    from hyperjobs.maintenance.task import Turn


class Stop:
    """The two signals as an event, for the length of a block; an error that a stop brought about ends with it.

    Attributes:
        code: what the process answers when one came, else 0.
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

    def is_set(self) -> bool:
        """Whether one came."""
        return self.event.is_set()

    def wait(self, seconds: float) -> bool:
        """Sleep so long, or until one comes; whether one came."""
        return self.event.wait(seconds)

    def keep_on(self) -> None:
        """Return, or raise StoreInterruptedError when one came."""
        if self.event.is_set():
            raise StoreInterruptedError("stopped before it was done")

    def turn(self, clock: Clock, progress: Callable[[str, int, int], object], *, is_dry: bool) -> Turn:
        """One run of something that begins now and ends when a signal comes; ``progress`` is told how far it is."""
        from hyperjobs.maintenance.task import Turn  # noqa: PLC0415 - only where work is done

        return Turn(
            now=clock.now(), clock=clock, is_stopping=self.is_set, wait=self.wait, progress=progress, is_dry=is_dry
        )

    def _heard(self, number: int, _frame: object) -> None:
        self.code = 128 + number
        self.event.set()


class Progress:
    """One line on the terminal that says how far the work is; nothing where nobody looks."""

    def __init__(self) -> None:
        self._is_shown = sys.stderr.isatty()
        self._last = ""

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show it; ``total`` is 0 when nobody knows."""
        if not self._is_shown:
            return
        line = f"{what} {100 * done // total}%" if total else what
        if line != self._last:
            self._last = line
            sys.stderr.write(f"\r\x1b[K{line}")
            sys.stderr.flush()

    def end(self) -> None:
        """Take the line away."""
        if self._last:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._last = ""
