"""``hyperjobs list``, ``running`` and ``failed``."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from hyperjobs.cli.command import Command
from hyperjobs.cli.kinds import KINDS, show_kinds
from hyperjobs.cli.moment import show_age, show_instant, write_instant
from hyperjobs.cli.past import Past, past_options
from hyperjobs.cli.place import StorePlace, store_options
from hyperjobs.cli.selection import Selection, View, filter_options, page_options, status_option, view_options
from hyperjobs.cli.setting import setting_of, verbose_option
from hyperjobs.cli.shape import job_shape
from hyperjobs.cli.stderr import note
from hyperjobs.cli.table import STATUS_STYLES, Column, emit_json, emit_table, emit_values
from hyperjobs.store.cursor import write_cursor
from hyperjobs.store.models import Job, JobFilter, JobStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from hyperjobs.store.sqlite import SQLiteJobStore

LIST_LIMIT = 20
FAILED_LIMIT = 10
_PAGE_OPTIONS = ("--after", "--offset")
_NOW = Past()


def _status(job: Job, _view: View) -> str:
    return f"{job.status} {job.progress:.0f}%" if job.status == JobStatus.RUNNING else str(job.status)


def _status_style(job: Job) -> str:
    return STATUS_STYLES.get(job.status, "")


_ID: Column[Job] = Column("ID", lambda job, _: job.id, is_whole=True)
_VM: Column[Job] = Column("VM", lambda job, _: job.vm_name, width=12)
_PROVIDER: Column[Job] = Column("PROVIDER", lambda job, _: job.provider, drop=2)
_USER: Column[Job] = Column("USER", lambda job, _: job.user or "-", drop=3)
_AGE: Column[Job] = Column("AGE", lambda job, view: show_age(job.created_at, now=view.now), is_number=True)

LIST_TABLE: Sequence[Column[Job]] = (
    _ID,
    Column("STATUS", _status, _status_style, width=12),
    _VM,
    _PROVIDER,
    _USER,
    Column("CREATED", lambda job, view: show_instant(job.created_at, utc=view.utc), drop=1, width=16),
    _AGE,
)
RUNNING_TABLE: Sequence[Column[Job]] = (
    _ID,
    _VM,
    Column("PROGRESS", lambda job, _: f"{job.progress:.1f}%", lambda _: "cyan", is_number=True),
    _PROVIDER,
    _USER,
    Column("STARTED", lambda job, view: show_instant(job.started_at, utc=view.utc), drop=1, width=16),
    Column("FOR", lambda job, view: show_age(job.started_at, now=view.now), is_number=True),
)
FAILED_TABLE: Sequence[Column[Job]] = (
    _ID,
    _VM,
    _PROVIDER,
    _AGE,
    Column("ERROR", lambda job, _: job.error or "-", lambda _: "red", width=24),
)


def _list_values(job: Job) -> Iterable[object]:
    times = (write_instant(job.created_at), write_instant(job.started_at), write_instant(job.completed_at))
    return (job.id, job.status, job.vm_name, job.provider, job.user, *times, _number(job.progress), job.name)


def _running_values(job: Job) -> Iterable[object]:
    return (job.id, job.vm_name, _number(job.progress), job.provider, job.user, write_instant(job.started_at))


def _failed_values(job: Job) -> Iterable[object]:
    return (job.id, job.vm_name, job.error, job.provider, job.user, write_instant(job.completed_at))


def _number(value: float) -> str:
    return f"{value:g}"


@click.command(
    "list",
    cls=Command,
    examples=[
        ("What failed or runs, of the last week", "hyperjobs list --status failed,running --since 7d"),
        ("The ids of all jobs of a user, for a script", "hyperjobs list --user alice --limit all | cut -f 1"),
        ("The list as the newest backup before today has it", "hyperjobs list --at today"),
    ],
)
@status_option
@filter_options()
@page_options(LIST_LIMIT)
@past_options
@view_options
@store_options
@verbose_option
@click.pass_context
def list_command(context: click.Context, *, place: StorePlace, selection: Selection, past: Past, view: View) -> None:
    """List jobs, newest first."""
    show_jobs(context, place, selection, view, table=LIST_TABLE, values=_list_values, past=past)


@click.command(
    "running",
    cls=Command,
    examples=[
        ("What runs for one provider", "hyperjobs running --provider vsphere"),
    ],
)
@filter_options()
@page_options(None)
@view_options
@store_options
@verbose_option
@click.pass_context
def running_command(context: click.Context, *, place: StorePlace, selection: Selection, view: View) -> None:
    """List the jobs that are running, with their progress."""
    narrowed = _only(selection, JobStatus.RUNNING)
    show_jobs(context, place, narrowed, view, table=RUNNING_TABLE, values=_running_values)


@click.command(
    "failed",
    cls=Command,
    examples=[
        ("The last five failures, with their errors", "hyperjobs failed --limit 5"),
        ("Those of this week that speak of a timeout, as JSON", "hyperjobs failed --text timeout --since 7d --json"),
    ],
)
@click.option("--group", "is_grouped", is_flag=True, help="A line for each kind of error instead, most jobs first.")
@filter_options()
@page_options(FAILED_LIMIT)
@view_options
@store_options
@verbose_option
@click.pass_context
def failed_command(
    context: click.Context, *, is_grouped: bool, place: StorePlace, selection: Selection, view: View
) -> int:
    """List the newest jobs that failed, with their errors.

    With --group it counts them by the kind of their error, as 'top failures' does: how many, when the first and the last
    of them ended, and the id of the newest. --limit is then how many kinds, 20 when not given.
    """
    narrowed = _only(selection, JobStatus.FAILED)
    if is_grouped:
        return _show_groups(place, narrowed, view)
    show_jobs(context, place, narrowed, view, table=FAILED_TABLE, values=_failed_values)
    return 0


def _show_groups(place: StorePlace, selection: Selection, view: View) -> int:
    """Write the failed jobs by the kind of their error; the exit code."""
    from hyperjobs.store.failures import group_jobs  # noqa: PLC0415 - SQLite only where a store is read

    condition = selection.filter
    if condition.offset or condition.after is not None:
        raise click.UsageError("--group counts all jobs that fit: it goes with neither --offset nor --after")
    limit = condition.limit if selection.limit_named else KINDS
    with place.open() as store:
        groups = group_jobs(store.iter_jobs(replace(condition, limit=None)))
    show_kinds(groups, len(groups) if limit is None else limit, view, by_provider=False)
    return 0


def _only(selection: Selection, status: JobStatus) -> Selection:
    return replace(selection, filter=replace(selection.filter, status=status))


def show_jobs(  # noqa: PLR0913 - what to read, then how to show it
    context: click.Context,
    place: StorePlace,
    selection: Selection,
    view: View,
    *,
    table: Sequence[Column[Job]],
    values: Callable[[Job], Iterable[object]],
    past: Past = _NOW,
) -> None:
    """Write the selected jobs; say on standard error how to get the next page when there is one."""
    with past.open(place) as store:
        page = _Page(store, selection.filter)
        if view.as_json:
            for job in page:
                emit_json(job_shape(job))
        elif view.as_table:
            _show_table(list(page), table, view)
        else:
            for job in page:
                emit_values(values(job))
    if page.next_cursor and (view.as_table or not selection.limit_named):
        _hint(context, page.next_cursor)


class _Page:
    """The jobs of a filter, read as they are asked for; afterwards it knows whether there are more.

    Attributes:
        next_cursor: after the last job, where the next page begins; ``None`` when this was the last.
    """

    def __init__(self, store: SQLiteJobStore, condition: JobFilter) -> None:
        self._store = store
        self._filter = condition
        self.next_cursor: str | None = None

    def __iter__(self) -> Iterator[Job]:
        limit = self._filter.limit
        if limit is None:
            yield from self._store.iter_jobs(self._filter)
            return
        last: Job | None = None
        for number, job in enumerate(self._store.iter_jobs(replace(self._filter, limit=limit + 1))):
            if number == limit and last is not None:
                self.next_cursor = write_cursor(last.cursor)
                return
            last = job
            yield job


def _show_table(jobs: Sequence[Job], table: Sequence[Column[Job]], view: View) -> None:
    if jobs:
        emit_table(table, jobs, view)
    else:
        note("no jobs")


def _hint(context: click.Context, cursor: str) -> None:
    """Name the command for the next page: the same words, from the last job on."""
    words = ["hyperjobs", *_without(_PAGE_OPTIONS, setting_of(context).words or (str(context.info_name),))]
    note(f"there are more; next page: {shlex.join([*words, '--after', cursor])}")


def _without(options: Collection[str], words: Iterable[str]) -> Iterator[str]:
    """The words of a command line but for some options and their values."""
    rest = iter(words)
    for word in rest:
        option, equals, _ = word.partition("=")
        if option not in options:
            yield word
        elif not equals:
            next(rest, None)
