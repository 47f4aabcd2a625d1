"""What is told of maintenance: its runs, its times and what holds it."""

from typing import Literal, TypedDict

from hyperjobs.cli.shapes.kinds import Document, LocalTime, Time


class RunShape(TypedDict):
    """One run of a task, or one thing that was done beside them.

    Attributes:
        run: its number; 0 of a dry run, which is not recorded, and ``null`` of an event.
        task: the task, or the kind of event.
        slot: the nominal time it was for; ``null`` when a person asked for it.
        ended_at: with ``outcome`` ``null`` while it goes on.
        outcome: ``ok``, ``failed``, ``skipped`` or ``interrupted``.
        reason: a fixed word for what failed or why it was skipped; of an event, why it was done; may be empty.
        summary: one line for a person.
        detail: the same in numbers, by names of the task's own.
        by: who did it; empty of a run.
    """

    run: int | None
    task: str
    slot: str | None
    started_at: Time
    ended_at: Time | None
    outcome: Literal["ok", "failed", "skipped", "interrupted"] | None
    reason: str
    summary: str
    detail: Document
    host: str
    version: str
    kind: Literal["run", "event"]
    by: str


class HeldShape(TypedDict):
    """Something that holds maintenance.

    Attributes:
        reason: a fixed word of a check that found something, or what a person said.
        message: more of it; may be empty.
        until: when it ends by itself.
    """

    reason: str
    message: str
    since: Time
    until: Time | None


class PauseShape(TypedDict):
    """A pause that began."""

    paused: Literal[True]
    reason: str
    until: Time


class ResumeShape(TypedDict):
    """A pause that was ended.

    Attributes:
        ended: ``null`` when there was none.
    """

    paused: Literal[False]
    ended: HeldShape | None


class FreezeShape(TypedDict):
    """A freeze.

    Attributes:
        is_news: it was not frozen so before.
        frozen: all that freezes the store now.
    """

    is_news: bool
    frozen: list[HeldShape]


class UnfreezeShape(TypedDict):
    """An end of all freezes.

    Attributes:
        is_damaged: the newest check still found the store damaged.
    """

    ended: list[HeldShape]
    is_damaged: bool


class PlannedShape(TypedDict):
    """When a task runs next.

    Attributes:
        local: the same in the zone of its schedule.
        slot: the nominal time, by which its run is recorded.
        schedule: as it is configured.
        window: in which it may run; ``null`` for any time.
    """

    task: str
    starts_at: Time
    local: LocalTime
    zone: str
    slot: str
    schedule: str
    jitter_seconds: float
    window: str | None


class SlotShape(TypedDict):
    """One slot of a schedule.

    Attributes:
        task: ``null`` for an expression that was only tried.
        local: the same instant in the zone of the schedule.
        shift: what a change of the clocks does to it: ``gap``, ``repeated``, ``interval``; ``null`` for nothing.
    """

    task: str | None
    slot: str
    at: Time
    local: LocalTime
    shift: Literal["gap", "repeated", "interval"] | None
