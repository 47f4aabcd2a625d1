"""``hyperjobs backup pin|unpin``: what stays whatever retention says."""

from __future__ import annotations

import click

from hyperjobs.cli import offer
from hyperjobs.cli.argument import UnicodeText
from hyperjobs.cli.backup_setting import directory_option, settings, store_of
from hyperjobs.cli.command import Command
from hyperjobs.cli.place import StorePlace, store_options
from hyperjobs.cli.setting import setting_of, verbose_option
from hyperjobs.cli.table import emit
from hyperjobs.cli.text import printable


@click.command(
    "pin",
    cls=Command,
    examples=[
        ("Keep the latest whatever retention says", 'hyperjobs backup pin latest --reason "before the upgrade"'),
    ],
)
@click.argument("backup", type=UnicodeText(), shell_complete=offer.backups("latest"))
@click.option("--reason", default="", help="Why, for whoever finds it; shown by 'backup show'.")
@directory_option
@store_options
@verbose_option
@click.pass_context
def pin_command(context: click.Context, *, backup: str, reason: str, directory: str | None, place: StorePlace) -> None:
    """Keep a backup whatever retention says, until it is unpinned."""
    from hyperjobs.maintenance.backup.choice import choose  # noqa: PLC0415 - SQLite only where it is used
    from hyperjobs.maintenance.backup.mark import pin  # noqa: PLC0415 - as above

    backups = settings(place, directory).open()
    choose(backups.path, store_of(place, directory), backup)
    with backups.locked():
        # again: retention may have deleted it while the lock was another's
        name = choose(backups.path, store_of(place, directory), backup).name
        pin(backups.path, name, reason=reason, now=setting_of(context).clock.now())
    emit(f"{printable(str(backups.path / str(name)))}: pinned")


@click.command(
    "unpin",
    cls=Command,
    examples=[
        ("Leave the latest to retention again", "hyperjobs backup unpin latest"),
    ],
)
@click.argument("backup", type=UnicodeText(), shell_complete=offer.backups(pinned=True))
@directory_option
@store_options
@verbose_option
def unpin_command(*, backup: str, directory: str | None, place: StorePlace) -> None:
    """Leave a backup to retention again."""
    from hyperjobs.maintenance.backup.choice import choose  # noqa: PLC0415 - SQLite only where it is used
    from hyperjobs.maintenance.backup.mark import unpin  # noqa: PLC0415 - as above

    backups = settings(place, directory).open()
    choose(backups.path, store_of(place, directory), backup)
    with backups.locked():
        name = choose(backups.path, store_of(place, directory), backup).name  # again, as for pin
        was_pinned = unpin(backups.path, name)
    emit(f"{printable(str(backups.path / str(name)))}: {'unpinned' if was_pinned else 'was not pinned'}")
