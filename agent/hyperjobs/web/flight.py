"""One run of a costly function at a time, its result shared by all who ask meanwhile."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")


class SingleFlight(Generic[Result]):
    """Runs a function in the thread of the first who asks; the others wait for its result. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: Future[Result] | None = None

    def run(self, work: Callable[[], Result], *, wait_s: float) -> Result:
        """The result of the run that is under way, or else of a new run of ``work``.

        Args:
            work: what to run when nothing runs.
            wait_s: how long to wait for a run that another thread began; a run of one's own has no limit here.

        Raises:
            TimeoutError: another thread's run did not end in time.
            Exception: whatever the shared run raised.
        """
        with self._lock:
            running = self._running
            if running is None:
                mine: Future[Result] = Future()
                self._running = mine
        if running is not None:
            return running.result(timeout=max(wait_s, 0.0))
        return self._lead(mine, work)

    def _lead(self, mine: Future[Result], work: Callable[[], Result]) -> Result:
        try:
            result = work()
        except BaseException as error:  # whoever waits for the flight must hear of it; it is raised again
            self._land()
            mine.set_exception(error)
            raise
        self._land()
        mine.set_result(result)
        return result

    def _land(self) -> None:
        with self._lock:
            self._running = None
