"""The gate before the application: every request passes it, the probes too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hyperjobs.web.message import plain
from hyperjobs.web.password import PasswordChecker, TooManyLoginsError
from hyperjobs.web.policy import OPEN

if TYPE_CHECKING:
    from collections.abc import Callable

    from hyperjobs.web.message import Request, Response
    from hyperjobs.web.policy import Policy

_CHALLENGE: Final = ("WWW-Authenticate", 'Basic realm="hyperjobs", charset="UTF-8"')


class Gate:
    """Holds requests against the rules in force. For one event loop."""

    def __init__(self, policy: Callable[[], Policy] = lambda: OPEN) -> None:
        """``policy`` gives the rules of the moment; it is called for each connection and request and must not raise."""
        self.policy = policy
        self._passwords = PasswordChecker()

    async def refusal(self, request: Request, policy: Policy) -> Response | None:
        """The answer to a request that does not pass; ``None`` for one that does."""
        if policy.limiter is not None and not policy.limiter.allows():
            return plain(429, "There were too many requests; ask again later.")
        if not policy.users:
            return None
        try:
            if await self._passwords.is_user(request.headers.get("authorization"), policy.users):
                return None
        except TooManyLoginsError:
            return plain(503, "Too many passwords wait to be checked; ask again later.")
        return plain(401, "This agent asks for a user and a password.", _CHALLENGE)

    async def close(self) -> None:
        """Let go of those who wait for their password to be checked."""
        await self._passwords.close()
