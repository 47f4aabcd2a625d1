"""``hyperjobs retention simulate``."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from hyperjobs.cli.argument import Number
from hyperjobs.cli.backup_setting import settings
from hyperjobs.cli.command import Group
from hyperjobs.cli.keep_option import Keep, keep_options
from hyperjobs.cli.moment import show_age
from hyperjobs.cli.place import StorePlace, store_options
from hyperjobs.cli.setting import json_option, setting_of, verbose_option
from hyperjobs.cli.table import Column, emit_json, emit_rows
from hyperjobs.cli.timetable import view_at

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from hyperjobs.cli.selection import View
    from hyperjobs.maintenance.backup.retention import Decision

_MOST_DAYS = 4000


@click.group(
    "retention",
    cls=Group,
    examples=[
        ("What seven days come to in a month", "hyperjobs retention simulate --days 30 --keep-daily 7"),
    ],
)
def retention_group() -> None:
    """See what a policy of retention keeps."""


@retention_group.command(
    "simulate",
    examples=[
        (
            "What two days and three weeks come to in a month",
            "hyperjobs retention simulate --days 30 --keep-last 2 --keep-weekly 3",
        ),
    ],
)
@click.option(
    "--days", type=Number(1, _MOST_DAYS), metavar="N", default=400, help="For so long from now; 400 when not given."
)
@click.option("--a-day", type=Number(1, 24), metavar="N", default=1, help="Backups a day; 1 when not given.")
@click.option(
    "--daily", is_flag=True, help="A line for each day instead: how many there are, the oldest, and what went."
)
@json_option("JSON Lines.")
@keep_options
@store_options
@verbose_option
@click.pass_context
def simulate_command(  # noqa: PLR0913 - one for each option
    context: click.Context, *, days: int, a_day: int, daily: bool, as_json: bool, keep: Keep, place: StorePlace
) -> None:
    """Show which backups there would be in so many days, were one taken each day and none pinned.

    Nothing is read or written: these are the rules at work on a calendar.
    """
    from hyperjobs.maintenance.backup.retention import simulate  # noqa: PLC0415 - only where it is used

    found = settings(place, None)
    runs = simulate(
        keep.policy(found),
        minimum=keep.least(found),
        start=setting_of(context).clock.now(),
        days=days,
        every=timedelta(days=1) / a_day,
    )
    view = view_at(setting_of(context).clock.now(), as_json=as_json)
    if daily:
        show_list(_DAILY_TABLE, [_Day(moment, decisions) for moment, decisions in runs], view)
        return
    last: list[Decision] = []
    for _, decisions in runs:
        last = [decision for decision in decisions if decision.stays]
    show_list(_KEPT_TABLE, [_Kept(decision) for decision in last], view)


class _Day:
    """One day of a simulation: how many backups there are after it, the oldest, and what went."""

    def __init__(self, moment: datetime, decisions: Sequence[Decision]) -> None:
        stay = [decision for decision in decisions if decision.stays]
        self.at = write_second(moment)
        self.backups = len(stay)
        self.oldest = write_second(stay[-1].name.at)
        self.deleted = [write_second(decision.name.at) for decision in decisions if not decision.stays]

    def values(self) -> tuple[object, ...]:
        return (self.at, self.backups, self.oldest, ",".join(self.deleted))

    def shape(self) -> dict[str, object]:
        return {"at": self.at, "backups": self.backups, "oldest": self.oldest, "deleted": self.deleted}


class _Kept:
    """One backup that is there in the end, and why."""

    def __init__(self, decision: Decision) -> None:
        self.moment = decision.name.at
        self.at = write_second(decision.name.at)
        self.reasons = list(decision.reasons)

    def values(self) -> tuple[object, ...]:
        return (self.at, ",".join(self.reasons))

    def shape(self) -> dict[str, object]:
        return {"at": self.at, "reasons": self.reasons}


def show_list(table: Sequence[Column[Any]], rows: Sequence[_Day] | Sequence[_Kept], view: View) -> None:
    """Write the lines of a simulation."""
    if view.as_json:
        for row in rows:
            emit_json(row.shape())
        return
    emit_rows(table, rows, view, lambda row: row.values(), nothing="no backups")


def write_second(at: datetime) -> str:
    """``2026-09-01T03:00:00Z``."""
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


_DAILY_TABLE: Sequence[Column[_Day]] = (
    Column("DAY (UTC)", lambda day, _: day.at[:16].replace("T", " "), width=16),
    Column("BACKUPS", lambda day, _: str(day.backups), is_number=True),
    Column("OLDEST", lambda day, _: day.oldest[:10], width=10),
    Column("DELETED", lambda day, _: ", ".join(at[:10] for at in day.deleted) or "-", width=10, drop=1),
)
_KEPT_TABLE: Sequence[Column[_Kept]] = (
    Column("TAKEN (UTC)", lambda kept, _: kept.at[:16].replace("T", " "), width=16),
    Column("IN", lambda kept, view: show_age(kept.moment, now=view.now).removeprefix("in "), is_number=True),
    Column("WHY", lambda kept, _: ", ".join(kept.reasons), width=16),
)
