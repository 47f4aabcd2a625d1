"""The agent's notifications put together: channels, what was told, and the watch over what nobody tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from hyperjobs.agent.announce import Announcer
from hyperjobs.agent.channels import channels_of
from hyperjobs.agent.loop import Loop
from hyperjobs.agent.timetable import entries
from hyperjobs.agent.watch import Watch
from hyperjobs.notify.notifier import Notifier
from hyperjobs.store.holds import Holds
from hyperjobs.store.runs import Runs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hyperjobs.clock import Clock
    from hyperjobs.config import Config
    from hyperjobs.notify.channel import Channel
    from hyperjobs.notify.outbox import Rules
    from hyperjobs.store.reader import Troubles
    from hyperjobs.store.state import StateFile

log = structlog.get_logger(__name__)


class Speaker:
    """Tells people; from :meth:`start` to :meth:`stop`, over all reloads.

    Attributes:
        announcer: is told of runs.
    """

    def __init__(  # noqa: PLR0913 - what it looks at, each by name
        self,
        config: Config,
        state: StateFile,
        *,
        troubles: Troubles,
        store_trouble: Callable[[], tuple[str | None, float] | None],
        is_configured: Callable[[], bool],
        scrapes: Callable[[], int],
        clock: Clock,
    ) -> None:
        """For the callables see :class:`~hyperjobs.agent.watch.Watch`.

        Raises:
            ConfigError: a channel cannot be made.
        """
        self._config = config
        self._state = state
        self._notifier = Notifier(clock=clock, remember=self._remember, recall=self._recall)
        self._channels = channels_of(config)
        self.announcer = Announcer(self._notifier)
        watch = Watch(
            self._notifier,
            self.announcer,
            runs=Runs(state),
            holds=Holds(state),
            tasks=lambda: [entry.task for entry in entries(self._config)],
            store_trouble=store_trouble,
            is_configured=is_configured,
            scrapes=scrapes,
            expected=lambda: self._config.web.expect_scrape_every,
            clock=clock,
        )
        self._loop = Loop("watch", watch.turn, troubles=troubles, clock=clock)

    def start(self) -> None:
        """Begin."""
        self._notifier.use(self._channels)
        self._loop.start()

    def use(self, config: Config, channels: list[tuple[Rules, Channel]]) -> None:
        """Go on by another configuration, whose channels were made already."""
        self._config = config
        self._notifier.use(channels)

    def counts(self) -> Mapping[tuple[str, str], int]:
        """(channel, outcome) → messages."""
        return self._notifier.counts()

    def ask_to_stop(self, within_s: float) -> None:
        """Look no more, and try once what waits; returns at once."""
        self._loop.stop()
        self._notifier.ask_to_stop(within_s)

    def stop(self, timeout_s: float) -> bool:
        """End; whether that was in time."""
        self._loop.stop()
        return self._notifier.stop(timeout_s) and self._loop.join(timeout_s)

    def _remember(self, channel: str, told: str) -> None:
        try:
            self._state.save_facts(**{_fact(channel): told})
        except Exception as exc:  # noqa: BLE001 - a full disk, or a file closed at the end: it costs a repetition
            log.warning("notify.not_remembered", channel=channel, error=str(exc))

    def _recall(self, channel: str) -> str | None:
        told: str | None = self._state.fact(_fact(channel))
        return told


def _fact(channel: str) -> str:
    return f"notified_{channel}"
