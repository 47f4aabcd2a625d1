"""A call that may hang on the network, made beside somebody who can leave it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

from hyperjobs.errors import HyperjobsError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_LOOK_S = 0.1


class AbandonedError(HyperjobsError):
    """Nobody waits for this call any more."""


def attended(call: Callable[[Callable[[], None]], T], keep_on: Callable[[], None]) -> T:
    """What ``call`` returns; or what ``keep_on`` raises, within a tenth of a second, whatever the call is waiting for.

    A server that does not answer holds a call for as long as its timeouts say, and a stop must not wait for that. So
    the call runs in a thread of its own, and is left behind when ``keep_on`` says stop. It is given a function that
    then raises, to be called before each thing it does that could be seen.

    Raises:
        BaseException: what ``call`` or ``keep_on`` raises.
    """
    keep_on()
    attempt = _Attempt(call)
    thread = threading.Thread(target=attempt.run, name="hyperjobs-destination", daemon=True)
    thread.start()
    try:
        while not attempt.is_over.wait(_LOOK_S):
            keep_on()
    finally:
        attempt.is_abandoned.set()  # what is over heeds it no more
    return attempt.answer()


class _Attempt(Generic[T]):
    def __init__(self, call: Callable[[Callable[[], None]], T]) -> None:
        self._call = call
        self._answer: T
        self._error: BaseException | None = None
        self.is_over = threading.Event()
        self.is_abandoned = threading.Event()

    def run(self) -> None:
        try:
            self._answer = self._call(self._require_wanted)
        except BaseException as exc:  # noqa: BLE001 - it is raised again where it is waited for
            self._error = exc
        finally:
            self.is_over.set()

    def answer(self) -> T:
        if self._error is not None:
            raise self._error
        return self._answer

    def _require_wanted(self) -> None:
        if self.is_abandoned.is_set():
            raise AbandonedError("nobody waits for this any more")
