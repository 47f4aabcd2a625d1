"""What a channel is, why a message may not arrive, and the words of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from hyperjobs.notify.event import Event


class NotSentError(Exception):
    """A message did not arrive; the text says why, without a secret and without the address's path.

    Attributes:
        is_final: trying again would not help.
        retry_after_s: how long the receiver wants to be left alone.
    """

    def __init__(self, message: str, *, is_final: bool = False, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.is_final = is_final
        self.retry_after_s = retry_after_s


class Channel(Protocol):
    """One way to tell people. Two that are equal deliver alike."""

    @property
    def timeout_s(self) -> float:
        """For one attempt, from connecting to the answer."""
        ...

    def send(self, event: Event, *, timeout_s: float) -> None:
        """Say it once; called by one thread at a time.

        Raises:
            NotSentError: it did not arrive.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """How an event is put into words.

    Attributes:
        host: the machine that it comes from.
        store: the store's path; said only with details.
        has_details: whether the line for a person, which may name paths and files, goes out too.
    """

    host: str
    store: str = ""
    has_details: bool = False

    def title(self, event: Event) -> str:
        """One line."""
        return f"hyperjobs on {self.host}: {event.title}"

    def text(self, event: Event) -> str:
        """A few lines."""
        lines = [f"{event.title}, {event.at:%Y-%m-%d %H:%M:%S} UTC on {self.host}."]
        if event.reason:
            lines.append(f"Reason: {event.reason}")
        if event.since is not None:
            lines.append(f"It had not been well since {event.since:%Y-%m-%d %H:%M:%S} UTC.")
        if self.has_details and self.store:
            lines.append(f"Store: {self.store}")
        if self.has_details and event.detail:
            lines.append(event.detail)
        return "\n".join(lines)

    def fields(self, event: Event) -> dict[str, Any]:
        """The same for a program."""
        return {
            "event": event.name,
            "severity": event.kind.severity.value,
            "title": event.title,
            "at": f"{event.at:%Y-%m-%dT%H:%M:%SZ}",
            "since": None if event.since is None else f"{event.since:%Y-%m-%dT%H:%M:%SZ}",
            "task": event.task,
            "reason": event.reason or None,
            "host": self.host,
            **({"store": self.store, "detail": event.detail or None} if self.has_details else {}),
        }
