"""ntfy: a message to a topic, with a priority by severity."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hyperjobs.notify.event import Severity

if TYPE_CHECKING:
    from hyperjobs.notify.channel import Words
    from hyperjobs.notify.event import Event
    from hyperjobs.notify.http import Http
    from hyperjobs.secret import Secret

_PRIORITIES: Final = {Severity.CRITICAL: 5, Severity.WARNING: 4, Severity.INFO: 3}
_TAGS: Final = {Severity.CRITICAL: "rotating_light", Severity.WARNING: "warning", Severity.INFO: "information_source"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ntfy:
    """Publishes as JSON, which needs no escaping of a title; the topic is a secret where anyone may subscribe."""

    url: Secret
    topic: str
    words: Words
    http: Http
    token: Secret | None = None
    timeout_s: float = 10.0

    def send(self, event: Event, *, timeout_s: float) -> None:
        """Publish it once; see the protocol."""
        severity = event.kind.severity
        body = {
            "topic": self.topic,
            "title": self.words.title(event),
            "message": self.words.text(event),
            "priority": _PRIORITIES[severity],
            "tags": [_TAGS[severity]],
        }
        headers = {"Content-Type": "application/json"}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token.reveal()}"
        self.http.post(self.url, json.dumps(body).encode(), headers=headers, timeout_s=timeout_s)
