"""Basic authentication: bcrypt beside the server's own thread, its answers remembered, its appetite bounded."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
import threading
from collections import OrderedDict
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import bcrypt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hyperjobs.secret import Secret

_MAX_KNOWN: Final = 128
_MAX_WAITING: Final = 16
_MAX_PASSWORD_BYTES: Final = 72  # bcrypt looks at no more, and other programs cut what is longer


class TooManyLoginsError(Exception):
    """More passwords wait to be checked than will be."""


class PasswordChecker:
    """Says whether an ``Authorization`` header is a user's. For one event loop.

    One password is computed at a time, in a thread of its own, so a crowd of guesses takes one core at most and no
    worker. Whoever is known already does not wait for them. What is remembered is a keyed hash of user, password and
    stored hash: a user who is removed or gets another password is strange again at once. Right and wrong ones are
    remembered apart, or guesses would push out the client that scrapes.
    """

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, bool] = OrderedDict()
        self._wrong: OrderedDict[bytes, bool] = OrderedDict()
        self._waiting: dict[bytes, asyncio.Task[bool]] = {}
        self._turn = asyncio.Semaphore(1)

    async def is_user(self, header: str | None, users: Mapping[str, Secret]) -> bool:
        """Whether the header names one of these users with the right password.

        A name that is none costs the same work: its password is compared with some user's, chosen by the name, so
        that neither the time nor its distribution tells who there is.

        Raises:
            TooManyLoginsError: too many others are being checked.
        """
        user, password = _credentials(header)
        if user is None:
            return False
        stored = users.get(user) or self._stand_in(user, users)
        is_right = await self._matches(user, password, stored.reveal().encode())
        return is_right and user in users

    async def close(self) -> None:
        """Wait for nobody any more; a thread that still computes ends with its password."""
        waiting = list(self._waiting.values())
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    def _stand_in(self, user: str, users: Mapping[str, Secret]) -> Secret:
        digest = hashlib.blake2b(user.encode(), key=self._secret).digest()
        return users[sorted(users)[int.from_bytes(digest) % len(users)]]

    async def _matches(self, user: str, password: bytes, stored: bytes) -> bool:
        key = self._key(user.encode(), password, stored)
        for known in (self._right, self._wrong):
            if key in known:
                known.move_to_end(key)
                return known[key]
        task = self._waiting.get(key)
        if task is None:
            if len(self._waiting) >= _MAX_WAITING:
                raise TooManyLoginsError
            task = asyncio.create_task(self._compute(key, password, stored))
            self._waiting[key] = task
            task.add_done_callback(lambda _: self._waiting.pop(key, None))
        return await asyncio.shield(task)  # one that leaves does not end it for the others

    async def _compute(self, key: bytes, password: bytes, stored: bytes) -> bool:
        async with self._turn:
            loop = asyncio.get_running_loop()
            answer: asyncio.Future[bool] = loop.create_future()

            def work() -> None:
                found = _check(password, stored)
                with suppress(RuntimeError):  # the loop is closed: nobody asks any more
                    loop.call_soon_threadsafe(_answer, answer, found)

            threading.Thread(target=work, name="web-password", daemon=True).start()
            is_right = await answer
        known = self._right if is_right else self._wrong
        known[key] = is_right
        if len(known) > _MAX_KNOWN:
            known.popitem(last=False)
        return is_right

    def _key(self, *parts: bytes) -> bytes:
        keyed = hmac.new(self._secret, digestmod="sha256")
        for part in parts:
            keyed.update(len(part).to_bytes(8))
            keyed.update(part)
        return keyed.digest()


def _credentials(header: str | None) -> tuple[str | None, bytes]:
    """The user and password of a header; no user where it is malformed."""
    scheme, _, encoded = (header or "").partition(" ")
    if scheme.lower() != "basic":
        return None, b""
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
        return (user.decode() if colon else None), password
    except (binascii.Error, ValueError):
        return None, b""


def _check(password: bytes, stored: bytes) -> bool:
    try:
        return bcrypt.checkpw(password[:_MAX_PASSWORD_BYTES], stored)
    except ValueError:  # a hash that only looked like one
        return False


def _answer(future: asyncio.Future[bool], found: bool) -> None:  # noqa: FBT001 - the answer itself
    if not future.done():
        future.set_result(found)
