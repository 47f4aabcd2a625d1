"""``hyperjobs backup``: the group, and ``create``."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click

from hyperjobs.cli.backup_setting import directory_option, settings
from hyperjobs.cli.lazy import LazyGroup
from hyperjobs.cli.place import StorePlace, store_options
from hyperjobs.cli.setting import setting_of, verbose_option
from hyperjobs.cli.stop import Stop
from hyperjobs.cli.table import emit, emit_json
from hyperjobs.cli.text import printable

COMPRESSIONS = ["zstd", "gzip", "none"]


@click.group(
    "backup",
    cls=LazyGroup,
    places={
        "create": ("hyperjobs.cli.backup:create_command", "Take a backup, and prove it before it counts."),
        "list": ("hyperjobs.cli.backup_read:list_command", "List the backups, newest first."),
        "show": ("hyperjobs.cli.backup_read:show_command", "Show what a backup says of itself."),
        "verify": ("hyperjobs.cli.backup_read:verify_command", "Prove one backup, or all."),
        "diff": ("hyperjobs.cli.backup_read:diff_command", "Say which jobs differ between two backups."),
        "pin": ("hyperjobs.cli.backup_keep:pin_command", "Keep a backup whatever retention says."),
        "unpin": ("hyperjobs.cli.backup_keep:unpin_command", "Leave a backup to retention again."),
        "prune": ("hyperjobs.cli.backup_keep:prune_command", "Delete the backups that retention lets go."),
    },
)
def backup_group() -> None:
    """Take, list, show and verify backups of a store."""


@backup_group.command("create")
@directory_option
@click.option("--compression", type=click.Choice(COMPRESSIONS), help="How to store it; zstd when nothing says.")
@click.option("--to", metavar="FILE", help="Make this new file to hand out, no backup: it counts for nothing.")
@click.option("--strip", is_flag=True, help="With --to: leave out what hyperjobs added to the store.")
@click.option("--pages", type=click.IntRange(1, 1_000_000), default=250, help="Pages copied at once; 250.")
@click.option("--pause", type=click.FloatRange(0, 10_000), default=5.0, help="Milliseconds between two steps; 5.")
@click.option("--json", "as_json", is_flag=True, help="Write its manifest as one line of JSON.")
@store_options
@verbose_option
@click.pass_context
def create_command(  # noqa: PLR0913 - one for each option
    context: click.Context,
    *,
    directory: str | None,
    compression: str | None,
    to: str | None,
    strip: bool,
    pages: int,
    pause: float,
    as_json: bool,
    place: StorePlace,
) -> int:
    """Take a backup beside running writers, and prove it before it counts.

    It is a copy of one moment, checked by SQLite and read to its last job before it appears under its name. What fails
    or is stopped leaves nothing behind; the copy of a damaged store is kept, and marked so.
    """
    from hyperjobs.maintenance.backup.create import create_backup  # noqa: PLC0415 - SQLite only where it is used
    from hyperjobs.maintenance.backup.handout import hand_out  # noqa: PLC0415 - as above
    from hyperjobs.store.snapshot import Pace  # noqa: PLC0415 - as above

    if strip and to is None:
        raise click.UsageError("--strip makes a file to hand out: name it with --to FILE")
    if to is not None and compression not in {None, "none"}:
        raise click.UsageError("--to makes a plain file; compress it with any program")
    store = place.find()
    found = settings(place, directory)
    clock = setting_of(context).clock
    with Stop() as stop:
        pace = Pace(
            pages=pages,
            pause_s=pause / 1000,
            pause=stop.event.wait,
            is_stopping=stop.event.is_set,
            progress=_progress,
        )
        try:
            if to is not None:
                path = Path(to)
                manifest = hand_out(store, path, clock=clock, pace=pace, strip=strip)
            else:
                backups = found.open()
                manifest = create_backup(
                    store, backups, clock=clock, pace=pace, compression=compression or found.compression
                )
                path = backups.path / manifest.name
        finally:
            _end_progress()
    if stop.code:
        return stop.code
    if as_json:
        emit_json(asdict(manifest))
    else:
        size = f"{manifest.bytes / 2**20:,.1f} MiB"
        emit(f"{printable(str(path))}: {manifest.jobs:,} jobs, {size}, verified")
    return 0


def _progress(done: int, pages: int) -> None:
    if sys.stderr.isatty() and pages:
        sys.stderr.write(f"\r\x1b[Kcopied {100 * done // pages}%" + (", verifying" if done == pages else ""))
        sys.stderr.flush()


def _end_progress() -> None:
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
