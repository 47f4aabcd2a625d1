"""What is notified: a closed list of events, each with its severity and its meaning."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

ANY: Final = "*"


class Severity(StrEnum):
    """How much it matters."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


class Kind(NamedTuple):
    """One kind of event.

    Attributes:
        meaning: as a sentence, for the documentation.
        title: what a person reads first; ``{task}`` is the task's name.
        recovery: the kind that ends it; ``None`` for what is over when it happens.
        wider: another kind that it also is: who asks for ``task.failed`` hears of ``backup.failed``.
        is_told: whether a channel that names no events hears of it.
    """

    severity: Severity
    meaning: str
    title: str
    recovery: str | None = None
    wider: str | None = None
    is_told: bool = True


_CRITICAL, _WARNING, _INFO = Severity.CRITICAL, Severity.WARNING, Severity.INFO
KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "task.started": Kind(_INFO, "A task begins.", "{task} begins", is_told=False),
        "task.ok": Kind(_INFO, "A task ended well.", "{task} ended well", is_told=False),
        "task.skipped": Kind(
            _INFO, "A task had nothing to do, or was kept from running.", "{task} was skipped", is_told=False
        ),
        "task.interrupted": Kind(
            _INFO, "A stop ended a task; it runs again at the next start.", "{task} was interrupted", is_told=False
        ),
        "task.failed": Kind(_WARNING, "A task failed.", "{task} failed", "task.recovered"),
        "task.recovered": Kind(_INFO, "A task that had failed works again.", "{task} works again"),
        "backup.failed": Kind(
            _CRITICAL, "The backup failed, here or at a second destination.", "backup failed", "backup.recovered",
            "task.failed",
        ),
        "backup.recovered": Kind(
            _INFO, "The backup that had failed works again.", "backup works again", wider="task.recovered"
        ),
        "integrity.damaged": Kind(
            _CRITICAL, "A task found the store or a backup damaged.", "{task} found damage", "integrity.recovered",
            "task.failed",
        ),
        "integrity.recovered": Kind(
            _INFO, "The task that had found damage finds none.", "{task} finds no damage", wider="task.recovered"
        ),
        "store.down": Kind(_CRITICAL, "The store has not been served for 15 s.", "the store is down", "store.up"),
        "store.up": Kind(_INFO, "The store is served again.", "the store is up again"),
        "store.frozen": Kind(
            _CRITICAL, "The store is frozen: nothing is deleted until a person has looked.", "the store is frozen",
            "store.unfrozen",
        ),
        "store.unfrozen": Kind(_INFO, "A person has unfrozen the store.", "the store is unfrozen"),
        "reload.failed": Kind(
            _WARNING, "The configuration, or the web's, is wrong, and the old one stays.", "the configuration is wrong",
            "reload.recovered",
        ),
        "reload.recovered": Kind(_INFO, "The configuration in the files is in force again.", "the configuration is right"),
        "agent.not_scraped": Kind(
            _WARNING, "Nobody scraped for three times `web.expect_scrape_every`.", "nobody scrapes the agent",
            "agent.scraped",
        ),
        "agent.scraped": Kind(_INFO, "The agent is scraped again.", "the agent is scraped again"),
        "test": Kind(_INFO, "`hyperjobs notify test` was called.", "this is a test", is_told=False),
    }
)  # fmt: skip
"""Every event there is, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened.

    Attributes:
        name: one of ``KINDS``.
        subject: what it is about; one that is bad is told again only when this has been good.
        at: when.
        task: the task it is about, if it is about one.
        reason: a fixed word.
        detail: one line for a person, from our own words; sent only where it is wanted.
        occasion: tells one failure of a subject from the next, such as the run's number.
        since: of a recovery, since when it had been bad.
    """

    name: str
    subject: str
    at: datetime
    task: str | None = None
    reason: str = ""
    detail: str = ""
    occasion: int = 0
    since: datetime | None = None

    @property
    def kind(self) -> Kind:
        """What is known of its kind."""
        return KINDS[self.name]

    @property
    def title(self) -> str:
        """What a person reads first."""
        return self.kind.title.format(task=self.task)


def recovery_of(event: Event, at: datetime) -> Event:
    """The event that ends a bad one."""
    assert event.kind.recovery is not None  # noqa: S101 - only what has one is remembered
    return Event(name=event.kind.recovery, subject=event.subject, at=at, task=event.task, since=event.at)


def is_pattern(text: str) -> bool:
    """Whether this is the name of an event, ``area.*`` of one area that there is, ``*.what`` or ``*``."""
    return any(_matches(text, name) for name in KINDS)


def is_wanted(name: str, patterns: Iterable[str] | None) -> bool:
    """Whether one who wants these hears of an event; ``None`` wants what is told unasked."""
    if patterns is None:
        return KINDS[name].is_told
    wider = KINDS[name].wider
    return any(_matches(pattern, name) or (wider is not None and _matches(pattern, wider)) for pattern in patterns)


def _matches(pattern: str, name: str) -> bool:
    if pattern == ANY:
        return name != "test"
    area, _, what = pattern.partition(".")
    named, _, happened = name.partition(".")
    return (area in {ANY, named} and what == happened) or (area == named and what == ANY)
