"""``hyperjobs integrity|vacuum|checkpoint|optimize|drill``: one task, once, by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hyperjobs.cli import offer
from hyperjobs.cli.argument import UnicodeText
from hyperjobs.cli.backup_setting import directory_option
from hyperjobs.cli.command import Command
from hyperjobs.cli.task import run_task, task_options

if TYPE_CHECKING:
    from hyperjobs.cli.place import StorePlace

_MODES = ["auto", "incremental", "full"]


@click.command(
    "integrity",
    cls=Command,
    examples=[
        ("Check the live store", "hyperjobs integrity"),
        ("Check the newest backup in full", "hyperjobs integrity --full"),
    ],
)
@click.option(
    "--full", is_flag=True, help="Check the newest verified backup instead, in full: hash, pages, indexes, content."
)
@directory_option
@task_options
@click.pass_context
def integrity_command(  # noqa: PLR0913 - one for each option
    context: click.Context, *, full: bool, directory: str | None, is_dry: bool, as_json: bool, place: StorePlace
) -> int:
    """Check the live store, beside its writers: pages, rows, orphans, and the ledger against the table.

    Exit code 3 when it is damaged: prune, vacuum and the rotation of backups then stop until somebody unfreezes it.
    """
    name, changes = ("integrity-full", _directory(directory)) if full else ("integrity-quick", {})
    return run_task(context, place, name, is_dry=is_dry, as_json=as_json, **changes)


@click.command(
    "vacuum",
    cls=Command,
    examples=[
        ("Whether it would pay, and how long writers would wait", "hyperjobs vacuum --dry-run"),
        ("Small steps now, whatever the window and the share", "hyperjobs vacuum --mode incremental --force"),
    ],
)
@click.option("--mode", type=click.Choice(_MODES), help="How; by default as the configuration says.")
@click.option(
    "--convert",
    is_flag=True,
    help="Write a store that was not made for small steps anew, once, so that they can be taken from then on; asks, having said for how long writers will wait.",
)
@click.option("--force", is_flag=True, help="Whatever the window, the share and the block; never whatever the room.")
@click.option("--yes", is_flag=True, help="Do not ask before --convert.")
@task_options
@click.pass_context
def vacuum_command(  # noqa: PLR0913 - one for each option
    context: click.Context,
    *,
    mode: str | None,
    convert: bool,
    force: bool,
    yes: bool,
    is_dry: bool,
    as_json: bool,
    place: StorePlace,
) -> int:
    """Give free pages back, in the way that writers notice least, or say why it would not pay.

    A full VACUUM and --convert stop the writers while they run, so they keep to the window; --dry-run says for how long.
    """
    if convert and mode is not None:
        raise click.UsageError("--convert is a mode of its own: leave out --mode")
    chosen = "convert" if convert else mode
    changes: dict[str, Any] = {**({"mode": chosen} if chosen else {}), **({"is_forced": True} if force else {})}
    question = "go on?" if convert and not yes else ""
    return run_task(context, place, "vacuum", is_dry=is_dry, as_json=as_json, question=question, **changes)


@click.command(
    "checkpoint",
    cls=Command,
    examples=[
        ("Cut the -wal back to nothing", "hyperjobs checkpoint --truncate"),
    ],
)
@click.option(
    "--truncate", is_flag=True, help="Cut the -wal back to nothing as well; waits a quarter of a second at most."
)
@task_options
@click.pass_context
def checkpoint_command(
    context: click.Context, *, truncate: bool, is_dry: bool, as_json: bool, place: StorePlace
) -> int:
    """Move the -wal into the store's file, and say who keeps it from being moved."""
    changes: dict[str, Any] = {"truncate": lambda _now: True} if truncate else {}
    return run_task(context, place, "checkpoint", is_dry=is_dry, as_json=as_json, **changes)


@click.command(
    "reindex",
    cls=Command,
    examples=[
        ("How long writers would wait", "hyperjobs reindex --dry-run"),
        ("Build one index anew", "hyperjobs reindex idx_status --yes"),
    ],
)
@click.argument("indexes", nargs=-1, type=UnicodeText(), metavar="[INDEX]...", shell_complete=offer.indexes)
@click.option("--force", is_flag=True, help="Also when writers would wait for longer than they do.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@task_options
@click.pass_context
def reindex_command(  # noqa: PLR0913 - one for each option
    context: click.Context,
    *,
    indexes: tuple[str, ...],
    force: bool,
    yes: bool,
    is_dry: bool,
    as_json: bool,
    place: StorePlace,
) -> int:
    """Build the indexes of a store anew, all of them or those named.

    For an index that has lost entries, as an integrity check would say. Writers wait while one is built.
    """
    question = "" if yes else "go on?"
    changes: dict[str, Any] = {"names": indexes, "is_forced": force}
    return run_task(context, place, "reindex", is_dry=is_dry, as_json=as_json, question=question, **changes)


@click.command(
    "optimize",
    cls=Command,
    examples=[
        ("Renew the statistics now", "hyperjobs optimize"),
    ],
)
@task_options
@click.pass_context
def optimize_command(context: click.Context, *, is_dry: bool, as_json: bool, place: StorePlace) -> int:
    """Renew the statistics that SQLite plans queries by, where the store has any."""
    return run_task(context, place, "optimize", is_dry=is_dry, as_json=as_json)


@click.command(
    "drill",
    cls=Command,
    examples=[
        ("Prove now that the newest backup restores", "hyperjobs drill"),
    ],
)
@directory_option
@task_options
@click.pass_context
def drill_command(
    context: click.Context, *, directory: str | None, is_dry: bool, as_json: bool, place: StorePlace
) -> int:
    """Restore the newest backup to a scratch file, check it in full, and measure how long that takes."""
    return run_task(context, place, "drill", is_dry=is_dry, as_json=as_json, **_directory(directory))


def _directory(named: str | None) -> dict[str, Any]:
    from pathlib import Path  # noqa: PLC0415 - beside the next

    from hyperjobs.maintenance.backup.directory import BackupDirectory  # noqa: PLC0415 - only where it is used

    return {} if named is None else {"directory": BackupDirectory(Path(named))}
