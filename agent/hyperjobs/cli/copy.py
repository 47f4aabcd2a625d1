"""``hyperjobs copy``."""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from hyperjobs.cli.ask import ask
from hyperjobs.cli.command import Command
from hyperjobs.cli.event import record_event
from hyperjobs.cli.place import StorePlace
from hyperjobs.cli.selection import Selection, filter_options, status_option
from hyperjobs.cli.setting import setting_of, verbose_option
from hyperjobs.cli.stderr import note
from hyperjobs.cli.table import emit, emit_json
from hyperjobs.cli.text import printable
from hyperjobs.cli.transfer import policy_options, refuse_frozen, said, stoppable
from hyperjobs.errors import StoreNotFoundError


@click.command(
    "copy",
    cls=Command,
    examples=[
        (
            "See what would come over from a user's own store",
            "hyperjobs copy ~/.hypersdk/jobs.db /var/lib/hypersdk/jobs.db --dry-run",
        ),
        (
            "Make a new store of one provider's jobs",
            "hyperjobs copy jobs.db vsphere.db --create --provider vsphere --yes",
        ),
    ],
)
@click.argument("source", metavar="SRC")
@click.argument("target", metavar="DST")
@click.option("--create", is_flag=True, help="Make DST when it is not there.")
@click.option("--utc", is_flag=True, is_eager=True, help="Read times in UTC, not in the local zone.")
@click.option("--config", metavar="FILE", help="The configuration file that says where state is kept.")
@policy_options
@status_option
@filter_options()
@verbose_option
@click.pass_context
def copy_command(  # noqa: PLR0913 - one for each option
    context: click.Context,
    *,
    source: str,
    target: str,
    create: bool,
    utc: bool,  # noqa: ARG001 - heeded where moments are read
    config: str | None,
    policy: str,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    selection: Selection,
) -> int:
    """Put the jobs of the store SRC into the store DST, to the bit.

    Both may be in use. Neither counts its jobs as new ones: a ledger's gauges move, its counters do not.
    """
    from hyperjobs.maintenance.transfer.importing import copy_jobs  # noqa: PLC0415 - SQLite only where it is used
    from hyperjobs.store.merging import Policy  # noqa: PLC0415 - as above
    from hyperjobs.store.sqlite import open_store  # noqa: PLC0415 - as above

    place = StorePlace(target, config)
    read, written = replace(place, store=source).find(), place.find()
    is_new = not written.exists()
    if is_new and not create:
        raise StoreNotFoundError(f"{target}: there is no job store; make one with --create")
    if not dry_run and not is_new:
        refuse_frozen(context, place)
    if not (dry_run or yes):
        ask(f"put the jobs of {printable(source)} into {printable(target)}? [y/N] ")
    detail: dict[str, Any]
    started_at, done = setting_of(context).clock.now(), None
    with contextlib.ExitStack() as stack:
        turn, stop = stack.enter_context(stoppable(context, is_dry=dry_run))
        if is_new and dry_run:
            written = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "none.db"
        if is_new:
            open_store(written, create=True).close()
        done = copy_jobs(read, written, turn, policy=Policy(policy), jobs=selection.filter)
    if done is None:
        note("stopped; what was put in stays, and the same again does the rest")
        if not dry_run:
            half = f"{source}: stopped; what was put in stays"
            detail = {"source": source}
            record_event(context, place, "copy", half, started_at=started_at, detail=detail, outcome="interrupted")
        return stop.code
    if not dry_run:  # first, for a pipe that nobody reads ends the process
        detail = {"source": source, **done.shape()}
        record_event(context, place, "copy", said(source, done, dry_run=False), started_at=started_at, detail=detail)
    if as_json:
        emit_json({"source": source, "target": target, "dry_run": dry_run, **done.shape()})
    else:
        emit(said(source, done, dry_run=dry_run))
    return 0
