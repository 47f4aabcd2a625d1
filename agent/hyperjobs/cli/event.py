"""Recording what a person did to a store, for ``hyperjobs runs``."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from hyperjobs.cli.moment import write_instant
from hyperjobs.cli.person import person
from hyperjobs.cli.stderr import complain
from hyperjobs.errors import HyperjobsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    import click

    from hyperjobs.agent.workshop import Workshop
    from hyperjobs.cli.place import StorePlace
    from hyperjobs.cli.shapes.maintenance import RunShape
    from hyperjobs.store.events import Event


def add_event(  # noqa: PLR0913 - what a record is made of
    shop: Workshop,
    task: str,
    summary: str,
    *,
    started_at: datetime,
    reason: str = "",
    detail: Mapping[str, Any] | None = None,
    outcome: str = "ok",
    event_id: int = 0,
) -> int:
    """Record one thing that was done; it ends now.

    Args:
        shop: whose events it is among.
        task: what was done, one of the words of ``EventKind``.
        summary: one line for a person.
        started_at: when it began.
        reason: why.
        detail: the same in numbers.
        outcome: one of the words of ``Outcome``.
        event_id: of the record that this one takes the place of; 0 for none.

    Returns:
        The id of the record.

    Raises:
        StoreError: the state file cannot be written.
    """
    from hyperjobs.store.events import Event, EventKind  # noqa: PLC0415 - SQLite only where it is used
    from hyperjobs.store.runs import Outcome  # noqa: PLC0415 - as above

    return shop.events.add(
        Event(
            id=event_id,
            task=EventKind(task),
            started_at=started_at,
            ended_at=shop.clock.now(),
            outcome=Outcome(outcome),
            reason=reason,
            summary=summary,
            detail=detail or {},
            by=person(),
        )
    )


@contextlib.contextmanager
def recording() -> Iterator[None]:
    """For a block that records what has been done already: a record that cannot be written is said, and undoes nothing."""
    try:
        yield
    except (HyperjobsError, OSError) as exc:
        reason = exc.reason if isinstance(exc, HyperjobsError) else "failed"
        said = f"it is done, and 'hyperjobs runs' will not know of it: {exc}"
        complain(said, reason=reason, exit_code=0)


def record_event(  # noqa: PLR0913 - as above
    context: click.Context,
    place: StorePlace,
    task: str,
    summary: str,
    *,
    started_at: datetime,
    detail: Mapping[str, Any] | None = None,
    outcome: str = "ok",
) -> None:
    """Record what has been done already, as the last act of a command: root goes on as the agent's user from here."""
    from hyperjobs.cli.task import workshop  # noqa: PLC0415 - maintenance only where it is done

    with recording(), workshop(context, place) as shop:
        add_event(shop, task, summary, started_at=started_at, detail=detail, outcome=outcome)


def event_record(event: Event) -> RunShape:
    """An event as JSON, by the names of a run."""
    return {
        "run": None,
        "task": str(event.task),
        "slot": None,
        "started_at": write_instant(event.started_at),
        "ended_at": write_instant(event.ended_at),
        "outcome": event.outcome.value,
        "reason": event.reason,
        "summary": event.summary,
        "detail": dict(event.detail),
        "host": event.host,
        "version": event.version,
        "kind": "event",
        "by": event.by,
    }
