"""``hyperjobs backup``: the group, and ``create``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from hyperjobs.cli.argument import Number
from hyperjobs.cli.backup_setting import directory_option, settings
from hyperjobs.cli.lazy import LazyGroup
from hyperjobs.cli.place import StorePlace, store_options
from hyperjobs.cli.setting import json_option, setting_of, verbose_option
from hyperjobs.cli.shape import manifest_shape
from hyperjobs.cli.stop import Progress, Stop
from hyperjobs.cli.table import emit, emit_json
from hyperjobs.cli.text import printable
from hyperjobs.errors import StoreRefusedError
from hyperjobs.size import mebibytes

COMPRESSIONS = ["zstd", "gzip", "none"]


@click.group(
    "backup",
    cls=LazyGroup,
    examples=[
        ("Take a backup now, as every night", "hyperjobs backup create"),
        ("Which there are", "hyperjobs backup list"),
    ],
    places={
        "create": ("hyperjobs.cli.backup:create_command", "Take a backup, and prove it before it counts."),
        "list": ("hyperjobs.cli.backup_read:list_command", "List the backups, newest first."),
        "show": ("hyperjobs.cli.backup_read:show_command", "Show what a backup says of itself."),
        "verify": ("hyperjobs.cli.backup_read:verify_command", "Prove one backup, or all."),
        "diff": ("hyperjobs.cli.backup_read:diff_command", "Say which jobs differ between two backups."),
        "pin": ("hyperjobs.cli.backup_keep:pin_command", "Keep a backup whatever retention says."),
        "unpin": ("hyperjobs.cli.backup_keep:unpin_command", "Leave a backup to retention again."),
        "prune": ("hyperjobs.cli.backup_prune:prune_command", "Delete the backups that retention lets go."),
        "adopt": (
            "hyperjobs.cli.backup_adopt:adopt_command",
            "Prove a file that has no manifest, and make it a backup.",
        ),
    },
)
def backup_group() -> None:
    """Take, list, prove, compare, keep and delete backups of a store."""


@backup_group.command(
    "create",
    examples=[
        ("Take a backup now, as every night", "hyperjobs backup create"),
        (
            "A plain copy for somebody else, with hypersdk's tables alone",
            "hyperjobs backup create --to copy.db --strip",
        ),
    ],
)
@directory_option
@click.option(
    "--compression",
    type=click.Choice(COMPRESSIONS),
    help="How to store it; by default as the configuration says, which is zstd.",
)
@click.option(
    "--to",
    metavar="FILE",
    help="Make this new file to hand to somebody, uncompressed and proven; it is no backup and counts for nothing.",
)
@click.option(
    "--strip",
    is_flag=True,
    help="With --to: leave out what hyperjobs added to the store, so that its schema is hypersdk's own.",
)
@click.option("--pages", type=Number(1, 1_000_000), metavar="N", help="Pages copied at once; 250 when not given.")
@click.option(
    "--pause",
    type=Number(0.0, 10_000.0),
    metavar="MS",
    help="Milliseconds between two steps; as configured when not given, which is 5.",
)
@click.option(
    "--dry-run", "is_dry", is_flag=True, help="Say how large it would be and what room there is, and take none."
)
@json_option("Its manifest as one line of JSON; of a dry run its record, as of every task.")
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
    pages: int | None,
    pause: float | None,
    is_dry: bool,
    as_json: bool,
    place: StorePlace,
) -> int:
    """Take a backup beside running writers, and prove it before it counts.

    It is a copy of one moment, checked by SQLite and read to its last job before it appears under its name. What fails
    or is stopped leaves nothing behind; the copy of a damaged store is kept, and marked so. Old ones are not deleted.
    """
    if to is not None and is_dry:
        raise click.UsageError("--dry-run is of a backup; --to makes a file to hand out")
    if strip and to is None:
        raise click.UsageError("--strip makes a file to hand out: name it with --to FILE")
    if to is not None:
        if compression not in {None, "none"}:
            raise click.UsageError("--to makes a plain file; compress it with any program")
        return _hand_out(context, place, Path(to), strip=strip, pages=pages, pause=pause, as_json=as_json)
    from hyperjobs.cli.task import finish_task, run_task  # noqa: PLC0415 - maintenance only where it is done
    from hyperjobs.maintenance.backup.manifest import read_manifest  # noqa: PLC0415 - as above

    backups = settings(place, directory).open()
    changes: dict[str, Any] = {"directory": backups, "is_rotating": False}
    changes |= {"compression": compression} if compression is not None else {}
    changes |= {"pages": pages} if pages is not None else {}
    changes |= {"pause_s": pause / 1000} if pause is not None else {}
    if is_dry:
        return run_task(context, place, "backup", is_dry=True, as_json=as_json, **changes)
    finished, code = finish_task(context, place, "backup", is_dry=False, **changes)
    if finished.error is not None:
        if code:
            return code
        raise finished.error
    if "name" not in finished.run.detail:  # skipped: nobody who asked for a backup may take that for one
        raise StoreRefusedError(finished.run.summary, reason=finished.run.reason)
    if as_json:
        name = finished.run.detail["name"]
        emit_json(manifest_shape(read_manifest(backups.path / f"{name}.json")))
    else:
        emit(printable(f"{backups.path}{os.sep}{finished.run.summary}"))
    return 0


def _hand_out(  # noqa: PLR0913 - one for each option
    context: click.Context,
    place: StorePlace,
    path: Path,
    *,
    strip: bool,
    pages: int | None,
    pause: float | None,
    as_json: bool,
) -> int:
    """Make a plain file to give away; it is in no run's record, for it is no backup."""
    from hyperjobs.maintenance.backup.handout import hand_out  # noqa: PLC0415 - SQLite only where it is used
    from hyperjobs.maintenance.backup.task import PAGES, PAUSE_S  # noqa: PLC0415 - as above
    from hyperjobs.store.snapshot import Pace  # noqa: PLC0415 - as above

    progress = Progress(setting_of(context).clock)
    with Stop() as stop:
        pace = Pace(
            pages=pages or PAGES,
            pause_s=PAUSE_S if pause is None else pause / 1000,
            pause=stop.wait,
            is_stopping=stop.is_set,
            progress=lambda done, everything: progress("copied", done, everything),
        )
        try:
            manifest = hand_out(place.find(), path, clock=setting_of(context).clock, pace=pace, strip=strip)
        finally:
            progress.end()
    if stop.code:
        return stop.code
    if as_json:
        emit_json(manifest_shape(manifest))
    else:
        emit(f"{printable(str(path))}: {manifest.jobs:,} jobs, {mebibytes(manifest.bytes)}, verified")
    return 0
