"""What commands with ``--from DESTINATION`` share: finding a destination, and a backup in it."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hyperjobs.errors import BackupDamagedError, BackupNotFoundError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from hyperjobs.cli.place import StorePlace
    from hyperjobs.maintenance.backup.destination.opening import DestinationSettings
    from hyperjobs.maintenance.backup.destination.protocol import Destination
    from hyperjobs.maintenance.backup.manifest import Manifest
    from hyperjobs.maintenance.backup.name import BackupName

LATEST = "latest"


def destination_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--from``; the command gets it as ``destination``, ``None`` when it was not given."""
    option = click.option(
        "--from", "destination", metavar="NAME", help="Use the backups of this destination of the configuration."
    )
    decorated: Callable[..., Any] = option(command)
    return decorated


def configured_destination(place: StorePlace, word: str) -> Destination:
    """The destination of this name in the configuration, opened."""
    from hyperjobs.agent.options import destinations_of  # noqa: PLC0415 - pydantic only where a configuration is read

    return destination_named(destinations_of(place.load()), word)


def destination_named(configured: Sequence[DestinationSettings], word: str) -> Destination:
    """The destination of this name, opened.

    Raises:
        ConfigError: none of the configured ones is called so, or it cannot be used; the message says which there are.
    """
    from hyperjobs.maintenance.backup.destination.opening import open_destination  # noqa: PLC0415 - SQLite only here

    for settings in configured:
        if settings.name == word:
            return open_destination(settings)
    known = ", ".join(sorted(settings.name for settings in configured))
    raise ConfigError(
        f"--from {word}: no destination is called so; "
        + (f"there is {known}" if known else "the configuration has none (maintenance.backup.destinations)")
    )


def backup_there(destination: Destination, word: str) -> BackupName:
    """The backup of this file name, or the latest.

    Raises:
        BackupNotFoundError: there is none; or the latest by number is not the latest by time, so that a person must say.
    """
    names = destination.names()
    if word != LATEST:
        found = [name for name in names if str(name) == Path(word).name]
        if not found:
            raise BackupNotFoundError(
                f"{destination.place}: there is no backup {word!r}; see 'hyperjobs backup list --from {destination.name}'"
            )
        return found[0]
    if not names:
        raise BackupNotFoundError(f"{destination.place}: there are no backups")
    by_number, by_time = names[-1], max(names, key=lambda name: (name.at, name.sequence))
    if by_number != by_time:
        raise BackupNotFoundError(
            f"{destination.place}: the highest number ({by_number}) is not the newest time ({by_time}): a clock was "
            "turned back, or a host began to count anew; name the one you want"
        )
    return by_number


def backup_before(destination: Destination, at: datetime) -> BackupName:
    """The newest backup there that was taken then or before.

    Raises:
        BackupNotFoundError: there is none.
    """
    found = [name for name in destination.names() if name.at <= at]
    if not found:
        raise BackupNotFoundError(
            f"{destination.place}: there is no backup of {at:%Y-%m-%dT%H:%M:%SZ} or before; "
            f"see 'hyperjobs backup list --from {destination.name}'"
        )
    return max(found, key=lambda name: (name.at, name.sequence))


def manifests_there(destination: Destination) -> Iterator[tuple[BackupName, Manifest | None]]:
    """The backups there, newest first, each with its manifest; ``None`` where that is not its own."""
    for name in reversed(destination.names()):
        try:
            yield name, destination.manifest(name)
        except BackupDamagedError:
            yield name, None


@contextlib.contextmanager
def fetched(
    destination: Destination, name: BackupName, beside: Path, keep_on: Callable[[], None] = lambda: None
) -> Iterator[Path]:
    """A private directory of backups that holds this one, in the file system of ``beside``; it goes with the block.

    Args:
        destination: where it is.
        name: which.
        beside: the store that it is meant for; it need not be there.
        keep_on: raises when a stop came.

    Raises:
        BackupDamagedError: what came is not what its manifest says.
        StoreFullError: there is no room for it.
    """
    from hyperjobs.maintenance.backup.destination.receive import told  # noqa: PLC0415 - SQLite only where it is used

    prefix = f".{beside.name}.hyperjobs-fetch-"
    with told(beside.parent), tempfile.TemporaryDirectory(prefix=prefix, dir=beside.parent) as folder:
        destination.fetch(name, Path(folder), keep_on)
        yield Path(folder)
