"""A fixed number of threads that answer requests."""

from __future__ import annotations

import queue
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from hyperjobs.web.message import Request, Response

    Job = tuple[Future[Response], Callable[[Request], Response], Request]


class Workers:
    """Daemon threads, unlike those of ``ThreadPoolExecutor``: a hung collection must not keep the process alive."""

    def __init__(self, count: int) -> None:
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._work, name=f"web-{n}", daemon=True) for n in range(count)]
        for thread in self._threads:
            thread.start()

    def submit(self, answer: Callable[[Request], Response], request: Request) -> Future[Response]:
        """The future answer; cancelling it before a thread takes it up saves the work."""
        future: Future[Response] = Future()
        self._jobs.put((future, answer, request))
        return future

    def stop(self, *, deadline_s: float) -> bool:
        """Whether all threads ended in time; one that did not ends with its request, or with the process."""
        for _ in self._threads:
            self._jobs.put(None)
        until = time.monotonic() + deadline_s
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            future, answer, request = job
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(answer(request))
            except BaseException as error:  # noqa: BLE001 - it belongs to the one who waits for the future
                future.set_exception(error)
            del job, future, request  # or an answer would stay in memory until the next request
