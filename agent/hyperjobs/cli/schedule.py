"""``hyperjobs schedule``."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

import click

from hyperjobs.cli.command import Group
from hyperjobs.cli.moment import show_age, write_instant
from hyperjobs.cli.place import config_option
from hyperjobs.cli.preview import preview_command
from hyperjobs.cli.setting import json_option, setting_of, verbose_option
from hyperjobs.cli.table import Column, emit_json, emit_table, emit_values
from hyperjobs.cli.timetable import configured_entries, show_minute, view_at
from hyperjobs.duration import format_duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hyperjobs.cli.selection import View
    from hyperjobs.maintenance.plan import Planned
    from hyperjobs.maintenance.timetable import TimetableEntry


@click.group(
    "schedule",
    cls=Group,
    invoke_without_command=True,
    examples=[
        ("When each task runs next", "hyperjobs schedule"),
    ],
)
@json_option("JSON Lines.")
@config_option
@verbose_option
@click.pass_context
def schedule_group(context: click.Context, *, as_json: bool, file: str | None) -> None:
    """Show when each task of the configuration runs next."""
    if context.invoked_subcommand is not None:
        return
    from hyperjobs.maintenance.plan import upcoming  # noqa: PLC0415 - only where slots are looked for

    now = setting_of(context).clock.now()
    show_planned(upcoming(configured_entries(file), now, 1), view_at(now, as_json=as_json))


schedule_group.add_command(preview_command)


def show_planned(planned: Sequence[Planned], view: View) -> None:
    """Write what comes next."""
    if view.as_table:
        emit_table(_PLANNED_TABLE, planned, view)
        return
    for each in planned:
        local = each.starts.astimezone(each.entry.zone).isoformat(timespec="seconds")
        if view.as_json:
            emit_json(
                {
                    "task": each.entry.task,
                    "starts_at": write_instant(each.starts),
                    "local": local,
                    "zone": each.entry.zone.key,
                    "slot": each.slot.nominal,
                    "schedule": str(each.entry.schedule),
                    "jitter_seconds": each.entry.jitter.total_seconds(),
                    "window": None if each.entry.window is None else str(each.entry.window),
                }
            )
        else:
            emit_values((each.entry.task, local, write_instant(each.starts), _reason(each.entry)))


def _reason(entry: TimetableEntry) -> str:
    """Why a task runs when it does: its schedule, and what moves it."""
    words = [str(entry.schedule)]
    if entry.jitter:
        words.append(f"up to {format_duration(entry.jitter)} later")
    if entry.window is not None:
        words.append(f"within {entry.window}")
    return ", ".join(words)


_PLANNED_TABLE: Sequence[Column[Planned]] = (
    Column("TASK", lambda each, _: each.entry.task, is_whole=True),
    Column(
        "NEXT",
        lambda each, _: f"{show_minute(each.starts.astimezone(each.entry.zone))} {each.entry.zone.key}",
        width=22,
    ),
    Column("UTC", lambda each, _: show_minute(each.starts.astimezone(UTC)), drop=2, width=16),
    Column("IN", lambda each, view: show_age(each.starts, now=view.now).removeprefix("in "), drop=3, is_number=True),
    Column("SCHEDULE", lambda each, _: _reason(each.entry), drop=1, width=16),
)
