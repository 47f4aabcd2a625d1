"""``hyperjobs export``."""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hyperjobs.cli.argument import Count
from hyperjobs.cli.command import Command
from hyperjobs.cli.place import StorePlace, store_options
from hyperjobs.cli.selection import Selection, filter_options, status_option
from hyperjobs.cli.setting import json_option, verbose_option
from hyperjobs.cli.table import emit, emit_json
from hyperjobs.cli.text import printable
from hyperjobs.cli.transfer import stoppable

if TYPE_CHECKING:
    from collections.abc import Callable

_STDOUT = "-"


@click.command(
    "export",
    cls=Command,
    examples=[
        ("The failed jobs of 30 days, for a spreadsheet", "hyperjobs export --status failed --since 30d failed.csv"),
        ("All jobs of one moment, compressed", "hyperjobs export --consistent jobs.jsonl.zst"),
        ("Into another program", "hyperjobs export | gzip > jobs.jsonl.gz"),
    ],
)
@click.argument("file", default=_STDOUT, metavar="[FILE|-]")
@click.option(
    "--format",
    "form",
    type=click.Choice(["jsonl", "json", "csv"]),
    help="By default what the file's name says, else jsonl; .gz and .zst at its end compress.",
)
@click.option(
    "--sort",
    type=click.Choice(["id", "newest", "oldest"]),
    default="id",
    help="Order of the jobs, by id when not given; any other holds one snapshot of the store.",
)
@click.option("--limit", type=Count(least=1), metavar="N", help="At most N jobs.")
@click.option("--consistent", is_flag=True, help="The jobs of one moment; checkpoints wait until it is done.")
@click.option("--no-guard", is_flag=True, help="CSV: leave texts that a spreadsheet takes for formulas as they are.")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@click.option("--utc", is_flag=True, is_eager=True, help="Read times in UTC, not in the local zone.")
@json_option("Say what was written as one line of JSON.")
@status_option
@filter_options()
@store_options
@verbose_option
@click.pass_context
def export_command(  # noqa: PLR0913 - one for each option
    context: click.Context,
    *,
    file: str,
    form: str | None,
    sort: str,
    limit: int | None,
    consistent: bool,
    no_guard: bool,
    force: bool,
    utc: bool,  # noqa: ARG001 - heeded where moments are read
    as_json: bool,
    selection: Selection,
    place: StorePlace,
) -> int:
    """Write jobs to a file or to standard output.

    JSON Lines (jsonl) holds every row to the bit; json is an array as 'sqlite3 -json' writes it; csv is for
    spreadsheets. A name that ends in .gz or .zst is compressed. The file appears whole or not at all.
    """
    from hyperjobs.maintenance.transfer.exporting import export_jobs  # noqa: PLC0415 - SQLite only where it is used
    from hyperjobs.maintenance.transfer.formats import Format  # noqa: PLC0415 - as above
    from hyperjobs.store.walk import Order  # noqa: PLC0415 - as above

    if file == _STDOUT and as_json:
        raise click.UsageError("--json says what was written to a file; standard output takes the jobs themselves")
    store = place.find()
    # a signal ends what writes to a pipe at once: whoever should read it may not be there any more
    with stoppable(context, heeds_signals=file != _STDOUT) as (turn, stop):
        done = export_jobs(
            store,
            _writer() if file == _STDOUT else Path(file),
            turn,
            form=Format(form) if form else None,
            jobs=replace(selection.filter, limit=limit),
            order=Order(sort),
            is_consistent=consistent,
            is_guarded=not no_guard,
            may_replace=force,
        )
    if stop.code or file == _STDOUT:
        return stop.code
    if as_json:
        emit_json({"path": file, **asdict(done)})
    else:
        emit(f"{printable(file)}: {done.jobs:,} jobs")
    return 0


def _writer() -> Callable[[bytes], object]:
    """What writes to standard output; on a terminal no text of a job can drive it."""
    if not sys.stdout.isatty():
        return sys.stdout.buffer.write
    return lambda data: sys.stdout.write("\n".join(map(printable, data.decode().split("\n"))))
