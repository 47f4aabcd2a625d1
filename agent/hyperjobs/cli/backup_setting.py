"""Where backups are, and how they are taken and kept, when a command does not say."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hyperjobs.errors import StoreNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hyperjobs.cli.place import StorePlace
    from hyperjobs.maintenance.backup.directory import BackupDirectory
    from hyperjobs.maintenance.backup.retention import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupSettings:
    """What the configuration says of backups.

    Attributes:
        directory: where they are.
        is_default: nobody named that directory, so its parents may be made.
        compression: ``zstd``, ``gzip`` or ``none``.
        policy: which backups stay; ``minimum`` verified ones always do.
        host: what this machine is called in them.
    """

    directory: Path
    is_default: bool
    compression: str
    policy: Policy
    minimum: int
    host: str

    def open(self) -> BackupDirectory:
        """The directory, to be used."""
        from hyperjobs.maintenance.backup.directory import BackupDirectory  # noqa: PLC0415 - SQLite only where it is used

        return BackupDirectory(self.directory, make_parents=self.is_default)


def settings(place: StorePlace, directory: str | None) -> BackupSettings:
    """What a command that was given ``--dir``, or not, works with.

    Raises:
        ConfigError: the configuration cannot be used.
    """
    from hyperjobs.config.usual import default_backups  # noqa: PLC0415 - pydantic only where a configuration is read
    from hyperjobs.maintenance.backup.retention import Policy  # noqa: PLC0415 - SQLite only where it is used

    backup = place.load().maintenance.backup
    path = Path(directory) if directory is not None else backup.directory
    return BackupSettings(
        directory=path,
        is_default=path == default_backups(os.environ),
        compression=str(backup.compress),
        policy=Policy(**backup.keep.model_dump()),
        minimum=backup.minimum,
        host=host_of(place),
    )


def host_of(place: StorePlace) -> str:
    """What this machine is called in backups."""
    from hyperjobs.agent.options import host_of as configured  # noqa: PLC0415 - pydantic only where it is read

    return configured(place.load().maintenance)


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
        help="The directory of backups; by default maintenance.backup.directory of the configuration.",
    )
    decorated: Callable[..., Any] = option(command)
    return decorated
