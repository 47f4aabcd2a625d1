"""Waiting for a key, a signal or a moment on a terminal, whichever comes first; the terminal is left as it was."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import tty
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from types import TracebackType


class Keys:
    """Single keys of standard input, without echo, where that is a terminal; wakes for signals too."""

    def __enter__(self) -> Self:
        self._input = sys.stdin.fileno() if sys.stdin.isatty() else None
        self._mode: list[Any] | None = termios.tcgetattr(self._input) if self._input is not None else None
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        self._wakeup = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        self._resized = signal.signal(signal.SIGWINCH, lambda *_: None)  # so that it wakes us
        if self._input is not None:
            tty.setcbreak(self._input)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._input is not None and self._mode is not None:
            termios.tcsetattr(self._input, termios.TCSADRAIN, self._mode)
        signal.signal(signal.SIGWINCH, self._resized)
        signal.set_wakeup_fd(self._wakeup)
        os.close(self._read)
        os.close(self._write)

    def wait(self, seconds: float) -> str:
        """The key that was pressed; empty when a signal came, or the time is over."""
        watched = [self._read] if self._input is None else [self._read, self._input]
        ready, _, _ = select.select(watched, [], [], max(seconds, 0.0))
        if self._read in ready:
            os.read(self._read, 4096)
        if self._input in ready and self._input is not None:
            pressed = os.read(self._input, 64)
            if not pressed:
                self._input = None  # the terminal hung up; whoever closed it sends a signal too
            return pressed.decode(errors="replace")
        return ""
