"""``hyperjobs rebuild``."""

from __future__ import annotations

import contextlib
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hyperjobs.cli.command import Command
from hyperjobs.cli.destination import LATEST, backup_there, configured_destination, destination_option, fetched
from hyperjobs.cli.place import StorePlace, store_options
from hyperjobs.cli.setting import json_option, verbose_option
from hyperjobs.cli.stderr import note
from hyperjobs.cli.table import emit, emit_json
from hyperjobs.cli.text import printable
from hyperjobs.cli.transfer import stoppable
from hyperjobs.errors import ConfigError, StoreNotFoundError
from hyperjobs.size import mebibytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hyperjobs.config import Config
    from hyperjobs.maintenance.rebuild.building import Rebuilt
    from hyperjobs.maintenance.task import Turn

_SHOWN = 5
"""Ids on a line for a person; --json has a hundred."""


@click.command(
    "rebuild",
    cls=Command,
    examples=[
        ("See what the pieces that the configuration names would come to", "hyperjobs rebuild --to new.db --dry-run"),
        (
            "Make a store of an export and an old copy",
            "hyperjobs rebuild --to new.db exported.jsonl.zst /mnt/old/jobs.db",
        ),
    ],
)
@click.argument("sources", nargs=-1, metavar="[FILE]...")
@click.option("--to", metavar="FILE", required=True, help="The file to make; it must not be there.")
@click.option("--from-config", is_flag=True, help="Beside those named, also what the configuration names.")
@click.option("--with-pruned", is_flag=True, help="Also bring back what prunes deleted; it is left out otherwise.")
@click.option(
    "--skip-damaged", is_flag=True, help="Use what can be read of damaged pieces, and go on without the rest."
)
@click.option("--key-file", metavar="FILE", help="The key of the audit log's codes; by default the configuration's.")
@click.option("--dry-run", is_flag=True, help="Read and decide everything, say what would be made, and make nothing.")
@json_option("One line of JSON.")
@destination_option
@store_options
@verbose_option
@click.pass_context
def rebuild_command(  # noqa: PLR0913 - one for each option
    context: click.Context,
    *,
    sources: tuple[str, ...],
    to: str,
    from_config: bool,
    with_pruned: bool,
    skip_damaged: bool,
    key_file: str | None,
    dry_run: bool,
    as_json: bool,
    destination: str | None,
    place: StorePlace,
) -> int:
    """Make a store again from what is left when it is gone: backups, archives, exports, the audit log.

    Each FILE is a file, a directory or a pattern; without any, those that the configuration names. What each is is
    told by what is in it. Of each job the newest state wins, and the audit log moves it on.
    """
    from hyperjobs.maintenance.audit.files import read_key  # noqa: PLC0415 - only where it is read
    from hyperjobs.maintenance.rebuild.building import rebuild  # noqa: PLC0415 - SQLite only where it is used
    from hyperjobs.maintenance.rebuild.finding import find_sources  # noqa: PLC0415 - as above

    is_configured = from_config or not (sources or destination)
    config = _config(place, is_needed=is_configured)
    store = _lost_store(place)
    target, done = Path(to), None
    key = Path(key_file) if key_file else config.audit.key_file if config is not None else None
    with contextlib.ExitStack() as stack:
        turn, stop = stack.enter_context(stoppable(context, is_dry=dry_run))
        named: list[str | Path] = [*sources]
        if destination is not None:
            named.append(_brought(stack, place, destination, store, target, turn))
        configured = _configured(config, store) if is_configured and config is not None else []
        done = rebuild(
            target,
            find_sources(named, configured, store=store if is_configured or place.store is not None else None),
            turn,
            may_skip=skip_damaged,
            is_pruned_wanted=with_pruned,
            key=read_key(key),
            **({"bounds": tuple(map(float, config.metrics.duration_buckets))} if config is not None else {}),
        )
    if done is None:
        note(f"stopped; {printable(to)} was not made, and nothing was left")
        return stop.code
    if as_json:
        emit_json({"target": to, "dry_run": dry_run, **done.shape()})
    else:
        for line in _said(to, done, dry_run=dry_run, with_pruned=with_pruned):
            emit(line)
    for source in done.sources:
        if source.message:
            note(f"{printable(str(source.path))}: {source.state}: {printable(source.message)}")
    if not (dry_run or as_json):
        for line in _next_steps(target, store):
            emit(line)
    return 0


def _config(place: StorePlace, *, is_needed: bool) -> Config | None:
    try:
        return place.load()
    except ConfigError:
        if is_needed:
            raise
        return None


def _lost_store(place: StorePlace) -> Path | None:
    """Where the store was, if anybody knows."""
    try:
        return place.find()
    except (StoreNotFoundError, ConfigError):
        return None


def _configured(config: Config, store: Path | None) -> list[Path]:
    """What the configuration names: archives, the audit log, backups, and where these are gone their second places."""
    from hyperjobs.agent.options import archive_directory, destinations_of  # noqa: PLC0415 - pydantic only here
    from hyperjobs.maintenance.backup.catalogue import newest_verified, read_catalogue  # noqa: PLC0415 - as above

    backups = config.maintenance.backup.directory
    found = [archive_directory(config), backups]
    if config.audit.path is not None:
        found.append(config.audit.path)
    if newest_verified(read_catalogue(backups, store)) is None:
        for settings in destinations_of(config.maintenance):
            if settings.directory is not None:
                found.append(settings.directory)
            else:
                note(
                    f"there is no verified backup in {backups}; those of {settings.name} come with --from {settings.name}"
                )
    return found


def _brought(  # noqa: PLR0913, PLR0917 - what a backup is brought by
    stack: contextlib.ExitStack,
    place: StorePlace,
    destination: str,
    store: Path | None,
    target: Path,
    turn: Turn,
) -> Path:
    """The latest backup of a destination, as a file beside the new store for as long as it is needed."""
    there = configured_destination(place, destination)
    name = backup_there(there, store, LATEST, turn.keep_on)
    turn.progress("fetching", 0, 0)
    return stack.enter_context(fetched(there, name, target, turn.keep_on)) / str(name)


def _said(to: str, done: Rebuilt, *, dry_run: bool, with_pruned: bool) -> Sequence[str]:
    """What was made, as lines for a person."""
    used = [source for source in done.sources if source.rows or source.changes]
    proven = "would be made" if dry_run else f"{mebibytes(done.bytes)}, proven"
    lines = [f"{printable(to)}: {done.jobs:,} jobs of {len(used)} piece{'s' * (len(used) != 1)}, {proven}"]
    lines += [
        f"  {printable(str(source.path))}: {source.kind}, {source.rows:,} rows"
        + (f", {source.changes:,} changes" if source.changes else "")
        for source in used
    ]
    origins = done.shape()
    told = (
        ("moved", "moved on by the audit log", ""),
        ("audit", "known from the audit log alone; names and paths are empty", ""),
        ("pruned", "left out, for a prune deleted them", "" if with_pruned else "; --with-pruned brings them back"),
        ("deleted", "left out, for they were deleted", ""),
    )
    for origin, words, more in told:
        if origins[origin]:
            lines.append(f"{origins[origin]:,} {words}{more}: {_listed(origins['ids'][origin], origins[origin])}")
    if done.differ:
        lines.append(f"{done.differ:,} of which pieces have different rows; the newest won: {_differing(done)}")
    if done.changes or done.pins:
        lines.append(f"{done.changes:,} changes of status are in the history, {done.pins:,} jobs stay pinned")
    return lines


def _listed(ids: list[str], total: int) -> str:
    shown = ", ".join(map(printable, ids[:_SHOWN]))
    return f"{shown} and {total - _SHOWN:,} more" if total > _SHOWN else shown


def _differing(done: Rebuilt) -> str:
    return _listed([str(each["id"]) for each in done.differing], done.differ)


def _next_steps(target: Path, store: Path | None) -> Sequence[str]:
    """How the new store comes into the old one's place."""
    new = shlex.quote(os.fspath(target))
    there = "--store PATH" if store is None else f"--store {shlex.quote(os.fspath(store))}"
    return [
        f"next: hyperjobs stats --store {new}",
        "then: systemctl stop hypervisord hyperjobs    # whoever has the store open",
        f"then: hyperjobs restore --file {new} {there}; systemctl start hypervisord hyperjobs",
    ]
