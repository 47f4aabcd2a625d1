"""``hyperjobs prune list`` and ``hyperjobs prune undo RUN``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hyperjobs.cli.argument import UnicodeText
from hyperjobs.cli.ask import ask
from hyperjobs.cli.place import StorePlace, store_options
from hyperjobs.cli.setting import setting_of, verbose_option
from hyperjobs.cli.table import emit, emit_json, emit_values
from hyperjobs.cli.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable

_BESIDE = "pruned"


def archive_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--dir``."""
    option = click.option(
        "--dir", "directory", metavar="DIR", help="The directory of archives; by default 'pruned' beside the store."
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

    where = ArchiveDirectory(archive_directory(directory, place.find() if directory is None else None))
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
    from hyperjobs.cli.backup import _Stop  # noqa: PLC0415 - as a backup is stopped
    from hyperjobs.errors import StoreInterruptedError  # noqa: PLC0415 - only here
    from hyperjobs.maintenance.prune.directory import ArchiveDirectory  # noqa: PLC0415 - SQLite only where it is used
    from hyperjobs.maintenance.prune.undo import undo  # noqa: PLC0415 - as above
    from hyperjobs.maintenance.task import Turn  # noqa: PLC0415 - as above

    store = place.find()
    where = ArchiveDirectory(archive_directory(directory, store))
    name = where.find(run)
    if not (yes or dry_run):
        ask(f"bring the jobs of {printable(str(name))} back into {printable(str(store))}? [y/N] ")
    clock = setting_of(context).clock
    with _Stop() as stop:
        turn = Turn(
            now=clock.now(),
            clock=clock,
            is_stopping=stop.event.is_set,
            wait=stop.event.wait,
            progress=_progress,
            is_dry=dry_run,
        )
        try:
            done = undo(store, where, str(name), turn, any_store=any_store)
        except StoreInterruptedError:
            if stop.code:
                return stop.code
            raise
        finally:
            _end_progress()
    would = "would come" if dry_run else "came"
    there = f"; {done.there:,} are in the store and were left alone" if done.there else ""
    emit(f"{printable(done.run)}: {done.returned:,} of {done.archived:,} jobs {would} back{there}")
    return 0


def archive_directory(named: str | None, store: Path | None) -> Path:
    """The directory of archives: the one named, or the one beside the store."""
    if named is not None:
        return Path(named)
    return (store or Path()).resolve().parent / _BESIDE


def _progress(what: str, done: int, everything: int) -> None:
    if sys.stderr.isatty() and everything:
        sys.stderr.write(f"\r\x1b[K{what} {100 * done // everything}%")
        sys.stderr.flush()


def _end_progress() -> None:
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
