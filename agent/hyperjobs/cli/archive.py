"""``hyperjobs prune list`` and ``hyperjobs prune undo RUN``."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hyperjobs.cli import offer
from hyperjobs.cli.argument import UnicodeText
from hyperjobs.cli.ask import ask
from hyperjobs.cli.command import Command
from hyperjobs.cli.event import record_event
from hyperjobs.cli.moment import show_age
from hyperjobs.cli.place import StorePlace, store_options
from hyperjobs.cli.setting import json_option, setting_of, verbose_option
from hyperjobs.cli.shape import with_instants
from hyperjobs.cli.show import show_bytes
from hyperjobs.cli.stop import Progress, Stop
from hyperjobs.cli.table import Column, emit, emit_json, emit_rows
from hyperjobs.cli.text import printable
from hyperjobs.cli.timetable import view_at

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hyperjobs.maintenance.prune.manifest import ArchiveManifest
    from hyperjobs.maintenance.prune.name import ArchiveName
    from hyperjobs.maintenance.prune.undo import Undone


def archive_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--dir``."""
    option = click.option(
        "--dir", "directory", metavar="DIR", help="The directory of archives; by default the configuration's."
    )
    decorated: Callable[..., Any] = option(command)
    return decorated


@click.command(
    "list",
    cls=Command,
    examples=[
        ("What was pruned, and when", "hyperjobs prune list"),
    ],
)
@archive_option
@json_option("JSON Lines: the manifest of each.")
@store_options
@verbose_option
@click.pass_context
def archives_command(context: click.Context, *, directory: str | None, as_json: bool, place: StorePlace) -> None:
    """List the archives of pruned jobs, newest first: run, state, jobs, bytes, end of the oldest and newest job."""
    from hyperjobs.errors import ArchiveDamagedError  # noqa: PLC0415 - only here
    from hyperjobs.maintenance.prune.directory import ArchiveDirectory  # noqa: PLC0415 - as above
    from hyperjobs.maintenance.prune.reading import manifest_of  # noqa: PLC0415 - SQLite only where it is used

    where = ArchiveDirectory(_archives(place, directory))
    found = []
    for name in reversed(where.names()):
        state = "unfinished"
        try:
            manifest = manifest_of(where, name)
        except ArchiveDamagedError:
            manifest, state = None, "unreadable"
        found.append(_Listed(name, manifest.state if manifest else state, manifest))
    if as_json:
        for each in found:
            emit_json(_shape(each))
        return
    now = setting_of(context).clock.now()
    emit_rows(_TABLE, found, view_at(now, as_json=False), _values, nothing="no archives")


@dataclass(frozen=True, slots=True)
class _Listed:
    """One archive as it is listed; without a manifest nobody knows what is in it."""

    name: ArchiveName
    state: str
    manifest: ArchiveManifest | None


def _shape(each: _Listed) -> dict[str, Any]:
    """Its manifest; where that is missing or cannot be read, nothing of it is known."""
    from hyperjobs.maintenance.prune.manifest import ArchiveManifest  # noqa: PLC0415 - only here

    if each.manifest is not None:
        return with_instants(asdict(each.manifest))
    return {
        **dict.fromkeys(known.name for known in fields(ArchiveManifest)),
        "run": str(each.name),
        "state": each.state,
    }


def _values(each: _Listed) -> tuple[object, ...]:
    found = each.manifest
    numbers = (found.jobs, found.bytes, found.oldest, found.newest) if found else (None, None, None, None)
    return (str(each.name), each.state, *numbers)


def _shown(each: _Listed, name: str) -> str:
    value = getattr(each.manifest, name, None)
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else str(value)[:16].replace("T", " ")


_TABLE: Sequence[Column[_Listed]] = (
    Column("RUN", lambda each, _: str(each.name), is_whole=True),
    Column("STATE", lambda each, _: each.state, lambda each: "red" if each.state == "unreadable" else "", width=10),
    Column("JOBS", lambda each, _: _shown(each, "jobs"), is_number=True),
    Column("SIZE", lambda each, _: show_bytes(each.manifest.bytes) if each.manifest else "-", is_number=True),
    Column("AGE", lambda each, view: show_age(each.name.at, now=view.now), is_number=True),
    Column("OLDEST (UTC)", lambda each, _: _shown(each, "oldest"), drop=1, width=16),
    Column("NEWEST (UTC)", lambda each, _: _shown(each, "newest"), drop=2, width=16),
)


@click.command(
    "undo",
    cls=Command,
    examples=[
        ("What would come back of the last prune", "hyperjobs prune undo latest --dry-run"),
        ("Bring it back", "hyperjobs prune undo latest --yes"),
    ],
)
@click.argument("run", type=UnicodeText(), metavar="RUN|latest", shell_complete=offer.prunes)
@click.option("--dry-run", is_flag=True, help="Prove the archive, say what would come back, and change nothing.")
@click.option("--any-store", is_flag=True, help="Also into a store that these jobs were not pruned from.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option("One line of JSON.")
@archive_option
@store_options
@verbose_option
@click.pass_context
def undo_command(  # noqa: PLR0913 - one for each option
    context: click.Context,
    *,
    run: str,
    dry_run: bool,
    any_store: bool,
    yes: bool,
    as_json: bool,
    directory: str | None,
    place: StorePlace,
) -> int:
    """Bring the jobs of one prune back into the store.

    A job whose id is in the store is left alone, so doing it twice does no harm. They are as old as they were: pin
    them, or lengthen the retention, before the next prune.
    """
    from hyperjobs.maintenance.prune.directory import ArchiveDirectory  # noqa: PLC0415 - SQLite only where it is used
    from hyperjobs.maintenance.prune.undo import undo  # noqa: PLC0415 - as above

    store = place.find()
    where = ArchiveDirectory(_archives(place, directory))
    name = where.find(run)
    if not (yes or dry_run):
        ask(f"bring the jobs of {printable(str(name))} back into {printable(str(store))}? [y/N] ")
    clock = setting_of(context).clock
    progress = Progress(clock)
    looked = [0, 0]

    def tell(what: str, done: int, everything: int) -> None:
        looked[:] = done, everything
        progress(what, done, everything)

    started_at, done = clock.now(), None
    with Stop() as stop:
        turn = stop.turn(clock, tell, is_dry=dry_run)
        try:
            done = undo(store, where, str(name), turn, any_store=any_store)
        finally:
            progress.end()
            if done is None and looked[0] and not dry_run:
                said = f"{name}: ended with {looked[0]:,} of {looked[1]:,} jobs looked at; those stay back"
                record_event(context, place, "undo", said, started_at=started_at, outcome="interrupted")
    if done is not None:
        if not dry_run:  # first, for a pipe that nobody reads ends the process
            detail = asdict(done)
            record_event(context, place, "undo", _said(done, dry_run=False), started_at=started_at, detail=detail)
        if as_json:
            emit_json({**asdict(done), "dry_run": dry_run})
        else:
            emit(_said(done, dry_run=dry_run))
    return stop.code


def _said(done: Undone, *, dry_run: bool) -> str:
    would = "would come" if dry_run else "came"
    there = f"; {done.there:,} are in the store and were left alone" if done.there else ""
    return f"{printable(done.run)}: {done.returned:,} of {done.archived:,} jobs {would} back{there}"


def _archives(place: StorePlace, named: str | None) -> Path:
    """The directory of archives: the one named, or the configuration's."""
    if named is not None:
        return Path(named)
    from hyperjobs.agent.options import archive_directory  # noqa: PLC0415 - pydantic only where a configuration is read

    return archive_directory(place.load())
