"""``hyperjobs stats``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from hyperjobs.cli.command import Command
from hyperjobs.cli.place import StorePlace, store_options
from hyperjobs.cli.selection import Selection, View, filter_options, view_options
from hyperjobs.cli.setting import verbose_option
from hyperjobs.cli.shape import stats_shape
from hyperjobs.cli.show import show_bytes
from hyperjobs.cli.table import STATUS_STYLES, Column, emit_json, emit_table, emit_values
from hyperjobs.cli.tally import count_jobs
from hyperjobs.store.models import JobFilter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hyperjobs.store.models import JobStats
    from hyperjobs.store.protocols import Grouping
    from hyperjobs.store.sqlite import SQLiteJobStore

GROUPS = ("provider", "user", "day")
_DROPPED = {"other": 4, "size": 3, "cancelled": 2, "pending": 1}  # in a narrow terminal, the highest first
_STATUSES = ("pending", "running", "completed", "failed", "cancelled", "other")


def _rate(stats: JobStats) -> str:
    return "-" if stats.success_rate is None else f"{stats.success_rate:.1f}%"


def _count_column(status: str) -> Column[JobStats]:
    style = STATUS_STYLES.get(status, "")
    return Column(
        status.upper(),
        lambda stats, _: str(getattr(stats, status)),
        lambda stats: style if getattr(stats, status) else "dim",
        is_number=True,
        drop=_DROPPED.get(status, 0),
    )


GROUP_TABLE: Sequence[Column[JobStats]] = (
    Column("GROUP", lambda stats, _: stats.group or "-", is_whole=True),
    Column("TOTAL", lambda stats, _: str(stats.total), is_number=True),
    *(_count_column(status) for status in _STATUSES),
    Column("SIZE", lambda stats, _: show_bytes(stats.total_size), is_number=True, drop=_DROPPED["size"]),
    Column("SUCCESS", lambda stats, _: _rate(stats), is_number=True),
)


@click.command(
    "stats",
    cls=Command,
    examples=[
        ("How many jobs there are of each status", "hyperjobs stats"),
        ("The success rate of each provider in the last 30 days", "hyperjobs stats --by provider --since 30d"),
    ],
)
@click.option("--by", type=click.Choice(GROUPS), help="One line a provider, user or day; a day is one of UTC.")
@filter_options(period="finished")
@view_options
@store_options
@verbose_option
def stats_command(*, by: Grouping | None, place: StorePlace, selection: Selection, view: View) -> None:
    """Count jobs by status, and the success rate.

    The success rate is completed jobs among completed and failed ones. With --since or --until it counts the jobs that
    finished in that period; where a ledger watches the store, by the hour, and with the jobs that are pruned by now.
    """
    with place.open() as store:
        groups = read_stats(store, selection, by)
    if view.as_json:
        for stats in groups:
            emit_json(stats_shape(stats))
    elif by is None:
        _show_totals(groups[0], view)
    elif not view.as_table:
        for stats in groups:
            emit_values(stats_shape(stats).values())
    elif groups:
        emit_table(GROUP_TABLE, groups, view)


def read_stats(store: SQLiteJobStore, selection: Selection, by: Grouping | None) -> list[JobStats]:
    """The numbers asked for; one entry when ``by`` is ``None``, else one a group in their order."""
    condition = selection.filter
    since, until = condition.since, condition.until
    if replace(condition, since=None, until=None) != JobFilter():
        return count_jobs(store, condition, by)
    if by is None:
        return [store.get_job_stats(since=since, until=until)]
    return store.get_job_stats(by, since=since, until=until)


def _show_totals(stats: JobStats, view: View) -> None:
    shape = {name: value for name, value in stats_shape(stats).items() if name != "group"}
    if not view.as_table:
        for name, value in shape.items():
            emit_values((name, value if not isinstance(value, float) else f"{value:.2f}"))
        return
    rows = [(name, str(shape[name])) for name in ("total", *_STATUSES) if name != "other" or stats.other]
    rows += [("size", show_bytes(stats.total_size)), ("success rate", _rate(stats))]
    table: Sequence[Column[tuple[str, str]]] = (
        Column("JOBS", lambda row, _: row[0], lambda row: STATUS_STYLES.get(row[0], "")),
        Column("", lambda row, _: row[1], is_number=True),
    )
    emit_table(table, rows, view)
