"""What stands before a reload: a configuration that would delete much is not put into force without a person's word."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from hyperjobs.agent.effect import digest_of, effect_of, maintenance_text
from hyperjobs.agent.options import usual_archives
from hyperjobs.maintenance.task import Turn
from hyperjobs.store.acknowledgement import Acknowledgements

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hyperjobs.clock import Clock
    from hyperjobs.config import Config
    from hyperjobs.store.state import StateFile

log = structlog.get_logger(__name__)

LONGEST_S = 5.0
"""Counting a million jobs takes a third of a second; what takes longer than this is not waited for."""


class Gate:
    """The gate of one store's agent."""

    def __init__(self, store: Path, state: StateFile, *, clock: Clock) -> None:
        self._store = store
        self._acknowledgements = Acknowledgements(state)
        self._clock = clock

    def admit(self, old: Config, new: Config, is_stopping: Callable[[], bool]) -> None:
        """Return when the new configuration may take the old one's place.

        Raises:
            ReloadRefusedError: it would delete too much, and nobody has acknowledged that.
            ConfigError: its rules keep no backup at all.
            StoreError: the state file cannot be read.
        """
        turn = bounded_turn(self._clock, is_stopping)
        effect = effect_of(
            self._store,
            old.maintenance,
            new.maintenance,
            turn,
            archives=usual_archives(new.store.state_dir),
        )
        if not effect.is_too_much:
            return
        by = self._acknowledgements.take(digest_of(new.maintenance), now=turn.now)
        if by is None:
            effect.require_little(new.source)
        log.warning("config.acknowledged", by=by, effect=effect.text())

    def remember(self, config: Config) -> None:
        """Note what is in force, for whoever asks before the next reload."""
        self._acknowledgements.set_in_force(maintenance_text(config.maintenance))


def bounded_turn(clock: Clock, is_stopping: Callable[[], bool] = lambda: False) -> Turn:
    """A look that ends by itself after some seconds."""
    until_s = clock.monotonic() + LONGEST_S
    return Turn(now=clock.now(), clock=clock, is_stopping=lambda: is_stopping() or clock.monotonic() > until_s)
