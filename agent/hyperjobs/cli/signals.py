"""How a command takes signals; imported before all that takes time, so that Ctrl-C at the start says nothing either."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


def prepare_signals() -> None:
    """Let Ctrl-C and a closed pipe end the process as they end any command: at once, and without a word.

    Reading a store leaves nothing to clean up, and SQLite in the middle of a statement would keep Python from
    noticing. Signals that are ignored on purpose (``nohup``) stay so. ``hyperjobs run`` sets its own.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)


@contextlib.contextmanager
def cleaning_up() -> Iterator[None]:
    """For a block with something to clean up: what would end the process raises within it instead.

    Ctrl-C is KeyboardInterrupt, SIGTERM is SystemExit, and a pipe that nobody reads is BrokenPipeError.
    """
    handlers: dict[int, Any] = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGTERM: _leave,
        signal.SIGPIPE: signal.SIG_IGN,
    }
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)
