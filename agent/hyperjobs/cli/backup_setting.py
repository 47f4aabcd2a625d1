"""Where backups are, and how they are taken and kept, when a command does not say."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hyperjobs.errors import StoreNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hyperjobs.cli.place import StorePlace
    from hyperjobs.maintenance.backup.directory import BackupDirectory
    from hyperjobs.maintenance.backup.retention import Policy

DIRECTORY_VARIABLE = "HYPERJOBS_MAINTENANCE__BACKUP__DIRECTORY"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupSettings:
    """What the configuration says of backups.

    Attributes:
        directory: where they are.
        is_default: nobody named that directory, so its parents may be made.
        compression: ``zstd``, ``gzip`` or ``none``.
        policy: which backups stay; ``minimum`` verified ones always do.
        newest_run_ok: whether the newest run of the backup task, if any, succeeded.
        is_frozen: whether the store is frozen.
    """

    directory: Path
    is_default: bool
    compression: str
    policy: Policy
    minimum: int
    newest_run_ok: bool = True
    is_frozen: bool = False

    def open(self) -> BackupDirectory:
        """The directory, to be used."""
        from hyperjobs.maintenance.backup.directory import BackupDirectory  # noqa: PLC0415 - SQLite only where it is used

        return BackupDirectory(self.directory, make_parents=self.is_default)


def settings(
    place: StorePlace,  # noqa: ARG001 - its configuration will be read
    directory: str | None,
    environment: Mapping[str, str] = os.environ,
) -> BackupSettings:
    """What a command that was given ``--dir``, or not, works with."""
    from hyperjobs.maintenance.backup.create import DEFAULT_COMPRESSION  # noqa: PLC0415 - SQLite only where it is used
    from hyperjobs.maintenance.backup.retention import DEFAULT_POLICY, MINIMUM  # noqa: PLC0415 - as above

    named = directory or environment.get(DIRECTORY_VARIABLE)
    return BackupSettings(
        directory=Path(named) if named else default_directory(),
        is_default=not named,
        compression=DEFAULT_COMPRESSION,
        policy=DEFAULT_POLICY,
        minimum=MINIMUM,
    )


def default_directory() -> Path:
    """Where backups go when nobody says: a place of the system's for root, else one of the user's own."""
    if os.geteuid() == 0:
        return Path("/var/backups/hyperjobs")
    return Path("~/.local/state/hyperjobs/backups").expanduser()


def store_of(place: StorePlace, named: str | None) -> Path | None:
    """The store whose backups are meant; ``None`` when something else was named that can do without, and there is none."""
    try:
        return place.find()
    except StoreNotFoundError:
        if named is None:
            raise
        return None


def directory_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--dir``."""
    option = click.option(
        "--dir",
        "directory",
        metavar="DIR",
        help="The directory of backups; by default /var/backups/hyperjobs, or ~/.local/state/hyperjobs/backups.",
    )
    decorated: Callable[..., Any] = option(command)
    return decorated
