"""Ctrl-C and SIGTERM for a command that has something to clean up, and the progress it shows meanwhile."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
from typing import TYPE_CHECKING, Self

from hyperjobs.errors import StoreInterruptedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from hyperjobs.clock import Clock
    from hyperjobs.maintenance.task import Turn


class Stop:
    """The two signals as something to ask for, for the length of a block; an error that a stop brought about ends with it.

    What a handler does must need no lock, for it may come while the thread that it interrupts holds that very lock, as
    that of a ``threading.Event`` being waited for. So it sets a number and writes to a pipe, which ends every wait.

    Attributes:
        code: what the process answers when one came, else 0.
    """

    def __init__(self) -> None:
        self.code = 0
        self._read = self._write = -1

    def __enter__(self) -> Self:
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        self._before = {number: signal.signal(number, self._heard) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> bool:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self._read)
        os.close(self._write)
        self._read = self._write = -1
        return bool(self.code) and isinstance(exc, StoreInterruptedError)

    def is_set(self) -> bool:
        """Whether one came."""
        return self.code != 0

    def wait(self, seconds: float) -> bool:
        """Sleep so long, or until one comes; whether one came."""
        if not self.code:
            select.select([self._read] if self._read >= 0 else [], [], [], max(seconds, 0.0))
        return self.code != 0

    def keep_on(self) -> None:
        """Return, or raise StoreInterruptedError when one came."""
        if self.code:
            raise StoreInterruptedError("stopped before it was done")

    def turn(self, clock: Clock, progress: Callable[[str, int, int], object], *, is_dry: bool) -> Turn:
        """One run of something that begins now and ends when a signal comes; ``progress`` is told how far it is."""
        from hyperjobs.maintenance.task import Turn  # noqa: PLC0415 - only where work is done

        return Turn(
            now=clock.now(), clock=clock, is_stopping=self.is_set, wait=self.wait, progress=progress, is_dry=is_dry
        )

    def _heard(self, number: int, _frame: object) -> None:
        self.code = 128 + number
        with contextlib.suppress(BlockingIOError):  # it is full of signals already
            os.write(self._write, b".")


_LOOK_S = 0.2
"""A person reads no faster, and a terminal over a network must not hold up the work."""
_PACE_AFTER_S = 1.0
_FEW_STEPS = 3
"""Of so few steps a number and a pace say nothing."""


class Progress:
    """One line on the terminal that says how far the work is, how fast it goes and how long it takes yet.

    Nothing is written where nobody looks.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._is_shown = sys.stderr.isatty()
        self._what: str | None = None
        self._began_s = self._shown_s = 0.0
        self._done_before = 0
        self._is_there = False

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show it; ``total`` is 0 when nobody knows."""
        now_s = self._clock.monotonic()
        if what != self._what:
            self._what, self._began_s, self._done_before = what, now_s, done
        elif now_s - self._shown_s < _LOOK_S:
            return
        self._shown_s = now_s
        if self._is_shown:
            self._is_there = True
            sys.stderr.write(f"\r\x1b[K{self._line(what, done, total, now_s - self._began_s)}")
            sys.stderr.flush()

    def _line(self, what: str, done: int, total: int, took_s: float) -> str:
        if 0 < total <= _FEW_STEPS:
            return what
        line = f"{what}: {done:,}" if done or total else what
        if total:
            line += f" of {total:,}, {min(100 * done // total, 100)}%"
        made = done - self._done_before
        if took_s >= _PACE_AFTER_S and made > 0:
            line += f", {made / took_s:,.0f}/s"
            if total > done:
                line += f", {_minutes((total - done) * took_s / made)} left"
        return line

    def end(self) -> None:
        """Take the line away."""
        if self._is_there:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._is_there = False


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
