"""A webhook: the event as JSON, posted to an address of yours."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hyperjobs.notify.channel import Words
    from hyperjobs.notify.event import Event
    from hyperjobs.notify.http import Http
    from hyperjobs.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Posts to one address.

    Attributes:
        headers: sent with each, name and value.
    """

    url: Secret
    words: Words
    http: Http
    headers: tuple[tuple[str, Secret], ...] = ()
    timeout_s: float = 10.0

    def send(self, event: Event, *, timeout_s: float) -> None:
        """Post it once; see the protocol."""
        own = {name: value.reveal() for name, value in self.headers}
        body = json.dumps(self.words.fields(event)).encode()
        self.http.post(self.url, body, headers={"Content-Type": "application/json", **own}, timeout_s=timeout_s)
