"""Healthchecks: a ping when a task begins, ends well or fails; silence is what raises the alarm there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from hyperjobs.secret import Secret
from hyperjobs.store.runs import HELD

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hyperjobs.notify.channel import Words
    from hyperjobs.notify.event import Event
    from hyperjobs.notify.http import Http

PINGS: Final = ("task.started", "task.ok", "task.skipped", "task.failed")
"""What is pinged, the narrower kinds of failure among it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Healthchecks:
    """Pings one check, or one for each task that has a slug.

    Attributes:
        url: of the check; with ``slugs``, of the project: what the slug is added to.
        slugs: task to slug.
    """

    url: Secret
    words: Words
    http: Http
    slugs: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 10.0

    def send(self, event: Event, *, timeout_s: float) -> None:
        """Ping once; see the protocol."""
        if event.name == "task.skipped" and event.reason in HELD:
            return  # it was not its turn, which is no success
        url = self.url.reveal().rstrip("/")
        if event.task is not None and event.task in self.slugs:
            url = f"{url}/{self.slugs[event.task]}"
        if event.name == "task.started":
            url += "/start"
        elif event.kind.recovery is not None:
            url += "/fail"
        elif event.name == "test":
            url += "/log"  # a test is no sign of life
        body = self.words.text(event).encode() if self.words.has_details else b""
        self.http.post(Secret(url), body, headers={"Content-Type": "text/plain; charset=utf-8"}, timeout_s=timeout_s)
