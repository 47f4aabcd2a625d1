"""``hyperjobs import``."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hyperjobs.cli.ask import ask
from hyperjobs.cli.command import Command
from hyperjobs.cli.event import record_event
from hyperjobs.cli.place import StorePlace, store_options
from hyperjobs.cli.setting import setting_of, verbose_option
from hyperjobs.cli.stderr import note
from hyperjobs.cli.table import emit, emit_json
from hyperjobs.cli.text import printable
from hyperjobs.cli.transfer import policy_options, refuse_frozen, said, stoppable

if TYPE_CHECKING:
    from hyperjobs.maintenance.transfer.reading import Rejected

FORMATS = ("auto", "jsonl", "archive", "json", "csv", "history", "daemon")


@click.command(
    "import",
    cls=Command,
    examples=[
        ("See what would come of hyperexport's history", "hyperjobs import --dry-run ~/.hyperexport/history.json"),
        (
            "Take the jobs of an export that are newer than ours",
            "hyperjobs import exported.jsonl.zst --policy newer --yes",
        ),
    ],
)
@click.argument("file", metavar="FILE")
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="auto",
    help="What the file is; auto, the default, looks at what is in it.",
)
@click.option(
    "--strict", is_flag=True, help="Take of JSON Lines and archives only what hypersdk's own client could read."
)
@click.option("--no-guard", is_flag=True, help="CSV: it was exported with --no-guard.")
@click.option("--rejects", metavar="FILE", help="Write the rows that are not taken there, with line and reason.")
@policy_options
@store_options
@verbose_option
@click.pass_context
def import_command(  # noqa: PLR0913 - one for each option
    context: click.Context,
    *,
    file: str,
    form: str,
    strict: bool,
    no_guard: bool,
    rejects: str | None,
    policy: str,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    place: StorePlace,
) -> int:
    """Put the jobs of a file into a store.

    The file is an export, an archive of a prune, an array of 'sqlite3 -json', hyperexport's history.json, or what the
    daemon's REST interface answers. Rows that are no jobs are left out and counted by reason. The same again does
    nothing, or the rest of what a kill left.
    """
    from hyperjobs.maintenance.transfer.importing import Imported, import_jobs  # noqa: PLC0415 - SQLite only where used
    from hyperjobs.maintenance.transfer.output import whole_file  # noqa: PLC0415 - as above
    from hyperjobs.maintenance.transfer.reading import Source  # noqa: PLC0415 - as above
    from hyperjobs.store.merging import Policy  # noqa: PLC0415 - as above

    store = place.find()
    if not dry_run:
        refuse_frozen(context, place)
        if not yes:
            ask(f"put the jobs of {printable(file)} into {printable(str(store))}? [y/N] ")
    done: Imported | None = None
    detail: dict[str, Any]
    started_at = setting_of(context).clock.now()
    with contextlib.ExitStack() as stack:
        write = stack.enter_context(whole_file(Path(rejects))) if rejects else None
        turn, stop = stack.enter_context(stoppable(context, is_dry=dry_run))

        def rejected(row: Rejected) -> None:
            if write is not None:
                write(_reject(row))

        done = import_jobs(
            store,
            Path(file),
            turn,
            source=None if form == "auto" else Source(form),
            policy=Policy(policy),
            is_strict=strict,
            is_guarded=not no_guard,
            rejected=rejected,
        )
    if done is None:
        note("stopped; what was put in stays, and the same again does the rest")
        if not dry_run:
            half = f"{file}: stopped; what was put in stays"
            detail = {"file": file}
            record_event(context, place, "import", half, started_at=started_at, detail=detail, outcome="interrupted")
        return stop.code
    if not dry_run:  # first, for a pipe that nobody reads ends the process
        detail = {"file": file, **done.shape()}
        record_event(context, place, "import", said(file, done, dry_run=False), started_at=started_at, detail=detail)
    if as_json:
        emit_json({"file": file, "dry_run": dry_run, **done.shape()})
    else:
        emit(said(file, done, dry_run=dry_run))
        for reason in done.shape()["reasons"]:
            note(
                f"{printable(file)}: {reason['rows']:,} rows not taken: {printable(reason['reason'])}; the first is {reason['first_line']}"
            )
    return 1 if done.rejected else 0


def _reject(row: Rejected) -> bytes:
    return json.dumps({"line": row.line, "reason": row.reason, "row": row.raw}).encode() + b"\n"
