"""``hyperjobs top failures``."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from hyperjobs.cli.argument import Number
from hyperjobs.cli.command import Group
from hyperjobs.cli.kinds import KINDS, show_kinds
from hyperjobs.cli.moment import Moment
from hyperjobs.cli.opened import opened
from hyperjobs.cli.place import StorePlace, store_options
from hyperjobs.cli.selection import View, provider_option, view_options
from hyperjobs.cli.setting import verbose_option
from hyperjobs.cli.stderr import note
from hyperjobs.cli.stop import Stop

if TYPE_CHECKING:
    from datetime import datetime

_PERIOD = timedelta(days=7)


@click.group(
    "top",
    cls=Group,
    examples=[
        ("Why jobs failed in the last 30 days", "hyperjobs top failures --since 30d"),
    ],
)
def top_group() -> None:
    """Show what there is most of."""


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
@provider_option
@click.option(
    "--limit", type=Number(1, 100_000), default=KINDS, metavar="N", help="At most N kinds; 20 when not given."
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
    show_kinds(groups, limit, view, by_provider=by is not None)
    if since is None and view.as_table:
        note(f"of the last {_PERIOD.days} days; --since 30d looks further back")
    return 0
