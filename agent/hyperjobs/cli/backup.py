"""``hyperjobs backup create|list|show|verify``."""

from __future__ import annotations

import signal
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import click

from hyperjobs.cli.argument import UnicodeText
from hyperjobs.cli.place import StorePlace, store_options
from hyperjobs.cli.setting import setting_of, verbose_option
from hyperjobs.cli.table import emit, emit_json, emit_values
from hyperjobs.cli.text import printable
from hyperjobs.errors import BackupDamagedError, HyperjobsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hyperjobs.maintenance.backup.manifest import Manifest
    from hyperjobs.maintenance.backup.name import BackupName

_BESIDE = "backups"
LATEST = "latest"
_DAMAGED = 3


def directory_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--dir``."""
    option = click.option(
        "--dir", "directory", metavar="DIR", help="The directory of backups; by default 'backups' beside the store."
    )
    decorated: Callable[..., Any] = option(command)
    return decorated


@click.group("backup")
def backup_group() -> None:
    """Take, list, show and verify backups of a store."""


@backup_group.command("create")
@directory_option
@click.option(
    "--compression", type=click.Choice(["none", "gzip"]), default="none", help="How to store it; none when not given."
)
@click.option("--pages", type=click.IntRange(1, 1_000_000), default=1000, help="Pages copied at once; 1000.")
@click.option("--pause", type=click.FloatRange(0, 10_000), default=0.0, help="Milliseconds between two steps; 0.")
@click.option("--json", "as_json", is_flag=True, help="Write its manifest as one line of JSON.")
@store_options
@verbose_option
@click.pass_context
def create_command(  # noqa: PLR0913 - one for each option
    context: click.Context,
    *,
    directory: str | None,
    compression: str,
    pages: int,
    pause: float,
    as_json: bool,
    place: StorePlace,
) -> int:
    """Take a backup beside running writers, and prove it before it counts.

    It is a copy of one moment, checked by SQLite and read to its last job before it appears under its name. What fails
    or is stopped leaves nothing behind.
    """
    from hyperjobs.maintenance.backup.create import create_backup  # noqa: PLC0415 - SQLite only where it is used
    from hyperjobs.maintenance.backup.directory import BackupDirectory  # noqa: PLC0415 - as above
    from hyperjobs.store.snapshot import Pace  # noqa: PLC0415 - as above

    store = place.find()
    with _Stop() as stop:
        pace = Pace(
            pages=pages,
            pause_s=pause / 1000,
            pause=stop.event.wait,
            is_stopping=stop.event.is_set,
            progress=_progress,
        )
        target = BackupDirectory(directory_of(directory, store))
        try:
            manifest = create_backup(store, target, clock=setting_of(context).clock, pace=pace, compression=compression)
        except HyperjobsError:
            if stop.code:
                return stop.code
            raise
        finally:
            _end_progress()
    if as_json:
        emit_json(asdict(manifest))
    else:
        emit(f"{printable(str(target.path / manifest.name))}: {_described(manifest)}, verified")
    return 0


@backup_group.command("list")
@directory_option
@click.option("--json", "as_json", is_flag=True, help="JSON Lines.")
@store_options
@verbose_option
def list_command(*, directory: str | None, as_json: bool, place: StorePlace) -> None:
    """List the backups, newest first, as their manifests describe them."""
    from hyperjobs.maintenance.backup.manifest import read_manifest  # noqa: PLC0415 - only here

    where = directory_of(directory, place.find() if directory is None else None)
    for name in reversed(names_in(where)):
        try:
            manifest: Manifest | None = read_manifest(where / name.manifest)
        except BackupDamagedError:
            manifest = None
        jobs, size, state = (manifest.jobs, manifest.bytes, manifest.state) if manifest else (None, None, "unverified")
        if as_json:
            emit_json({"name": str(name), "at": _instant(name), "state": state, "jobs": jobs, "bytes": size})
        else:
            emit_values((str(name), _instant(name), state, jobs, size))


@backup_group.command("show")
@click.argument("backup", type=UnicodeText(), default=LATEST)
@directory_option
@store_options
@verbose_option
def show_command(*, backup: str, directory: str | None, place: StorePlace) -> None:
    """Show the manifest of one backup, or of the latest, as one line of JSON."""
    from hyperjobs.maintenance.backup.manifest import read_manifest  # noqa: PLC0415 - only here

    where = directory_of(directory, place.find() if directory is None else None)
    emit_json(asdict(read_manifest(where / backup_named(where, backup).manifest)))


@backup_group.command("verify")
@click.argument("backup", type=UnicodeText(), default=LATEST)
@click.option("--all", "everything", is_flag=True, help="Every backup, oldest first.")
@directory_option
@store_options
@verbose_option
def verify_command(*, backup: str, everything: bool, directory: str | None, place: StorePlace) -> int:
    """Prove one backup, or the latest: its bytes, its pages and its jobs, against its manifest.

    Exit code 3 when one is damaged; each is said in a line of its own.
    """
    from hyperjobs.maintenance.backup.proof import verify  # noqa: PLC0415 - SQLite only where it is used

    where = directory_of(directory, place.find() if directory is None else None)
    names = names_in(where) if everything else [backup_named(where, backup)]
    code = 0
    for name in names:
        try:
            manifest = verify(where, name)
        except BackupDamagedError as exc:
            sys.stderr.write(f"hyperjobs: {printable(str(exc))}\n")
            code = _DAMAGED
        else:
            emit(f"{printable(str(where / manifest.name))}: {_described(manifest)}, as its manifest says")
    return code


class _Stop:
    """Ctrl-C and SIGTERM as an event, so that a copy cleans up after itself.

    Attributes:
        code: what the process answers when one came, else 0.
    """

    def __init__(self) -> None:
        self.event = threading.Event()
        self.code = 0

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._heard) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _heard(self, number: int, _frame: object) -> None:
        self.code = 128 + number
        self.event.set()


def directory_of(named: str | None, store: Path | None) -> Path:
    """The directory of backups: the one named, or the one beside the store."""
    if named is not None:
        return Path(named)
    return (store or Path()).resolve().parent / _BESIDE


def names_in(where: Path) -> list[BackupName]:
    """The backups in a directory, oldest first."""
    from hyperjobs.maintenance.backup.directory import BackupDirectory  # noqa: PLC0415 - SQLite only where it is used

    return BackupDirectory(where).names()


def backup_named(where: Path, word: str) -> BackupName:
    """The backup of this file name, or the latest.

    Raises:
        BackupNotFoundError: there is none.
    """
    from hyperjobs.errors import BackupNotFoundError  # noqa: PLC0415 - only here

    names = names_in(where)
    found = names[-1:] if word == LATEST else [name for name in names if str(name) == Path(word).name]
    if not found:
        what = "there are no backups" if word == LATEST else f"there is no backup {word!r}"
        raise BackupNotFoundError(f"{where}: {what}; see 'hyperjobs backup list', or name the directory with --dir")
    return found[0]


def _described(manifest: Manifest) -> str:
    return f"{manifest.jobs:,} jobs, {manifest.bytes / 2**20:,.1f} MiB"


def _instant(name: BackupName) -> str:
    return f"{name.at:%Y-%m-%dT%H:%M:%SZ}"


def _progress(done: int, pages: int) -> None:
    if sys.stderr.isatty() and pages:
        sys.stderr.write(f"\r\x1b[Kcopied {100 * done // pages}%" + (", verifying" if done == pages else ""))
        sys.stderr.flush()


def _end_progress() -> None:
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
