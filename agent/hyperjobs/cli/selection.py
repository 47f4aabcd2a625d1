"""The options that say which jobs, and how the answer looks."""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from hyperjobs.cli import offer
from hyperjobs.cli.argument import ALL, Count, StatusWords, UnicodeText
from hyperjobs.cli.cursor import Cursor
from hyperjobs.cli.moment import Moment
from hyperjobs.cli.setting import json_option, setting_of
from hyperjobs.store.models import JobCursor, JobFilter

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class View:
    """How an answer is shown.

    Attributes:
        as_json: as JSON, whoever reads.
        as_table: as a table for a person; else as tab-separated values.
        utc: times of a table are in UTC, not in the local zone.
        now: what ages are counted from.
    """

    as_json: bool
    as_table: bool
    utc: bool
    now: datetime


@dataclass(frozen=True, slots=True)
class Selection:
    """Which jobs a command line asked for.

    Attributes:
        limit_named: the person chose how many, so that the rest need not be mentioned.
    """

    filter: JobFilter
    limit_named: bool = False


provider_option = click.option(
    "--provider",
    type=UnicodeText(),
    metavar="NAME",
    shell_complete=offer.values_of("provider"),
    help="Only jobs of this provider.",
)


def status_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--status``; :func:`filter_options` takes it up."""
    option = click.option(
        "--status",
        type=StatusWords(),
        metavar="STATUS",
        multiple=True,
        help="Only jobs in this status: pending, running, completed, failed or cancelled; repeat it, or put commas between.",
    )
    decorated: Callable[..., Any] = option(command)
    return decorated


def filter_options(*, period: str = "created") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the conditions on jobs; the command gets them as one :class:`Selection` named ``selection``.

    Args:
        period: what a job must have done between ``--since`` and ``--until``, for their help.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @provider_option
        @click.option(
            "--user",
            type=UnicodeText(),
            metavar="NAME",
            shell_complete=offer.values_of("user"),
            help="Only jobs of this user.",
        )
        @click.option(
            "--vm",
            type=UnicodeText(),
            metavar="NAME",
            shell_complete=offer.values_of("vm_name"),
            help="Only jobs of this virtual machine.",
        )
        @click.option(
            "--text",
            type=UnicodeText(),
            metavar="TEXT",
            help="Only jobs with this text in their name or error, in upper or lower case.",
        )
        @click.option(
            "--since", type=Moment(), metavar="WHEN", help=f"Only jobs {period} at WHEN (7d, 2026-09-01, …) or later."
        )
        @click.option("--until", type=Moment(), metavar="WHEN", help=f"Only jobs {period} before WHEN.")
        @functools.wraps(command)
        def with_selection(*args: Any, **options: Any) -> Any:
            selection = _select(options)
            return command(*args, selection=selection, **options)

        return with_selection

    return decorate


def page_options(default: int | None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add ``--limit``, ``--offset`` and ``--after`` to a command with :func:`filter_options`.

    Args:
        default: so many jobs when nothing is said; ``None`` for all.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @click.option(
            "--limit",
            type=Count(least=1, takes_all=True),
            metavar="N",
            help=f"At most N jobs, or 'all'; {default or ALL} when not given.",
        )
        @click.option("--offset", type=Count(least=0), metavar="N", default=0, help="Leave out the first N jobs.")
        @click.option(
            "--after",
            type=Cursor(),
            metavar="CURSOR",
            help="The next page: what comes after this cursor; as fast at any depth.",
        )
        @functools.wraps(command)
        def with_page(
            *args: Any,
            selection: Selection,
            limit: int | str | None,
            offset: int,
            after: JobCursor | None,
            **options: Any,
        ) -> Any:
            most = default if limit is None else None if limit == ALL else int(limit)
            page = replace(selection.filter, limit=most, offset=offset, after=after)
            return command(*args, selection=Selection(page, limit_named=limit is not None), **options)

        return with_page

    return decorate


def view_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--json`` and ``--utc``; the command gets them as one :class:`View` named ``view``."""

    @json_option("Answer as JSON.")
    @click.option("--utc", is_flag=True, is_eager=True, help="Read and show times in UTC, not in the local zone.")
    @functools.wraps(command)
    def with_view(*args: Any, as_json: bool, utc: bool, **options: Any) -> Any:
        now = setting_of(click.get_current_context()).clock.now()
        view = View(as_json=as_json, as_table=not as_json and sys.stdout.isatty(), utc=utc, now=now)
        return command(*args, view=view, **options)

    return with_view


def _select(options: dict[str, Any]) -> Selection:
    """Take the conditions out of a command's options."""
    statuses = tuple(dict.fromkeys(word for words in options.pop("status", ()) for word in words))
    since, until = options.pop("since"), options.pop("until")
    if since is not None and until is not None and since >= until:
        raise click.UsageError("--since is as late as --until or later, so no job can be in between")
    return Selection(
        JobFilter(
            status=statuses or None,
            provider=options.pop("provider"),
            user=options.pop("user"),
            vm_name=options.pop("vm"),
            since=since,
            until=until,
            text=options.pop("text"),
        )
    )
