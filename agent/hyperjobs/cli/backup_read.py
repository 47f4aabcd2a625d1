"""``hyperjobs backup list|show|verify|diff``: what changes no backup; a verify that fails marks it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hyperjobs.cli import offer
from hyperjobs.cli.argument import Number, UnicodeText
from hyperjobs.cli.backup_list import Listed, show_backups
from hyperjobs.cli.backup_setting import directory_option, settings, store_of
from hyperjobs.cli.command import Command
from hyperjobs.cli.destination import LATEST, backup_there, configured_destination, destination_option
from hyperjobs.cli.place import StorePlace, store_options
from hyperjobs.cli.setting import json_option, setting_of, verbose_option
from hyperjobs.cli.shape import manifest_shape
from hyperjobs.cli.stderr import complain_of
from hyperjobs.cli.stop import Stop
from hyperjobs.cli.table import emit, emit_json, emit_values
from hyperjobs.cli.text import printable
from hyperjobs.cli.timetable import view_at
from hyperjobs.errors import BackupDamagedError, BackupNotFoundError
from hyperjobs.size import mebibytes

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from hyperjobs.cli.backup_setting import BackupSettings
    from hyperjobs.maintenance.backup.catalogue import Entry
    from hyperjobs.maintenance.backup.destination.protocol import Destination
    from hyperjobs.maintenance.backup.manifest import Manifest
    from hyperjobs.maintenance.backup.name import BackupName

STORE = "store"
_DAMAGED = 3


@click.command(
    "list",
    cls=Command,
    examples=[
        ("The backups, and why retention keeps each", "hyperjobs backup list --reasons"),
        ("Those of a second destination", "hyperjobs backup list --from offsite"),
    ],
)
@destination_option
@directory_option
@click.option("--all", "everything", is_flag=True, help="Those of other stores too.")
@click.option("--reasons", is_flag=True, help="One more column: why retention keeps it; empty for one it lets go.")
@json_option("JSON Lines.")
@store_options
@verbose_option
@click.pass_context
def list_command(  # noqa: PLR0913 - one for each option
    context: click.Context,
    *,
    destination: str | None,
    directory: str | None,
    everything: bool,
    reasons: bool,
    as_json: bool,
    place: StorePlace,
) -> None:
    """List the store's backups, newest first, as their manifests describe them.

    No backup is read for it: the state is that of its manifest, and of the last verify that failed.
    """
    from hyperjobs.maintenance.backup.catalogue import read_catalogue  # noqa: PLC0415 - SQLite only where it is used
    from hyperjobs.maintenance.backup.destination.facts import judge  # noqa: PLC0415 - as above

    if destination is not None:
        whose = None if everything else store_of(place, destination)
        there = configured_destination(place, destination)
        listed = [Listed.of(entry, settings(place, None).host) for entry in reversed(judge(there, source=whose))]
        show_backups(listed, view_at(setting_of(context).clock.now(), as_json=as_json), reasons=False)
        return
    store = store_of(place, directory)
    found = settings(place, directory)
    if directory is not None and not found.directory.is_dir():
        raise BackupNotFoundError(f"{directory}: there is no such directory; is its disk mounted?")
    entries = read_catalogue(found.directory, None if everything else store)
    why = _reasons(entries, store, found, now=setting_of(context).clock.now()) if reasons else {}
    listed = [Listed.of(entry, found.host, list(why.get(entry.name, ()))) for entry in reversed(entries)]
    show_backups(listed, view_at(setting_of(context).clock.now(), as_json=as_json), reasons=reasons)


@click.command(
    "show",
    cls=Command,
    examples=[
        ("What the latest says of itself", "hyperjobs backup show"),
        ("What the latest of a second destination says", "hyperjobs backup show latest --from offsite"),
    ],
)
@click.argument("backup", type=UnicodeText(), default=LATEST, shell_complete=offer.backups(LATEST))
@json_option("It is one line of JSON in any case.")
@destination_option
@directory_option
@store_options
@verbose_option
def show_command(
    *,
    backup: str,
    as_json: bool,  # noqa: ARG001 - heeded where errors are said
    destination: str | None,
    directory: str | None,
    place: StorePlace,
) -> None:
    """Show the manifest of one backup, or of the latest, as one line of JSON."""
    from hyperjobs.maintenance.backup.choice import choose  # noqa: PLC0415 - SQLite only where it is used
    from hyperjobs.maintenance.backup.manifest import manifest_of  # noqa: PLC0415 - as above
    from hyperjobs.maintenance.backup.mark import reason_of  # noqa: PLC0415 - as above
    from hyperjobs.maintenance.backup.name import PINNED  # noqa: PLC0415 - as above

    if destination is not None:
        there = configured_destination(place, destination)
        manifest = there.manifest(backup_there(there, store_of(place, destination), backup))
        emit_json({**manifest_shape(manifest), "pinned": None, "pin_reason": None})  # there are no marks there
        return
    where = settings(place, directory).directory
    entry = choose(where, store_of(place, directory), backup)
    marks = {"state": str(entry.state), "found": entry.found, "pinned": entry.is_pinned}
    manifest = manifest_of(where, entry.name)
    emit_json({**manifest_shape(manifest), **marks, "pin_reason": reason_of(where, entry.name, PINNED)})


@click.command(
    "verify",
    cls=Command,
    examples=[
        ("Prove the latest", "hyperjobs backup verify"),
        ("Prove every backup", "hyperjobs backup verify --all"),
    ],
)
@click.argument("backup", type=UnicodeText(), default=LATEST, shell_complete=offer.backups(LATEST))
@click.option("--all", "everything", is_flag=True, help="Every backup of the store, oldest first.")
@json_option("JSON Lines, one for each backup.")
@destination_option
@directory_option
@store_options
@verbose_option
@click.pass_context
def verify_command(  # noqa: PLR0913 - one for each option
    context: click.Context,
    *,
    backup: str,
    everything: bool,
    as_json: bool,
    destination: str | None,
    directory: str | None,
    place: StorePlace,
) -> int:
    """Prove one backup, or the latest: its bytes, its pages and its jobs, against its manifest.

    Exit code 3 when one is damaged; each is said in a line of its own, and marked so that it no longer counts.
    """
    from hyperjobs.maintenance.backup.catalogue import read_catalogue  # noqa: PLC0415 - SQLite only where it is used
    from hyperjobs.maintenance.backup.choice import choose  # noqa: PLC0415 - as above

    if destination is not None:
        there = configured_destination(place, destination)
        return _verify_there(there, store_of(place, destination), backup, everything=everything, as_json=as_json)
    store = store_of(place, directory)
    where = settings(place, directory).directory
    entries = read_catalogue(where, store) if everything else [choose(where, store, backup)]
    code = 0
    with Stop() as stop:
        for entry in entries:
            if not _stands(where, entry, stop, now=setting_of(context).clock.now(), as_json=as_json):
                code = _DAMAGED
    return stop.code or code


def _verify_there(there: Destination, store: Path | None, word: str, *, everything: bool, as_json: bool) -> int:
    """Prove backups of another place, each brought here for it."""
    from hyperjobs.maintenance.backup.destination.facts import judge  # noqa: PLC0415 - SQLite only where it is used

    code = 0
    with Stop() as stop:
        if everything:
            names = [entry.name for entry in judge(there, stop.keep_on, source=store)]
        else:
            names = [backup_there(there, store, word, stop.keep_on)]
        for name in names:
            try:
                manifest = there.prove(name, stop.keep_on)
            except BackupDamagedError as exc:
                _say_damaged(there.place, name, exc, as_json=as_json)
                code = _DAMAGED
            else:
                said = f"{there.place}: {name}: {manifest.jobs:,} jobs, as its manifest says"
                _say_whole(there.place, manifest, said, as_json=as_json)
    return stop.code or code


@click.command(
    "diff",
    cls=Command,
    examples=[
        ("What changed since the latest", "hyperjobs backup diff latest store"),
    ],
)
@click.argument("first", type=UnicodeText(), metavar="A", shell_complete=offer.backups(LATEST))
@click.argument("second", type=UnicodeText(), metavar="B", default=STORE, shell_complete=offer.backups(LATEST, STORE))
@click.option(
    "--ids", type=Number(0, 1_000_000), metavar="N", default=10, help="So many ids of each kind; 10 when not given."
)
@json_option("One line of JSON.")
@directory_option
@store_options
@verbose_option
def diff_command(  # noqa: PLR0913 - one for each option
    *, first: str, second: str, ids: int, as_json: bool, directory: str | None, place: StorePlace
) -> int:
    """Say which jobs are only in backup A, only in B, or changed; B may be 'store', the store as it is now."""
    from hyperjobs.maintenance.backup.choice import choose  # noqa: PLC0415 - SQLite only where it is used
    from hyperjobs.maintenance.backup.diff import diff  # noqa: PLC0415 - as above

    store = store_of(place, directory)
    where = settings(place, directory).directory
    a = choose(where, store, first).name
    b: BackupName | Path = place.find() if second == STORE else choose(where, store, second).name
    with Stop() as stop:
        found = diff(where, a, b, most_ids=ids, keep_on=stop.keep_on)
    if stop.code:
        return stop.code
    counts: dict[str, Any] = {kind: getattr(found, kind) for kind in ("only_a", "only_b", "changed", "same")}
    if as_json:
        emit_json({"a": str(a), "b": str(b), **counts, "ids": found.ids})
        return 0
    for kind, count in counts.items():
        emit_values((kind, count))
    for kind, some in found.ids.items():
        for job_id in some:
            emit_values((kind, job_id))
    return 0


def _stands(where: Path, entry: Entry, stop: Stop, *, now: datetime, as_json: bool) -> bool:
    """Whether one backup is what its manifest says; what was found is said, and kept."""
    from hyperjobs.maintenance.backup.check import check  # noqa: PLC0415 - SQLite only where it is used
    from hyperjobs.maintenance.backup.mark import is_failed  # noqa: PLC0415 - as above
    from hyperjobs.maintenance.backup.name import FAILED  # noqa: PLC0415 - as above

    try:
        manifest = check(where, entry.name, now=now, keep_on=stop.keep_on)
    except BackupDamagedError as exc:
        _say_damaged(str(where), entry.name, exc, as_json=as_json)
        return False
    size = f"{manifest.jobs:,} jobs, {mebibytes(manifest.bytes)}"
    doubt = f"; does not count: {manifest.found}" if manifest.found else ""
    if is_failed(where, entry.name):
        doubt = f"; failed before, so it does not count until {entry.name}{FAILED} is removed"
    said = f"{where / manifest.name}: {size}, as its manifest says{doubt}"
    _say_whole(str(where), manifest, said, as_json=as_json, counts=not doubt)
    return True


def _say_whole(where: str, manifest: Manifest, said: str, *, as_json: bool, counts: bool = True) -> None:
    if as_json:
        numbers = {"jobs": manifest.jobs, "bytes": manifest.bytes}
        emit_json({"name": manifest.name, "place": where, "whole": True, "counts": counts, **numbers, "found": ""})
    else:
        emit(printable(said))


def _say_damaged(where: str, name: BackupName, error: BackupDamagedError, *, as_json: bool) -> None:
    complain_of(error)
    if as_json:
        shape = {"name": str(name), "place": where, "whole": False, "counts": False, "jobs": None, "bytes": None}
        emit_json({**shape, "found": str(error)})


def _reasons(
    entries: list[Entry], store: Path | None, found: BackupSettings, *, now: datetime
) -> dict[BackupName, tuple[str, ...]]:
    """Why retention keeps each of the store's verified backups."""
    from hyperjobs.maintenance.backup.catalogue import is_elsewhere, is_own  # noqa: PLC0415 - SQLite only where it is used
    from hyperjobs.maintenance.backup.retention import decide  # noqa: PLC0415 - as above

    own = [
        entry
        for entry in entries
        if entry.is_verified
        and store is not None
        and is_own(entry, store)
        and not is_elsewhere(entry.manifest, found.host)
    ]
    pinned = [entry.name for entry in own if entry.is_pinned]
    names = [entry.name for entry in own]
    decisions = decide(names, found.policy, minimum=found.minimum, now=now, pinned=pinned)
    return {decision.name: decision.reasons for decision in decisions}
