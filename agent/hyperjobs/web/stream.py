"""Bytes to and from one client, plain or through TLS, without a thread of its own.

TLS runs on memory buffers: the handshake is reads and writes like any other, so a client that says nothing holds up
nobody, and a connection costs what OpenSSL needs and not the 256 KiB that asyncio's own TLS transport sets aside.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar

from hyperjobs.web.tls import has_allowed_name

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")

_CHUNK_BYTES: Final = 16 * 1024  # a TLS record
_LINGER_BYTES: Final = 256 * 1024


class Stream:
    """A plain connection. Every method may raise OSError when the client is gone."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._loop = asyncio.get_running_loop()

    async def open(self) -> None:
        """Makes the stream ready for use."""

    async def receive(self) -> bytes:
        """Some bytes; none when the client has ended its side."""
        return await self._loop.sock_recv(self._sock, _CHUNK_BYTES)

    async def send(self, data: bytes) -> None:
        """Sends all of it."""
        await self._loop.sock_sendall(self._sock, data)

    async def end(self) -> None:
        """Says that nothing more will be sent."""
        self._sock.shutdown(socket.SHUT_WR)

    async def drain(self) -> None:
        """Reads on until the client ends: closing with bytes unread would reset the answer off the wire."""
        left = _LINGER_BYTES
        while left > 0 and (data := await self._loop.sock_recv(self._sock, _CHUNK_BYTES)):
            left -= len(data)

    def abort(self) -> None:
        """Closes at once and drops what the client has not taken."""
        with suppress(OSError):
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._sock.close()

    def close(self) -> None:
        """Closes at once; what was sent is still delivered. Idempotent."""
        self._sock.close()


class TlsStream(Stream):
    """A TLS connection."""

    def __init__(
        self, sock: socket.socket, context: ssl.SSLContext, *, allowed_sans: frozenset[str] | None = None
    ) -> None:
        """``allowed_sans`` are the names of which a client's certificate must have one; ``None`` asks for none."""
        super().__init__(sock)
        self._allowed_sans = allowed_sans
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    async def open(self) -> None:
        """Shakes hands.

        Raises:
            ssl.SSLError: the client speaks no TLS, or none that the context takes, or has none of the allowed names.
        """
        await self._until_done(self._tls.do_handshake)
        if self._allowed_sans is not None and not has_allowed_name(self._tls.getpeercert(), self._allowed_sans):
            raise ssl.SSLError("the client's certificate has none of the allowed names")

    async def receive(self) -> bytes:
        """Some bytes; none when the client has ended its side."""
        try:
            return await self._until_done(lambda: self._tls.read(_CHUNK_BYTES))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    async def send(self, data: bytes) -> None:
        """Sends all of it."""
        view = memoryview(data)
        for start in range(0, len(view), _CHUNK_BYTES):  # by the record, so that only one is held twice
            self._tls.write(view[start : start + _CHUNK_BYTES])
            await self._flush()

    async def end(self) -> None:
        """Says that nothing more will be sent, by close_notify."""
        with suppress(ssl.SSLError):  # it wants the client's own close_notify, which nobody waits for
            self._tls.unwrap()
        await self._flush()
        await super().end()

    async def _until_done(self, step: Callable[[], Result]) -> Result:
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                await self._flush()
                if data := await self._loop.sock_recv(self._sock, _CHUNK_BYTES):
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()
            else:
                await self._flush()
                return result

    async def _flush(self) -> None:
        if self._outgoing.pending:
            await self._loop.sock_sendall(self._sock, self._outgoing.read())
