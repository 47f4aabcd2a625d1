"""``hyperjobs prune list`` and ``hyperjobs prune undo RUN``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hyperjobs.cli.argument import UnicodeText
from hyperjobs.cli.ask import ask
from hyperjobs.cli.place import StorePlace, store_options
from hyperjobs.cli.setting import setting_of, verbose_option
from hyperjobs.cli.stop import Progress, Stop
from hyperjobs.cli.table import emit, emit_json, emit_values
from hyperjobs.cli.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from hyperjobs.maintenance.prune.undo import Undone


def archive_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--dir``."""
    option = click.option(
        "--dir", "directory", metavar="DIR", help="The directory of archives; by default the configuration's."
    )
    decorated: Callable[..., Any] = option(command)
    return decorated


@click.command("list")
@archive_option
@click.option("--json", "as_json", is_flag=True, help="JSON Lines: the manifest of each.")
@store_options
@verbose_option
def archives_command(*, directory: str | None, as_json: bool, place: StorePlace) -> None:
    """List the archives of pruned jobs, newest first: run, state, jobs, bytes, end of the oldest and newest job."""
    from dataclasses import asdict  # noqa: PLC0415 - only here

    from hyperjobs.errors import ArchiveDamagedError  # noqa: PLC0415 - only here
    from hyperjobs.maintenance.prune.directory import ArchiveDirectory  # noqa: PLC0415 - as above
    from hyperjobs.maintenance.prune.reading import manifest_of  # noqa: PLC0415 - SQLite only where it is used

    where = ArchiveDirectory(_archives(place, directory))
    for name in reversed(where.names()):
        state = "unfinished"
        try:
            manifest = manifest_of(where, name)
        except ArchiveDamagedError:
            manifest, state = None, "unreadable"
        if manifest is not None:
            state = manifest.state
        if as_json:
            emit_json(asdict(manifest) if manifest else {"run": str(name), "state": state})
        elif manifest:
            emit_values((str(name), state, manifest.jobs, manifest.bytes, manifest.oldest, manifest.newest))
        else:
            emit_values((str(name), state, None, None, None, None))


@click.command("undo")
@click.argument("run", type=UnicodeText(), metavar="RUN|latest")
@click.option("--dry-run", is_flag=True, help="Prove the archive, say what would come back, and change nothing.")
@click.option("--any-store", is_flag=True, help="Also into a store that these jobs were not pruned from.")
@click.option("--yes", is_flag=True, help="Do not ask.")
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
    directory: str | None,
    place: StorePlace,
) -> int:
    """Bring the jobs of one prune back into the store.

    A job whose id is in the store is left alone, so doing it twice does no harm. They are as old as they were: pin
    them, or lengthen the retention, before the next prune.
    """
    from hyperjobs.maintenance.prune.directory import ArchiveDirectory  # noqa: PLC0415 - SQLite only where it is used
    from hyperjobs.maintenance.prune.undo import undo  # noqa: PLC0415 - as above
    from hyperjobs.maintenance.task import Turn  # noqa: PLC0415 - as above

    store = place.find()
    where = ArchiveDirectory(_archives(place, directory))
    name = where.find(run)
    if not (yes or dry_run):
        ask(f"bring the jobs of {printable(str(name))} back into {printable(str(store))}? [y/N] ")
    clock = setting_of(context).clock
    progress = Progress()
    with Stop() as stop:
        turn = Turn(
            now=clock.now(), clock=clock, is_stopping=stop.is_set, wait=stop.wait, progress=progress, is_dry=dry_run
        )
        try:
            done = undo(store, where, str(name), turn, any_store=any_store)
        finally:
            progress.end()
        _say(done, dry_run=dry_run)
    return stop.code


def _say(done: Undone, *, dry_run: bool) -> None:
    would = "would come" if dry_run else "came"
    there = f"; {done.there:,} are in the store and were left alone" if done.there else ""
    emit(f"{printable(done.run)}: {done.returned:,} of {done.archived:,} jobs {would} back{there}")


def _archives(place: StorePlace, named: str | None) -> Path:
    """The directory of archives: the one named, or the configuration's."""
    if named is not None:
        return Path(named)
    from hyperjobs.agent.options import archive_directory  # noqa: PLC0415 - pydantic only where a configuration is read

    return archive_directory(place.load())
