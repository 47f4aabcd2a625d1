"""``hyperjobs top failures``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from hyperjobs.cli import offer
from hyperjobs.cli.argument import Number, UnicodeText
from hyperjobs.cli.command import Group
from hyperjobs.cli.moment import Moment, show_age, write_instant
from hyperjobs.cli.opened import opened
from hyperjobs.cli.place import StorePlace, store_options
from hyperjobs.cli.selection import View, view_options
from hyperjobs.cli.setting import verbose_option
from hyperjobs.cli.stop import Stop
from hyperjobs.cli.table import Column, emit_json, emit_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from hyperjobs.store.failures import FailureGroup

_PERIOD = timedelta(days=7)
_LIMIT = 20


@click.group(
    "top",
    cls=Group,
    examples=[
        ("Why jobs failed in the last 30 days", "hyperjobs top failures --since 30d"),
    ],
)
def top_group() -> None:
    """Show what there is most of."""


@dataclass(frozen=True, slots=True)
class _Ranked:
    """A group, and its share of all failed jobs of the period."""

    group: FailureGroup
    share: float


@top_group.command(
    "failures",
    examples=[
        ("Why jobs failed in the last 30 days", "hyperjobs top failures --since 30d"),
        ("The same, for each provider", "hyperjobs top failures --since 30d --by provider"),
    ],
)
@click.option(
    "--since",
    type=Moment(),
    metavar="WHEN",
    help="Only jobs that failed at WHEN or later, by their end, else start, else creation; 7d when not given.",
)
@click.option("--until", type=Moment(), metavar="WHEN", help="Only jobs that failed before WHEN.")
@click.option("--by", type=click.Choice(["provider"]), help="A line for each provider and kind.")
@click.option(
    "--provider",
    type=UnicodeText(),
    metavar="NAME",
    shell_complete=offer.values_of("provider"),
    help="Only jobs of this provider.",
)
@click.option(
    "--limit", type=Number(1, 100_000), default=_LIMIT, metavar="N", help="At most N kinds; 20 when not given."
)
@view_options
@store_options
@verbose_option
def failures_command(  # noqa: PLR0913 - one for each option
    *,
    since: datetime | None,
    until: datetime | None,
    by: str | None,
    provider: str | None,
    limit: int,
    place: StorePlace,
    view: View,
) -> int:
    """Group failed jobs by the kind of their error, most first.

    Errors are of one kind when they differ only in ids, numbers, hosts, paths, sizes and times.
    """
    from hyperjobs.store.failures import group_failures  # noqa: PLC0415 - SQLite only where a store is read

    first = since if since is not None else view.now - _PERIOD
    if until is not None and first >= until:
        raise click.UsageError("--since is as late as --until or later, so no job can be in between")
    with opened(place, "a list of errors", read_only=True) as connection, Stop() as stop:
        groups = group_failures(
            connection,
            since=first,
            until=until,
            provider=provider,
            by_provider=by is not None,
            keep_on=stop.keep_on,
        )
    if stop.code:
        return stop.code
    total = sum(group.jobs for group in groups)
    ranked = [_Ranked(group, 100.0 * group.jobs / total) for group in groups[:limit]]
    if view.as_json:
        for each in ranked:
            emit_json(_shape(each))
        return 0
    table = _TABLE if by is not None else [column for column in _TABLE if column.title != "PROVIDER"]
    emit_rows(table, ranked, view, _values, nothing="no job failed in that time")
    return 0


def _shape(each: _Ranked) -> dict[str, object]:
    group = each.group
    return {
        "kind": group.kind,
        "provider": group.provider,
        "jobs": group.jobs,
        "share": round(each.share, 2),
        "first_at": write_instant(group.first_at),
        "last_at": write_instant(group.last_at),
        "example_id": group.example_id,
        "example": group.example,
    }


def _values(each: _Ranked) -> Iterable[object]:
    group = each.group
    times = (write_instant(group.first_at), write_instant(group.last_at))
    return (group.jobs, f"{each.share:.2f}", *times, group.example_id, group.kind, group.provider)


_TABLE: Sequence[Column[_Ranked]] = (
    Column("JOBS", lambda each, _: f"{each.group.jobs:,}", is_number=True),
    Column("SHARE", lambda each, _: f"{each.share:.0f}%", is_number=True),
    Column("PROVIDER", lambda each, _: each.group.provider or "-", width=10),
    Column("KIND", lambda each, _: each.group.kind or "(no error said)", lambda _: "red", width=30),
    Column("FIRST", lambda each, view: show_age(each.group.first_at, now=view.now), drop=2, is_number=True),
    Column("LAST", lambda each, view: show_age(each.group.last_at, now=view.now), is_number=True),
    Column("EXAMPLE", lambda each, _: each.group.example_id, drop=1, is_whole=True),
)
