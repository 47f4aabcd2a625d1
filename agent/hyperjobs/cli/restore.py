"""``hyperjobs restore``."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hyperjobs.cli import offer
from hyperjobs.cli.argument import UnicodeText
from hyperjobs.cli.ask import ask
from hyperjobs.cli.backup_setting import directory_option, host_of, settings, store_of
from hyperjobs.cli.command import Command
from hyperjobs.cli.destination import (
    LATEST,
    backup_before,
    backup_there,
    configured_destination,
    destination_option,
    fetched,
)
from hyperjobs.cli.event import record_event
from hyperjobs.cli.moment import Moment
from hyperjobs.cli.place import StorePlace, store_options
from hyperjobs.cli.restored import Restored, say
from hyperjobs.cli.setting import json_option, setting_of, verbose_option
from hyperjobs.cli.stop import Stop
from hyperjobs.cli.text import printable
from hyperjobs.errors import BackupDamagedError, StoreRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from datetime import datetime

    from hyperjobs.clock import Clock
    from hyperjobs.maintenance.backup.name import BackupName

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a person asked for, as the options of the command say it, and what that comes to.

    Attributes:
        file: a database that is no backup, to be put in the store's place instead of one.
        store: whose backups are meant; ``None`` when nobody knows.
        target: where the backup goes.
    """

    backup: str
    file: str | None
    at: datetime | None
    to: str | None
    live: bool
    jobs: tuple[str, ...]
    replace: bool
    dry_run: bool
    yes: bool
    as_json: bool
    destination: str | None
    directory: str | None
    store: Path | None
    target: Path


@click.command(
    "restore",
    cls=Command,
    examples=[
        ("What a restore of the latest would do", "hyperjobs restore --dry-run"),
        ("A new file of the newest backup before today", "hyperjobs restore --at today --to before-today.db"),
        (
            "Bring one lost job back, while others use the store",
            "hyperjobs restore --job migration-20261101-00042 --yes",
        ),
    ],
)
@click.argument("backup", type=UnicodeText(), default=LATEST, shell_complete=offer.backups(LATEST))
@click.option("--at", type=Moment(), metavar="WHEN", help="The newest backup taken then or before, instead of BACKUP.")
@click.option(
    "--file",
    type=UnicodeText(),
    metavar="FILE",
    help="Put this store there instead of a backup, as one that salvage made. Nothing vouches for it, so it is proven in full.",
)
@click.option(
    "--to", metavar="PATH", help="Make this new file of it, and leave the store alone. Refused when there is one."
)
@click.option(
    "--live",
    is_flag=True,
    help="Write it into the store while others have that open; they go on with the restored jobs.",
)
@click.option(
    "--job",
    "jobs",
    multiple=True,
    type=UnicodeText(),
    metavar="ID",
    help="Bring this job alone back into the store, while others go on using it; may be repeated. One whose id is there is refused.",
)
@click.option("--replace", is_flag=True, help="With --job: in place of a finished job of that id in the store.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Prove the backup, say what would be done and who has the store open, and change nothing.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option("The plan, or what was done, as one line of JSON.")
@destination_option
@directory_option
@store_options
@verbose_option
@click.pass_context
def restore_command(context: click.Context, /, *, place: StorePlace, to: str | None, **options: Any) -> int:
    """Put a backup in the store's place.

    The backup is proven first. Without --live it is refused while another process has the store open. What was in the
    store is kept beside it. With --job only those jobs are brought back, while others go on using the store.
    """
    store = place.find() if to is None else store_of(place, to)
    target = Path(os.path.realpath(store if to is None and store is not None else to or ""))
    wish = Wish(**options, to=to, store=store, target=target)
    _require_sense(wish)
    started_at = setting_of(context).clock.now()
    done: Restored | None = None
    with Stop() as stop:
        done = _restore(context, place, wish, stop)
    if done is None:
        return stop.code
    now = setting_of(context).clock.now()
    if not wish.dry_run and store is not None:  # first, for a pipe that nobody reads ends the process
        said = f"restored {done.text(now)}"
        record_event(context, place, "restore", said, started_at=started_at, detail=done.detail())
    say(done, now, is_dry=wish.dry_run, as_json=wish.as_json)
    return 0  # also when a stop came too late


def _require_sense(wish: Wish) -> None:
    if wish.at is not None and wish.backup != LATEST:
        raise click.UsageError("--at chooses a backup by its time: name none beside it")
    if wish.to is not None and wish.live:
        raise click.UsageError("--to makes a new file, --live writes into the store: give one of them")
    if wish.file is not None and (
        wish.backup != LATEST or wish.at is not None or wish.jobs or wish.to is not None or wish.destination is not None
    ):
        raise click.UsageError("--file is what takes the store's place: it goes with --live, and with no backup")
    if wish.jobs and (wish.to is not None or wish.live):
        raise click.UsageError(
            "--job brings single jobs back into the open store: it goes with neither --to nor --live"
        )
    if wish.replace and not wish.jobs:
        raise click.UsageError("--replace goes with --job")
    if wish.destination is not None and wish.directory is not None:
        raise click.UsageError("--from names a destination, --dir a directory: give one of them")


def _restore(context: click.Context, place: StorePlace, wish: Wish, stop: Stop) -> Restored | None:
    """Do it, or on a dry run find out what would be done."""
    from hyperjobs.maintenance.restore.staging import staged, staged_file  # noqa: PLC0415 - SQLite only where it is used

    clock, target = setting_of(context).clock, wish.target
    with contextlib.ExitStack() as stack:
        if wish.file is not None:
            file = Path(os.path.realpath(wish.file))
            database, jobs = stack.enter_context(
                _undamaged(
                    staged_file(file, target, stop.keep_on),
                    f"'hyperjobs salvage --store {printable(str(file))}' reads it",
                )
            )
            plan = Restored(target=target, backup=None, file=file, how=_how(wish), jobs=jobs)
            return _carry_out(database, plan, wish, stop, clock)
        where, name = _found(stack, place, wish, stop)
        database, manifest = stack.enter_context(_undamaged(staged(where, name, target, stop.keep_on)))
        host = manifest.host if manifest.host != host_of(place) else ""
        if wish.jobs:
            return _restore_jobs(
                database, Restored(target=target, backup=name, how="jobs", jobs=0, host=host), wish, clock
            )
        plan = Restored(target=target, backup=name, how=_how(wish), jobs=manifest.jobs, host=host)
        return _carry_out(database, plan, wish, stop, clock)


def _how(wish: Wish) -> str:
    if not wish.target.exists():
        return "new"
    return "live" if wish.live else "swap"


def _carry_out(database: Path, plan: Restored, wish: Wish, stop: Stop, clock: Clock) -> Restored:
    """Put a proven database in its place; on a dry run look who is in the way."""
    if wish.dry_run:
        if wish.live and plan.target.exists():
            return plan
        return replace(plan, open_in=_openers(plan.target))
    if wish.to is None and not wish.yes:
        ask(f"restore {printable(plan.text(clock.now()))}? [y/N] ")
    return replace(plan, kept=_put(database, plan, wish, stop, clock))


def _put(database: Path, plan: Restored, wish: Wish, stop: Stop, clock: Clock) -> Path | None:
    """Put the proven database where it is to be; where what was there is now."""
    from hyperjobs.maintenance.publish import publish  # noqa: PLC0415 - SQLite only where it is used
    from hyperjobs.maintenance.restore.swap import put_store  # noqa: PLC0415 - as above

    if wish.to is not None:
        publish(database, plan.target)
        return None
    if wish.live and plan.target.exists():
        from hyperjobs.maintenance.restore.live import restore_live  # noqa: PLC0415 - as above

        return restore_live(database, plan.target, now=clock.now(), is_stopping=stop.is_set)
    return put_store(database, plan.target, now=clock.now())


def _found(stack: contextlib.ExitStack, place: StorePlace, wish: Wish, stop: Stop) -> tuple[Path, BackupName]:
    """The directory that holds the backup which is meant, and its name."""
    from hyperjobs.maintenance.backup.choice import choose  # noqa: PLC0415 - SQLite only where it is used

    if wish.destination is None:
        where = settings(place, wish.directory).directory
        return where, choose(where, wish.store, wish.backup, at=wish.at).name
    there = configured_destination(place, wish.destination)
    if wish.at is None:
        name = backup_there(there, wish.store, wish.backup, stop.keep_on)
    else:
        name = backup_before(there, wish.store, wish.at, stop.keep_on)
    return stack.enter_context(_undamaged(fetched(there, name, wish.target, stop.keep_on))), name


@contextlib.contextmanager
def _undamaged(
    made: AbstractContextManager[T], remedy: str = "choose another of 'hyperjobs backup list'"
) -> Iterator[T]:
    """What ``made`` gives; where that turns out to be damaged it is refused, as everything unsafe is."""
    with contextlib.ExitStack() as stack:
        try:
            found = stack.enter_context(made)
        except BackupDamagedError as exc:
            raise StoreRefusedError(f"{exc}; nothing was restored: {remedy}", reason="backup_damaged") from exc
        yield found


def _restore_jobs(database: Path, plan: Restored, wish: Wish, clock: Clock) -> Restored:
    from hyperjobs.maintenance.restore.jobs import restore_jobs  # noqa: PLC0415 - SQLite only where it is used

    # looked at first, so that nobody is asked about what cannot be done
    would = restore_jobs(
        database, plan.target, wish.jobs, clock=clock, replace=wish.replace, is_dry=True, name=str(plan.backup)
    )
    plan = replace(plan, jobs=would.jobs, replaced=would.replaced, ids=wish.jobs)
    if not wish.dry_run:
        if not wish.yes:
            ask(f"restore {printable(plan.text(clock.now()))}? [y/N] ")
        restore_jobs(database, plan.target, wish.jobs, clock=clock, replace=wish.replace)
    return plan


def _openers(target: Path) -> tuple[int, ...]:
    """Who else has the store open."""
    from hyperjobs.store.holder import openers_of, openers_of_removed  # noqa: PLC0415 - only for a dry run

    pids = {*openers_of(target), *([] if target.exists() else openers_of_removed(target))}
    return tuple(sorted(pid for pid in pids if pid != os.getpid()))
