"""A thread that does one thing again and again, and tells that it lives."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import structlog

from hyperjobs.errors import HyperjobsError, StoreError, StoreInterruptedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hyperjobs.clock import Clock
    from hyperjobs.store.reader import Troubles

log = structlog.get_logger(__name__)

_RETRY_S = 1.0
_LONGEST_RETRY_S = 5.0
"""After a failure; a store that comes back is found within it."""


class Loop:
    """Calls ``turn`` until stopped, waiting as long as it says between two calls.

    A store that cannot be served is counted, logged once and tried again; anything else that is raised is a fault of
    ours: it is logged with its trace, and tried again too, for the agent's other work goes on.
    """

    def __init__(
        self, name: str, turn: Callable[[Callable[[], bool]], float], *, troubles: Troubles, clock: Clock
    ) -> None:
        """``turn`` gets a callable that says whether to stop, to be asked often, and returns seconds to wait."""
        self._name = name
        self._turn = turn
        self._troubles = troubles
        self._clock = clock
        self._stopping = threading.Event()
        self._trouble: str | None = None
        self._changed_s: float | None = None
        self._retry_s = _RETRY_S
        self._beat_s = clock.monotonic()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Ask it to end; returns at once."""
        self._stopping.set()

    def join(self, timeout_s: float) -> bool:
        """Wait for its end; whether it came."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def silent_s(self) -> float:
        """Seconds since it last showed that it lives; while it waits on purpose, 0."""
        return self._clock.monotonic() - self._beat_s if self._thread.is_alive() else float("inf")

    def trouble(self) -> tuple[str | None, float] | None:
        """Why its last turn failed, ``None`` when it did not, and for how many seconds that has been so.

        ``None`` for all of it before the first turn has ended.
        """
        changed_s = self._changed_s
        return None if changed_s is None else (self._trouble, self._clock.monotonic() - changed_s)

    def _is_stopping(self) -> bool:
        self._beat_s = self._clock.monotonic()
        return self._stopping.is_set()

    def _run(self) -> None:
        while not self._is_stopping():
            wait_s = self._guarded_turn()
            # Long waits are cut, so that silence means trouble.
            until_s = self._clock.monotonic() + wait_s
            while not self._is_stopping() and (left_s := until_s - self._clock.monotonic()) > 0:
                self._stopping.wait(min(left_s, _LONGEST_RETRY_S))

    def _guarded_turn(self) -> float:
        try:
            wait_s = self._turn(self._is_stopping)
        except StoreInterruptedError:
            return 0.0
        except StoreError as exc:
            self._troubles.note(exc)
            return self._failed(exc.reason, str(exc), exc_info=False)
        except HyperjobsError as exc:
            return self._failed(exc.reason, str(exc), exc_info=False)
        except Exception as exc:  # noqa: BLE001 - one loop's fault must not end the agent's other work
            return self._failed(type(exc).__name__, str(exc), exc_info=True)
        if self._trouble is not None:
            log.info("agent.loop_recovered", loop=self._name, after=self._trouble)
        if self._trouble is not None or self._changed_s is None:
            self._changed_s = self._clock.monotonic()
        self._trouble, self._retry_s = None, _RETRY_S
        return wait_s

    def _failed(self, reason: str, error: str, *, exc_info: bool) -> float:
        if self._trouble is None or self._changed_s is None:
            self._changed_s = self._clock.monotonic()
        if reason != self._trouble:
            self._trouble, self._retry_s = reason, _RETRY_S
            log.error("agent.loop_failed", loop=self._name, reason=reason, error=error, exc_info=exc_info)
        retry_s, self._retry_s = self._retry_s, min(self._retry_s * 2, _LONGEST_RETRY_S)
        return retry_s
