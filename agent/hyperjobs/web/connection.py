"""One client's connection: requests in, answers out, each step with its deadline."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from hyperjobs.web.message import (
    HEAD_END,
    RefusedRequestError,
    Request,
    Response,
    check_start,
    encode,
    parse_head,
    plain,
)

if TYPE_CHECKING:
    from hyperjobs.clock import Clock
    from hyperjobs.web.gate import Gate
    from hyperjobs.web.policy import Policy
    from hyperjobs.web.stream import Stream
    from hyperjobs.web.workers import Workers

_LAST_WORD_S: Final = 1.0  # to say why a client is refused, and to let it read that


class Application(Protocol):
    """What answers requests."""

    def __call__(self, request: Request) -> Response:
        """The answer; called in a worker thread, or in the server's own if ``is_instant`` says so."""
        ...

    def is_instant(self, request: Request) -> bool:
        """Whether the answer needs no worker; it must then never wait for anything."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of the agent a crowd of clients can have.

    Attributes:
        connections: open at once; one more closes the one that has kept its request waiting longest.
        workers: threads that answer; a waiting connection holds none.
        header_bytes: of one request head.
        header_s: from connecting, or from a further request's first byte, to the end of the head; TLS included.
        request_s: from the first byte of a request to the last of its answer.
        idle_s: between two requests on one connection.
    """

    connections: int = 256
    workers: int = 4
    header_bytes: int = 8 * 1024
    header_s: float = 5.0
    request_s: float = 30.0
    idle_s: float = 45.0


class Connection:
    """Serves one client until it, a deadline or an eviction ends it.

    Attributes:
        since: ``monotonic`` seconds since when no request of it was answered.
        is_working: a request is with the application, so the connection is not idle.
    """

    def __init__(  # noqa: PLR0913 - what it serves, and by which rules
        self,
        stream: Stream,
        app: Application,
        *,
        workers: Workers,
        limits: Limits,
        clock: Clock,
        gate: Gate,
        policy: Policy,
    ) -> None:
        """``policy`` is the one it was opened by; requests are held against the gate's of the moment."""
        self._stream = stream
        self._app = app
        self._gate = gate
        self._policy = policy
        self._workers = workers
        self._limits = limits
        self._clock = clock
        self._received = bytearray()
        self.since = clock.monotonic()
        self.is_working = False

    async def serve(self) -> None:
        """Answers requests until the connection ends; raises nothing but CancelledError."""
        try:
            with suppress(OSError):  # TLS errors and timeouts among them: the client is gone or not worth an answer
                async with asyncio.timeout(self._limits.header_s):
                    await self._stream.open()
                await self._answer_all()
        finally:
            self.close()

    def close(self) -> None:
        """Closes the socket, also of a connection whose ``serve`` was cancelled before it began. Idempotent."""
        self._stream.close()

    async def _answer_all(self) -> None:
        try:
            first_byte_s = self._limits.header_s
            while await self._answer_one(first_byte_s):
                self.since = self._clock.monotonic()
                first_byte_s = self._limits.idle_s
        except RefusedRequestError as refused:
            await self._refuse(refused.status, str(refused))
            return
        async with asyncio.timeout(_LAST_WORD_S):
            await self._stream.end()

    async def _answer_one(self, first_byte_s: float) -> bool:
        """Whether another request may follow."""
        await asyncio.sleep(0)  # where bytes are ready nothing else yields, and a flood would have the loop to itself
        if not self._received:
            async with asyncio.timeout(first_byte_s):
                if not await self._receive():
                    return False
        received_at = self._clock.monotonic()
        head = await self._read_head()
        request = replace(parse_head(head), received_at=received_at)
        spent_s = self._clock.monotonic() - received_at
        opened_by, self._policy = self._policy, self._gate.policy()
        # One that shook hands by other rules may have this answer; the next it asks for by the new ones.
        keep_alive = request.keep_alive and self._policy.tls is opened_by.tls
        try:
            async with asyncio.timeout(self._limits.request_s - spent_s):
                response = await self._respond(request)
                await self._send(
                    encode(
                        response,
                        head_only=request.method == "HEAD",
                        keep_alive=keep_alive,
                        headers_over=self._policy.headers,
                    )
                )
        except TimeoutError:
            if self.is_working:
                raise RefusedRequestError(503, "The answer took too long.") from None
            raise
        return keep_alive

    async def _respond(self, request: Request) -> Response:
        if (refusal := await self._gate.refusal(request, self._policy)) is not None:
            return refusal
        if self._app.is_instant(request):
            return self._app(request)
        self.is_working = True
        response = await asyncio.wrap_future(self._workers.submit(self._app, request))
        self.is_working = False
        return response

    async def _send(self, data: bytes) -> None:
        try:
            await self._stream.send(data)
        except asyncio.CancelledError:  # by a deadline or an eviction: what is unsent must not stay in the kernel
            self._stream.abort()
            raise

    async def _read_head(self) -> bytes:
        """The head of the next request, without the empty line that ends it; what follows stays for the next."""
        try:
            async with asyncio.timeout(self._limits.header_s):
                while (end := self._received.find(HEAD_END)) < 0:
                    check_start(bytes(self._received), limit_bytes=self._limits.header_bytes)
                    if not await self._receive():
                        raise RefusedRequestError(400, "The request ends in its head.")
        except TimeoutError:
            raise RefusedRequestError(408, "The request took too long to arrive.") from None
        head = bytes(self._received[:end])
        check_start(head, limit_bytes=self._limits.header_bytes)
        del self._received[: end + len(HEAD_END)]
        return head

    async def _receive(self) -> bool:
        data = await self._stream.receive()
        self._received += data
        return bool(data)

    async def _refuse(self, status: int, message: str) -> None:
        """Says why, and leaves the client the time to read it before the connection closes."""
        self.is_working = False
        async with asyncio.timeout(_LAST_WORD_S):
            await self._stream.send(
                encode(plain(status, message), head_only=False, keep_alive=False, headers_over=self._policy.headers)
            )
            await self._stream.end()
            await self._stream.drain()
