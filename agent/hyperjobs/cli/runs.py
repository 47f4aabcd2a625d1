"""``hyperjobs runs``: what maintenance did, and what people did beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hyperjobs.cli import offer
from hyperjobs.cli.argument import Number, UnicodeText
from hyperjobs.cli.command import Command
from hyperjobs.cli.event import event_record
from hyperjobs.cli.moment import show_age, show_instant
from hyperjobs.cli.place import StorePlace, store_options
from hyperjobs.cli.setting import json_option, setting_of, verbose_option
from hyperjobs.cli.table import Column, emit_json, emit_rows
from hyperjobs.cli.task import run_shape, workshop
from hyperjobs.cli.timetable import view_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hyperjobs.cli.shapes.maintenance import RunShape
    from hyperjobs.store.events import Event
    from hyperjobs.store.runs import Run

_STYLES = {"ok": "green", "failed": "bold red", "interrupted": "yellow", "skipped": "dim", "running": "cyan"}


@click.command(
    "runs",
    cls=Command,
    examples=[
        ("What was done last", "hyperjobs runs"),
        ("The last five backups", "hyperjobs runs backup --limit 5"),
    ],
)
@click.argument("task", type=UnicodeText(), required=False, shell_complete=offer.words(*offer.TASKS, *offer.EVENTS))
@click.option("--limit", type=Number(1, 10_000), metavar="N", default=20, help="At most so many; 20 when not given.")
@json_option("JSON Lines.")
@store_options
@verbose_option
@click.pass_context
def runs_command(context: click.Context, *, task: str | None, limit: int, as_json: bool, place: StorePlace) -> None:
    """List the newest runs of maintenance, or of one task, newest first.

    What people did is among them: cancel, retry, set-status, delete, import, copy, restore, salvage, undo, fix, fix-undo,
    backup-prune, backup-adopt, freeze, unfreeze, pause and resume.
    """
    from hyperjobs.store.recent import latest  # noqa: PLC0415 - maintenance only where it is looked at

    with workshop(context, place) as shop:
        newest = latest(shop.runs, shop.events, task, limit)
    if as_json:
        for each in newest:
            emit_json(_record(each))
        return
    emit_rows(_TABLE, newest, view_at(setting_of(context).clock.now(), as_json=False), _values, nothing="no runs yet")


def _record(each: Run | Event) -> RunShape:
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
