"""What a connection and a request have to pass: TLS, a rate, a password; and what is said in every answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from hyperjobs.clock import Clock
    from hyperjobs.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The rules in force for new connections and for each request.

    Attributes:
        tls: serve HTTPS only, by this context; ``None`` serves plain HTTP.
        allowed_sans: a client's certificate must have one of these alternative names; ``None`` asks for none.
        users: name to bcrypt hash; empty asks for no password.
        headers: added to every answer, over the agent's own of the same name.
        limiter: who may ask how often; ``None`` counts nothing.
    """

    tls: ssl.SSLContext | None = None
    allowed_sans: frozenset[str] | None = None
    users: Mapping[str, Secret] = field(default_factory=dict)
    headers: tuple[tuple[str, str], ...] = ()
    limiter: TokenBucket | None = None


OPEN = Policy()
"""Plain HTTP, for whoever can connect."""


class TokenBucket:
    """Lets ``burst`` requests in at once, and one more for each interval that passed. For one thread."""

    def __init__(self, interval_s: float, burst: int, clock: Clock) -> None:
        self._interval_s = interval_s
        self._burst = burst
        self._clock = clock
        self._tokens = float(burst)
        self._counted_s = clock.monotonic()

    def allows(self) -> bool:
        """Whether one more request may come now; it is counted then."""
        now_s = self._clock.monotonic()
        self._tokens = min(self._burst, self._tokens + (now_s - self._counted_s) / self._interval_s)
        self._counted_s = now_s
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
