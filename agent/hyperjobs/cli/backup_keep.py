"""``hyperjobs backup pin|unpin``: what stays whatever retention says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hyperjobs.cli import offer
from hyperjobs.cli.argument import UnicodeText
from hyperjobs.cli.backup_setting import directory_option, settings, store_of
from hyperjobs.cli.command import Command
from hyperjobs.cli.place import StorePlace, store_options
from hyperjobs.cli.setting import json_option, setting_of, verbose_option
from hyperjobs.cli.table import emit, emit_json
from hyperjobs.cli.text import printable

if TYPE_CHECKING:
    from pathlib import Path

    from hyperjobs.cli.shapes.backups import BackupPinShape
    from hyperjobs.maintenance.backup.catalogue import Entry


@click.command(
    "pin",
    cls=Command,
    examples=[
        ("Keep the latest whatever retention says", 'hyperjobs backup pin latest --reason "before the upgrade"'),
    ],
)
@click.argument("backup", type=UnicodeText(), shell_complete=offer.backups("latest"))
@click.option("--reason", default="", help="Why, for whoever finds it; shown by 'backup show'.")
@json_option("One line of JSON.")
@directory_option
@store_options
@verbose_option
@click.pass_context
def pin_command(  # noqa: PLR0913 - one for each option
    context: click.Context, *, backup: str, reason: str, as_json: bool, directory: str | None, place: StorePlace
) -> None:
    """Keep a backup whatever retention says, until it is unpinned."""
    from hyperjobs.maintenance.backup.choice import choose  # noqa: PLC0415 - SQLite only where it is used
    from hyperjobs.maintenance.backup.mark import pin  # noqa: PLC0415 - as above

    backups = settings(place, directory).open()
    choose(backups.path, store_of(place, directory), backup)
    with backups.locked():
        # again: retention may have deleted it while the lock was another's
        found = choose(backups.path, store_of(place, directory), backup)
        pin(backups.path, found.name, reason=reason, now=setting_of(context).clock.now())
    if as_json:
        emit_json(_shape(backups.path, found, is_pinned=True, reason=reason))
    else:
        emit(f"{printable(str(backups.path / str(found.name)))}: pinned")


@click.command(
    "unpin",
    cls=Command,
    examples=[
        ("Leave the latest to retention again", "hyperjobs backup unpin latest"),
    ],
)
@click.argument("backup", type=UnicodeText(), shell_complete=offer.backups(pinned=True))
@json_option("One line of JSON.")
@directory_option
@store_options
@verbose_option
def unpin_command(*, backup: str, as_json: bool, directory: str | None, place: StorePlace) -> None:
    """Leave a backup to retention again."""
    from hyperjobs.maintenance.backup.choice import choose  # noqa: PLC0415 - SQLite only where it is used
    from hyperjobs.maintenance.backup.mark import unpin  # noqa: PLC0415 - as above

    backups = settings(place, directory).open()
    choose(backups.path, store_of(place, directory), backup)
    with backups.locked():
        found = choose(backups.path, store_of(place, directory), backup)  # again, as for pin
        was_pinned = unpin(backups.path, found.name)
    if as_json:
        emit_json(_shape(backups.path, found, is_pinned=False, reason=""))
    else:
        emit(f"{printable(str(backups.path / str(found.name)))}: {'unpinned' if was_pinned else 'was not pinned'}")


def _shape(directory: Path, before: Entry, *, is_pinned: bool, reason: str) -> BackupPinShape:
    return {
        "name": str(before.name),
        "directory": str(directory),
        "pinned": is_pinned,
        "was_pinned": before.is_pinned,
        "reason": reason,
    }
