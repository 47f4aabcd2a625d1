"""``hyperjobs runs``: what maintenance did, and what people did beside it."""

from __future__ import annotations

import heapq
import itertools
from typing import TYPE_CHECKING

import click

from hyperjobs.cli.argument import UnicodeText
from hyperjobs.cli.event import event_record
from hyperjobs.cli.moment import show_age, show_instant
from hyperjobs.cli.place import StorePlace, store_options
from hyperjobs.cli.setting import setting_of, verbose_option
from hyperjobs.cli.table import Column, emit_json, emit_rows
from hyperjobs.cli.task import run_shape, workshop
from hyperjobs.cli.timetable import view_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from hyperjobs.store.events import Event
    from hyperjobs.store.runs import Run

_STYLES = {"ok": "green", "failed": "bold red", "interrupted": "yellow", "skipped": "dim", "running": "cyan"}


@click.command("runs")
@click.argument("task", type=UnicodeText(), required=False)
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, help="At most so many; 20.")
@click.option("--json", "as_json", is_flag=True, help="JSON Lines.")
@store_options
@verbose_option
@click.pass_context
def runs_command(context: click.Context, *, task: str | None, limit: int, as_json: bool, place: StorePlace) -> None:
    """List the newest runs of maintenance, or of one task, newest first.

    What people did is among them: cancel, retry, set-status, delete, import, copy, restore, salvage, undo, fix, fix-undo,
    backup-prune, backup-adopt, freeze, unfreeze, pause and resume.
    """
    with workshop(context, place) as shop:
        runs, events = shop.runs.latest(task, limit), shop.events.latest(task, limit)
    # each is in the order in which it was recorded, which no clock that was set can change
    merged: Iterator[Run | Event] = heapq.merge(runs, events, key=lambda each: each.started_at, reverse=True)
    newest = list(itertools.islice(merged, limit))
    if as_json:
        for each in newest:
            emit_json(_record(each))
        return
    emit_rows(_TABLE, newest, view_at(setting_of(context).clock.now(), as_json=False), _values, nothing="no runs yet")


def _record(each: Run | Event) -> dict[str, object]:
    from hyperjobs.store.events import Event  # noqa: PLC0415 - SQLite only where it is used

    return event_record(each) if isinstance(each, Event) else run_shape(each)


def _by(each: Run | Event) -> str:
    return getattr(each, "by", "")


def _outcome(each: Run | Event) -> str:
    return each.outcome.value if each.outcome is not None else "running"


def _values(each: Run | Event) -> Iterable[object]:
    started = f"{each.started_at:%Y-%m-%dT%H:%M:%SZ}"
    return (started, str(each.task), _outcome(each), each.reason, each.summary, _by(each))


_TABLE: Sequence[Column[Run | Event]] = (
    Column("STARTED", lambda each, view: show_instant(each.started_at, utc=view.utc), width=16, drop=1),
    Column("AGE", lambda each, view: show_age(each.started_at, now=view.now), is_number=True),
    Column("TASK", lambda each, _: str(each.task), is_whole=True),
    Column("OUTCOME", lambda each, _: _outcome(each), lambda each: _STYLES.get(_outcome(each), ""), width=11),
    Column("REASON", lambda each, _: each.reason or "-", drop=3),
    Column("BY", lambda each, _: _by(each) or "-", drop=2),
    Column("SUMMARY", lambda each, _: each.summary, width=36),
)
