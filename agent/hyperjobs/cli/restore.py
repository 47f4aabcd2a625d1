"""``hyperjobs restore``."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hyperjobs.cli.argument import UnicodeText
from hyperjobs.cli.ask import ask
from hyperjobs.cli.backup_setting import directory_option, settings, store_of
from hyperjobs.cli.destination import (
    backup_before,
    backup_there,
    configured_destination,
    destination_option,
    fetched,
)
from hyperjobs.cli.moment import Moment, show_age
from hyperjobs.cli.place import StorePlace, store_options
from hyperjobs.cli.setting import setting_of, verbose_option
from hyperjobs.cli.stop import Stop
from hyperjobs.cli.table import emit
from hyperjobs.cli.text import printable
from hyperjobs.errors import BackupDamagedError, StoreRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from hyperjobs.clock import Clock
    from hyperjobs.maintenance.backup.destination.protocol import Destination
    from hyperjobs.maintenance.backup.manifest import Manifest
    from hyperjobs.maintenance.backup.name import BackupName

LATEST = "latest"


@click.command("restore")
@click.argument("backup", type=UnicodeText(), default=LATEST)
@click.option("--at", type=Moment(), metavar="WHEN", help="The newest backup taken then or before, instead of BACKUP.")
@click.option("--to", metavar="PATH", help="Make this new file of it, and leave the store alone.")
@click.option("--live", is_flag=True, help="Write it into the store while others have that open.")
@click.option("--job", "jobs", multiple=True, type=UnicodeText(), metavar="ID", help="This job alone; may be repeated.")
@click.option("--replace", is_flag=True, help="With --job: in place of a finished job of that id in the store.")
@click.option("--dry-run", is_flag=True, help="Prove the backup, say what would be done, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@destination_option
@directory_option
@store_options
@verbose_option
@click.pass_context
def restore_command(  # noqa: C901, PLR0912, PLR0913 - one for each option, and what goes with what
    context: click.Context,
    *,
    backup: str,
    at: datetime | None,
    to: str | None,
    live: bool,
    jobs: tuple[str, ...],
    replace: bool,
    dry_run: bool,
    yes: bool,
    destination: str | None,
    directory: str | None,
    place: StorePlace,
) -> int:
    """Put a backup in the store's place.

    The backup is proven first. Without --live it is refused while another process has the store open. What was in the
    store is kept beside it. With --job only those jobs are brought back, while others go on using the store.
    """
    from hyperjobs.maintenance.backup.choice import choose  # noqa: PLC0415 - SQLite only where it is used
    from hyperjobs.maintenance.restore.swap import put_new, swap  # noqa: PLC0415 - as above

    if at is not None and backup != LATEST:
        raise click.UsageError("--at chooses a backup by its time: name none beside it")
    if to is not None and live:
        raise click.UsageError("--to makes a new file, --live writes into the store: give one of them")
    if jobs and (to is not None or live):
        raise click.UsageError(
            "--job brings single jobs back into the open store: it goes with neither --to nor --live"
        )
    if replace and not jobs:
        raise click.UsageError("--replace goes with --job")
    if destination is not None and directory is not None:
        raise click.UsageError("--from names a destination, --dir a directory: give one of them")
    store = place.find() if to is None else store_of(place, to)
    target = Path(os.path.realpath(store if to is None and store is not None else to or ""))
    clock = setting_of(context).clock
    with Stop() as stop, contextlib.ExitStack() as stack:
        if destination is None:
            where = settings(place, directory).directory
            name = choose(where, store, backup, at=at).name
        else:
            there = configured_destination(place, destination)
            name = (
                backup_there(there, store, backup, stop.keep_on)
                if at is None
                else backup_before(there, store, at, stop.keep_on)
            )
            where = stack.enter_context(_fetched(there, name, target, stop))
        database, manifest = stack.enter_context(_proven(where, name, target, stop))
        if jobs:
            _restore_jobs(database, name, target, jobs, clock=clock, replace=replace, dry_run=dry_run, yes=yes)
            return 0
        plan = (
            f"{target}: {manifest.jobs:,} jobs of {name}, taken {show_age(name.at, now=clock.now())} ago, "
            f"{'into the open store' if live else 'as a new file' if not target.exists() else 'in its place'}"
        )
        if dry_run:
            emit(f"would restore {printable(plan)}{'' if live else _openers(target)}")
            return 0
        if to is None and not yes:
            ask(f"restore {printable(plan)}? [y/N] ")
        kept: Path | None = None
        if to is not None or not target.exists():
            put_new(database, target, is_store=to is None)
        elif live:
            from hyperjobs.maintenance.restore.live import restore_live  # noqa: PLC0415 - as above

            kept = restore_live(database, target, now=clock.now(), is_stopping=stop.is_set)
        else:
            kept = swap(database, target, now=clock.now())
        emit(f"restored {printable(plan)}" + (f"; what was there is {printable(str(kept))}" if kept else ""))
        return 0  # also when a stop came too late
    return stop.code


@contextlib.contextmanager
def _proven(where: Path, name: BackupName, target: Path, stop: Stop) -> Iterator[tuple[Path, Manifest]]:
    """A backup brought beside its target; one that is damaged is refused, as everything unsafe is."""
    from hyperjobs.maintenance.restore.staging import staged  # noqa: PLC0415 - SQLite only where it is used

    with contextlib.ExitStack() as stack:
        try:
            found = stack.enter_context(staged(where, name, target, stop.keep_on))
        except BackupDamagedError as exc:
            raise StoreRefusedError(
                f"{exc}; nothing was restored: choose another of 'hyperjobs backup list'", reason="backup_damaged"
            ) from exc
        yield found


@contextlib.contextmanager
def _fetched(there: Destination, name: BackupName, target: Path, stop: Stop) -> Iterator[Path]:
    """A backup of another place brought beside its target; what came damaged is refused."""
    with contextlib.ExitStack() as stack:
        try:
            folder = stack.enter_context(fetched(there, name, target, stop.keep_on))
        except BackupDamagedError as exc:
            raise StoreRefusedError(f"{exc}; nothing was restored: choose another", reason="backup_damaged") from exc
        yield folder


def _restore_jobs(  # noqa: PLR0913 - what the command was told
    database: Path,
    name: BackupName,
    target: Path,
    jobs: tuple[str, ...],
    *,
    clock: Clock,
    replace: bool,
    dry_run: bool,
    yes: bool,
) -> None:
    from hyperjobs.maintenance.restore.jobs import restore_jobs  # noqa: PLC0415 - SQLite only where it is used

    # looked at first, so that nobody is asked about what cannot be done
    would = restore_jobs(database, target, jobs, clock=clock, replace=replace, is_dry=True)
    plan = f"{target}: {would.jobs} job{'s' * (would.jobs != 1)} of {name}" + (
        f", {len(would.replaced)} in place of what is there" if would.replaced else ""
    )
    if dry_run:
        emit(f"would restore {printable(plan)}")
        return
    if not yes:
        ask(f"restore {printable(plan)}? [y/N] ")
    restore_jobs(database, target, jobs, clock=clock, replace=replace)
    emit(f"restored {printable(plan)}")


def _openers(target: Path) -> str:
    from hyperjobs.store.holder import openers_of  # noqa: PLC0415 - only for a dry run

    pids = [str(pid) for pid in openers_of(target) if pid != os.getpid()]
    return f"; it is open in pid {', '.join(pids)}, so only with --live" if pids else ""
