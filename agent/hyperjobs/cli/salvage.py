"""``hyperjobs salvage``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hyperjobs.cli.argument import UnicodeText
from hyperjobs.cli.backup_setting import directory_option
from hyperjobs.cli.command import Command
from hyperjobs.cli.event import record_event
from hyperjobs.cli.place import StorePlace, store_options
from hyperjobs.cli.salvage_report import say
from hyperjobs.cli.setting import json_option, setting_of, verbose_option
from hyperjobs.cli.table import emit_json
from hyperjobs.cli.transfer import stoppable

if TYPE_CHECKING:
    from hyperjobs.config import Config
    from hyperjobs.maintenance.salvage.report import Salvaged
    from hyperjobs.maintenance.salvage.sources import Places

_LOST = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a person asked for."""

    to: str | None
    fill: bool
    include_doubtful: bool
    live: bool
    dry_run: bool
    as_json: bool
    directory: str | None


@click.command(
    "salvage",
    cls=Command,
    examples=[
        ("See what could be got, and what not", "hyperjobs salvage --dry-run"),
        ("Make a new store of it, with what backups have of the rest", "hyperjobs salvage --to salvaged.db"),
        ("As JSON, of the store alone", "hyperjobs salvage --no-fill --dry-run --json"),
    ],
)
@click.option(
    "--to",
    type=UnicodeText(),
    metavar="FILE",
    help="The new store to make; it gets the mode and owner of the old one. Refused when something is there.",
)
@click.option(
    "--fill/--no-fill",
    default=True,
    help="Take lost jobs from backups and archives, where these have them; on when not given.",
)
@click.option("--include-doubtful", is_flag=True, help="Put in what was found and may not be right, too.")
@click.option("--live", is_flag=True, help="Read the store while others have it open.")
@click.option("--dry-run", is_flag=True, help="Say what would be got, and make nothing.")
@json_option("What was got, as one line of JSON.")
@directory_option
@store_options
@verbose_option
@click.pass_context
def salvage_command(context: click.Context, /, *, place: StorePlace, **options: Any) -> int:
    """Get every job that can be read out of a damaged store, into a new one.

    The damaged store is read, and never written. Its jobs are held against its indexes; lost ones are taken from
    verified backups and archives. The new store appears when it is whole and proven. Exit code 3 when something is lost.
    """
    asked = Options(**options)
    if asked.to is None and not asked.dry_run:
        raise click.UsageError("--to names the new store to make; or see --dry-run")
    started_at, done = setting_of(context).clock.now(), None
    store = place.find()
    with stoppable(context, is_dry=asked.dry_run) as (turn, stop):
        done = _salvage(place, store, asked, turn)
    if done is None:
        return stop.code
    if not asked.dry_run:  # first, for a pipe that nobody reads ends the process
        said = f"{done.store}: {done.jobs:,} jobs salvaged into {done.target}"
        detail = {key: value for key, value in done.shape().items() if not isinstance(value, list)}
        record_event(context, place, "salvage", said, started_at=started_at, detail=detail)
    if asked.as_json:
        emit_json({"done": not asked.dry_run, **done.shape()})
    else:
        say(done, setting_of(context).clock.now())
    return 0 if done.is_whole else _LOST


def _salvage(place: StorePlace, store: Path, asked: Options, turn: Any) -> Salvaged:
    from hyperjobs.agent.options import ledger_options  # noqa: PLC0415 - pydantic only where a configuration is read
    from hyperjobs.maintenance.restore.kept import origin_of  # noqa: PLC0415 - as below
    from hyperjobs.maintenance.salvage.salvage import Wish, salvage  # noqa: PLC0415 - SQLite only where it is used
    from hyperjobs.maintenance.salvage.sources import Places  # noqa: PLC0415 - as above

    config = place.load()
    wish = Wish(
        places=_places(config, asked.directory) if asked.fill else Places(),
        ledger=ledger_options(config),
        with_doubtful=asked.include_doubtful,
        is_live=asked.live,
        origin=origin_of(store),
    )
    return salvage(store, None if asked.to is None else Path(asked.to), wish, turn)


def _places(config: Config, directory: str | None) -> Places:
    from hyperjobs.agent.options import archive_directory, destinations_of  # noqa: PLC0415 - as above
    from hyperjobs.maintenance.salvage.sources import Places  # noqa: PLC0415 - as above

    if directory is not None:
        return Places(backups=Path(directory), archives=archive_directory(config))
    return Places(
        backups=config.maintenance.backup.directory,
        destinations=destinations_of(config.maintenance),
        archives=archive_directory(config),
    )
