"""The HTTP server: one thread that waits for all clients, a few that answer, and nothing a client can exhaust.

A connection that waits costs a socket and no thread. When there are too many, the one whose request is longest in
coming is closed: a client that sends its request at once, as a scrape does, is never the one.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Final

import structlog

from hyperjobs.clock import Clock, SystemClock
from hyperjobs.web.connection import Application, Connection, Limits
from hyperjobs.web.gate import Gate
from hyperjobs.web.listen import bind_all, bound_address
from hyperjobs.web.policy import OPEN
from hyperjobs.web.stream import Stream, TlsStream
from hyperjobs.web.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import Self

    from hyperjobs.web.policy import Policy

_ACCEPT_PAUSE_S: Final = 0.05  # when the process has no descriptor left, until an evicted one is free
_GRACE_SHARE: Final = 0.6  # of a stop's time is for the answers under way

log = structlog.get_logger(__name__)


class Server:
    """Serves an application on one or more addresses.

    ``start`` and ``stop`` belong to one thread; a stopped server is not started again.

    Args:
        listen: ``127.0.0.1:10985``, ``[::1]:10985`` or ``:10985`` (every address); port 0 takes a free one.
        app: answers the requests.
        limits: what clients can have of this process.
        policy: gives the rules of the moment, asked for each connection and request; it must be quick and not raise.
        clock: stamps requests; its ``monotonic`` is what ``Request.received_at`` is in.
    """

    def __init__(
        self,
        listen: Sequence[str],
        app: Application,
        *,
        limits: Limits | None = None,
        policy: Callable[[], Policy] = lambda: OPEN,
        clock: Clock | None = None,
    ) -> None:
        self._listen = tuple(listen)
        self._app = app
        self._limits = limits or Limits()
        self._gate = Gate(policy)
        self._clock = clock or SystemClock()
        self._listeners: list[socket.socket] = []
        self._addresses: tuple[str, ...] = ()
        self._connections: set[Connection] = set()
        self._tasks: dict[Connection, asyncio.Task[None]] = {}
        self._stopping = asyncio.Event()
        self._is_stopped = False
        self._grace_s = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._workers: Workers | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def addresses(self) -> tuple[str, ...]:
        """``host:port`` of each listener in the order asked for, with its real port; empty before ``start``."""
        return self._addresses

    @property
    def is_serving(self) -> bool:
        """Whether the thread that waits for clients lives."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Binds every address, or none, and begins to serve.

        Raises:
            ListenError: an address is in use, privileged, not of this machine or malformed.
        """
        if self._thread is not None:
            raise RuntimeError("a server starts once")
        with contextlib.ExitStack() as undo:
            self._loop = asyncio.new_event_loop()
            undo.callback(self._loop.close)
            self._listeners = bind_all(self._listen)
            undo.pop_all()
        self._addresses = tuple(bound_address(listener) for listener in self._listeners)
        self._workers = Workers(self._limits.workers)
        self._thread = threading.Thread(target=self._run, args=(self._loop,), name="web", daemon=True)
        self._thread.start()
        policy = self._gate.policy()
        log.info("web.started", addresses=self._addresses, tls=policy.tls is not None, password=bool(policy.users))

    def stop(self, deadline_s: float = 1.5) -> None:
        """Closes the listeners and idle connections at once, the others when answered, all by the deadline.

        Idempotent. A worker that is still in the application then ends with it.
        """
        if self._thread is None or self._loop is None or self._workers is None or self._is_stopped:
            return
        self._is_stopped = True
        until = self._clock.monotonic() + deadline_s
        self._grace_s = deadline_s * _GRACE_SHARE
        with contextlib.suppress(RuntimeError):  # its thread has ended, and closed the loop
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(deadline_s)
        in_time = self._workers.stop(deadline_s=max(0.0, until - self._clock.monotonic()))
        log.info("web.stopped", in_time=in_time and not self._thread.is_alive())

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            loop.set_exception_handler(_report)
            loop.run_until_complete(self._serve())
        finally:
            for listener in self._listeners:
                listener.close()
            loop.close()

    async def _serve(self) -> None:
        accepting = [asyncio.create_task(self._accept(listener)) for listener in self._listeners]
        for task in accepting:  # a server that is deaf must not seem to live
            task.add_done_callback(lambda _: self._stopping.set())
        await self._stopping.wait()
        await _cancel(accepting)
        for listener in self._listeners:
            listener.close()
        await _cancel([task for connection, task in self._tasks.items() if not connection.is_working])
        if working := list(self._tasks.values()):
            await asyncio.wait(working, timeout=self._grace_s)
            await _cancel(working)
        await self._gate.close()

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _ = await loop.sock_accept(listener)
            except OSError as error:
                log.warning("web.accept_failed", error=str(error))
                for _ in range(1 + len(self._connections) // 4):
                    self._evict_idlest()
                await asyncio.sleep(_ACCEPT_PAUSE_S)
                continue
            if len(self._connections) >= self._limits.connections and not self._evict_idlest():
                client.close()  # every connection has a request that is being answered
                continue
            self._open(client)
            await asyncio.sleep(0)  # a connection is served before the next is taken, or a storm would evict it unread

    def _open(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):  # the client may be gone already
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        policy = self._gate.policy()
        stream = (
            Stream(client) if policy.tls is None else TlsStream(client, policy.tls, allowed_sans=policy.allowed_sans)
        )
        assert self._workers is not None  # noqa: S101 - start makes them before it accepts
        connection = Connection(
            stream,
            self._app,
            workers=self._workers,
            limits=self._limits,
            clock=self._clock,
            gate=self._gate,
            policy=policy,
        )
        task = asyncio.create_task(connection.serve())
        self._connections.add(connection)
        self._tasks[connection] = task
        task.add_done_callback(lambda _: self._forget(connection))

    def _evict_idlest(self) -> bool:
        """Whether there was a connection to close for another's sake."""
        idle = [connection for connection in self._connections if not connection.is_working]
        if not idle:
            return False
        idlest = min(idle, key=lambda connection: connection.since)
        self._connections.discard(idlest)
        self._tasks[idlest].cancel()
        return True

    def _forget(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._tasks.pop(connection, None)
        connection.close()


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _report(_loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """Logs what no connection may raise, and yet did."""
    error = context.get("exception")
    log.error("web.connection_failed", detail=context.get("message"), exc_info=error)
