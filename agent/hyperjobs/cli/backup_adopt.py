"""``hyperjobs backup adopt FILE``."""

from __future__ import annotations

from pathlib import Path

import click

from hyperjobs.cli.argument import UnicodeText
from hyperjobs.cli.backup_setting import directory_option, settings
from hyperjobs.cli.command import Command
from hyperjobs.cli.event import record_event
from hyperjobs.cli.place import StorePlace, store_options
from hyperjobs.cli.setting import json_option, setting_of, verbose_option
from hyperjobs.cli.shape import manifest_shape
from hyperjobs.cli.stop import Stop
from hyperjobs.cli.table import emit, emit_json
from hyperjobs.cli.text import printable
from hyperjobs.size import mebibytes


@click.command(
    "adopt",
    cls=Command,
    examples=[
        ("Make an old copy count as a backup", "hyperjobs backup adopt /mnt/old/jobs.db"),
    ],
)
@click.argument("file", type=UnicodeText(), metavar="FILE")
@json_option("The manifest as one line of JSON.")
@directory_option
@store_options
@verbose_option
@click.pass_context
def adopt_command(context: click.Context, *, file: str, as_json: bool, directory: str | None, place: StorePlace) -> int:
    """Prove a file that has no manifest, and make it a backup.

    For a backup that lost its manifest, which only gets a new one, and for a database from elsewhere, which is copied.
    It is read in full; what does not stand the proof is refused (exit code 3). FILE stays as it is.
    """
    from hyperjobs.maintenance.backup.adopt import Adopted, adopt  # noqa: PLC0415 - SQLite only where it is used

    store, found, clock = place.find(), settings(place, directory), setting_of(context).clock
    backups, started_at = found.open(), clock.now()
    done: Adopted | None = None
    with Stop() as stop:
        done = adopt(
            Path(file),
            backups,
            store,
            clock=clock,
            host=found.host,
            compression=found.compression,
            keep_on=stop.keep_on,
        )
    if done is None:
        return stop.code
    manifest = done.manifest
    of = "" if manifest.flavour == "hypersdk" else f" of the {manifest.flavour} flavour"
    said = f"{backups.path / manifest.name}: {manifest.jobs:,} jobs{of}, {mebibytes(manifest.bytes)}, verified"
    detail = {"file": file, "name": manifest.name}
    # first, for a pipe that nobody reads ends the process
    record_event(context, place, "backup-adopt", said, started_at=started_at, detail=detail)
    if as_json:
        emit_json(manifest_shape(manifest))
    else:
        emit(printable(said))
    return 0
