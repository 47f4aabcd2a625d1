"""Everything else, through the library apprise: each address of a file is one receiver."""

from __future__ import annotations

import importlib.util
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from hyperjobs.errors import ConfigError
from hyperjobs.notify.channel import NotSentError
from hyperjobs.notify.event import Severity

if TYPE_CHECKING:
    from pathlib import Path

    from hyperjobs.notify.channel import Words
    from hyperjobs.notify.event import Event
    from hyperjobs.secret import Secret

_TYPES: Final = {Severity.CRITICAL: "failure", Severity.WARNING: "warning", Severity.INFO: "info"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Apprise:
    """Sends to every address; an address is a secret, since most hold one.

    Attributes:
        source: the file they come from, for messages.
        timeout_s: not heeded: apprise has times of its own, of some seconds for each address.
    """

    urls: tuple[Secret, ...]
    source: Path
    words: Words
    timeout_s: float = 30.0
    _receivers: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if importlib.util.find_spec("apprise") is None:
            raise ConfigError("notifications of type apprise need its library; install hyperjobs[apprise]")
        import apprise  # noqa: PLC0415 - an extra, and 18 MB of memory

        for name in ("apprise", "urllib3", "requests"):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # they log addresses, tokens and all
        receivers = apprise.Apprise()
        for number, url in enumerate(self.urls, 1):
            if not receivers.add(url.reveal()):
                raise ConfigError(f"{self.source}: address {number} is none that apprise knows")
        object.__setattr__(self, "_receivers", receivers)

    def send(self, event: Event, *, timeout_s: float) -> None:  # noqa: ARG002 - apprise has its own
        """Send to all; see the protocol."""
        is_sent = self._receivers.notify(
            title=self.words.title(event), body=self.words.text(event), notify_type=_TYPES[event.kind.severity]
        )
        if not is_sent:
            raise NotSentError("apprise could not deliver to every address")
