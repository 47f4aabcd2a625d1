"""``hyperjobs schedule preview``."""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import click

from hyperjobs.cli import offer
from hyperjobs.cli.argument import Number
from hyperjobs.cli.command import Command
from hyperjobs.cli.lazy import nearest
from hyperjobs.cli.moment import write_instant
from hyperjobs.cli.place import config_option
from hyperjobs.cli.setting import json_option, setting_of, verbose_option
from hyperjobs.cli.table import Column, emit_json, emit_table, emit_values
from hyperjobs.cli.timetable import configured_entries, show_minute, view_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from zoneinfo import ZoneInfo

    from hyperjobs.cli.selection import View
    from hyperjobs.cron.shift import Shift
    from hyperjobs.cron.slots import Slot
    from hyperjobs.maintenance.timetable import TimetableEntry

_FIRST_DATE, _LAST_DATE = date(1900, 1, 1), date(9000, 1, 1)
_DAYS = 7
_MOST_ROWS = 10_000
_MOST_DAYS = 3660


@dataclass(frozen=True, slots=True)
class PreviewedSlot:
    """A slot of a preview.

    Attributes:
        task: whose it is; empty for an expression that was only tried.
        local: when it runs, in the zone of the schedule.
        shift: what a change of the clocks did to it.
    """

    task: str
    slot: Slot
    local: datetime
    shift: Shift | None

    @property
    def note(self) -> str:
        """The shift in words."""
        time_of_day = self.slot.nominal.partition(" ")[0].partition("T")[2]
        words = {
            None: "",
            "gap": f"no {time_of_day}: runs after the gap",
            "repeated": f"{time_of_day} twice: runs the first",
            "interval": "clocks change: real time",
        }
        return words[self.shift]


class _Date(click.ParamType):  # type: ignore[type-arg]  # generic only in newer releases of click
    """A date such as 2026-10-24."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """The date, or a usage error."""
        try:
            day = date.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a date; write it as 2026-10-24", param, ctx)
        if not _FIRST_DATE <= day <= _LAST_DATE:
            self.fail(f"{value!r} is not between {_FIRST_DATE} and {_LAST_DATE}", param, ctx)
        return day


@click.command(
    "preview",
    cls=Command,
    examples=[
        ("The backups of the next two weeks", "hyperjobs schedule preview --task backup --days 14"),
        (
            "What the end of summer time does to an expression",
            'hyperjobs schedule preview --cron "30 2 * * *" --tz Europe/Madrid --from 2026-10-24',
        ),
    ],
)
@click.option("--from", "first", type=_Date(), metavar="DATE", help="The first local day; today when not given.")
@click.option(
    "--days", type=Number(1, _MOST_DAYS), metavar="N", default=_DAYS, help=f"How many days; {_DAYS} when not given."
)
@click.option(
    "--tz",
    "zone",
    metavar="ZONE",
    shell_complete=offer.zones,
    help="The time zone; by default each task's own, and UTC for --cron.",
)
@click.option(
    "--task",
    metavar="NAME",
    shell_complete=offer.words(*offer.SCHEDULED),
    help="Only this task; else all but those that run every few minutes.",
)
@click.option("--cron", metavar="EXPR", help='An expression to try, such as "30 2 * * *"; no configuration is read.')
@json_option("JSON Lines.")
@config_option
@verbose_option
@click.pass_context
def preview_command(  # noqa: PLR0913 - one for each option
    context: click.Context,
    *,
    first: date | None,
    days: int,
    zone: str | None,
    task: str | None,
    cron: str | None,
    as_json: bool,
    file: str | None,
) -> None:
    """Show each slot of the coming days, and what changes of the clocks do to them."""
    if cron is not None and task is not None:
        raise click.UsageError("--cron and --task do not go together")
    now = setting_of(context).clock.now()
    entries = [_tried(cron, zone)] if cron is not None else _chosen(configured_entries(file), task, zone)
    slots = (preview(entry, first or now.astimezone(entry.zone).date(), days) for entry in entries)
    show_preview(heapq.merge(*slots, key=lambda each: each.slot.at), view_at(now, as_json=as_json))


def preview(entry: TimetableEntry, first: date, days: int) -> Iterator[PreviewedSlot]:
    """The slots of one task on so many local days."""
    from hyperjobs.cron.expression import Schedule  # noqa: PLC0415 - only where slots are looked for
    from hyperjobs.cron.shift import shift_of  # noqa: PLC0415 - as above
    from hyperjobs.cron.zone import first_instant  # noqa: PLC0415 - as above

    if isinstance(entry.schedule, Schedule):
        for slot in entry.schedule.on(first, days):
            yield PreviewedSlot(entry.task, slot, slot.at.astimezone(entry.zone), shift_of(entry.schedule, slot))
        return
    tick = timedelta(microseconds=1)
    start, end = (
        first_instant(datetime.combine(day, time()), entry.zone) - tick for day in (first, first + timedelta(days=days))
    )
    for slot in entry.schedule.between(start, end):
        yield PreviewedSlot(entry.task, slot, slot.at.astimezone(entry.zone), None)


def show_preview(slots: Iterator[PreviewedSlot], view: View) -> None:
    """Write the slots of a preview, each as it is found; a table is for people, and has an end."""
    if view.as_table:
        found = list(itertools.islice(slots, _MOST_ROWS + 1))
        if len(found) > _MOST_ROWS:
            raise click.UsageError(f"these are more than {_MOST_ROWS:,} slots; ask for fewer --days, or one --task")
        emit_table(
            [column for column in _PREVIEW_TABLE if column.title != "TASK" or any(each.task for each in found)],
            found,
            view,
        )
        return
    for each in slots:
        local = each.local.isoformat(timespec="seconds")
        if view.as_json:
            emit_json(
                {
                    "task": each.task or None,
                    "slot": each.slot.nominal,
                    "at": write_instant(each.slot.at),
                    "local": local,
                    "shift": each.shift,
                }
            )
        else:
            emit_values((each.task, local, write_instant(each.slot.at), each.note))


_PREVIEW_TABLE: Sequence[Column[PreviewedSlot]] = (
    Column("TASK", lambda each, _: each.task, is_whole=True),
    Column("LOCAL", lambda each, _: each.local.strftime("%a %Y-%m-%d %H:%M %z"), width=26),
    Column("UTC", lambda each, _: show_minute(each.slot.at.astimezone(UTC)), drop=1, width=16),
    Column("NOTE", lambda each, _: each.note, lambda _: "yellow", width=12),
)


def _chosen(entries: Sequence[TimetableEntry], task: str | None, zone: str | None) -> list[TimetableEntry]:
    """The entries asked for, their schedules read in the zone asked for."""
    from dataclasses import replace  # noqa: PLC0415 - only here

    from hyperjobs.cron.expression import Schedule, parse_schedule  # noqa: PLC0415 - only where slots are looked for

    by_name = {entry.task: entry for entry in entries}
    if task is not None and task not in by_name:
        raise click.BadParameter(f"no task {task!r} has a schedule{nearest(task, by_name)}", param_hint="--task")
    chosen = [
        entry for entry in entries if (entry.task == task if task is not None else isinstance(entry.schedule, Schedule))
    ]
    if zone is None:
        return chosen
    tz = _zone(zone)
    return [
        replace(
            entry,
            zone=tz,
            schedule=parse_schedule(entry.schedule.text, zone)
            if isinstance(entry.schedule, Schedule)
            else entry.schedule,
        )
        for entry in chosen
    ]


def _tried(expression: str, zone: str | None) -> TimetableEntry:
    from hyperjobs.cron.expression import parse_schedule  # noqa: PLC0415 - only where slots are looked for
    from hyperjobs.maintenance.timetable import TimetableEntry  # noqa: PLC0415 - as above

    tz = _zone(zone or "UTC")
    try:
        schedule = parse_schedule(expression, tz.key)
    except ValueError as exc:
        raise click.BadParameter(f"{expression!r} {exc}", param_hint="--cron") from exc
    return TimetableEntry(task="", schedule=schedule, zone=tz)


def _zone(name: str) -> ZoneInfo:
    from hyperjobs.cron.zone import find_zone  # noqa: PLC0415 - only where slots are looked for

    try:
        return find_zone(name)
    except ValueError as exc:
        raise click.BadParameter(str(exc), param_hint="--tz") from exc
