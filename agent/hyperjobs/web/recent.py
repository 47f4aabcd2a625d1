"""A costly value that many look at: found by one of them, and good for a moment for the others."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

from hyperjobs.web.flight import SingleFlight

if TYPE_CHECKING:
    from collections.abc import Callable

    from hyperjobs.clock import Clock

T = TypeVar("T")


class Recent(Generic[T]):
    """Thread-safe.

    Args:
        find: finds the value by an instant of the clock's ``monotonic``.
        keep_s: for so long a value is good.
        within_s: the time that ``find`` is given.
        serve_s: for so long a value is better than to wait for a newer one.
    """

    def __init__(
        self,
        find: Callable[[float], T],
        *,
        clock: Clock,
        keep_s: float = 2.0,
        within_s: float = 2.5,
        serve_s: float = 30.0,
    ) -> None:
        self._find = find
        self._clock = clock
        self._keep_s = keep_s
        self._within_s = within_s
        self._serve_s = serve_s
        self._flight: SingleFlight[T] = SingleFlight()
        self._lock = threading.Lock()
        self._found: tuple[float, T] | None = None

    def get(self) -> T:
        """A value at most ``keep_s`` old; an older one while another thread is still finding a newer.

        Raises:
            TimeoutError: another thread finds the first one, and not in time.
            Exception: whatever ``find`` raises.
        """
        with self._lock:
            found = self._found
        age_s = self._clock.monotonic() - found[0] if found is not None else 0.0
        if found is not None and age_s < self._keep_s:
            return found[1]
        if age_s >= self._serve_s:
            found = None
        try:
            # Who has something to show waits for nobody else.
            return self._flight.run(self._renew, wait_s=0.0 if found is not None else self._within_s)
        except TimeoutError:
            if found is None:
                raise
            return found[1]

    def forget(self) -> None:
        """Show to nobody what was found before."""
        with self._lock:
            self._found = None

    def _renew(self) -> T:
        value = self._find(self._clock.monotonic() + self._within_s)
        with self._lock:
            self._found = self._clock.monotonic(), value
        return value
