"""What commands with ``--from DESTINATION`` share: finding a destination, and a backup in it."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hyperjobs.cli import offer
from hyperjobs.errors import BackupNotFoundError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from hyperjobs.cli.place import StorePlace
    from hyperjobs.maintenance.backup.destination.opening import DestinationSettings
    from hyperjobs.maintenance.backup.destination.protocol import Destination
    from hyperjobs.maintenance.backup.name import BackupName

LATEST = "latest"


def destination_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--from``; the command gets it as ``destination``, ``None`` when it was not given."""
    option = click.option(
        "--from",
        "destination",
        metavar="NAME",
        shell_complete=offer.destinations,
        help="Use the backups of this destination of the configuration.",
    )
    decorated: Callable[..., Any] = option(command)
    return decorated


def configured_destination(place: StorePlace, word: str) -> Destination:
    """The destination of this name in the configuration, opened."""
    from hyperjobs.agent.options import destinations_of  # noqa: PLC0415 - pydantic only where a configuration is read

    return destination_named(destinations_of(place.load().maintenance), word)


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


def backup_there(
    destination: Destination, store: Path | None, word: str, keep_on: Callable[[], None] = lambda: None
) -> BackupName:
    """The backup of this file name, whichever store it is of, or the store's latest verified one.

    Args:
        destination: where.
        store: whose; without one, all backups that count must be of one store.
        word: a file name, with or without a path before it, or ``latest``.
        keep_on: raises when a stop came.

    Raises:
        BackupNotFoundError: there is none; or the latest by number is not the latest by time, so that a person must say.
    """
    if word != LATEST:
        for name in destination.names(keep_on):
            if str(name) == Path(word).name:
                return name
        raise BackupNotFoundError(f"{destination.place}: there is no backup {word!r}; {_see(destination)}")
    names = _counting(destination, store, keep_on)
    if not names:
        raise BackupNotFoundError(f"{destination.place}: {_instead(destination, store, keep_on)}")
    by_number, by_time = names[-1], max(names, key=lambda name: (name.at, name.sequence))
    if by_number != by_time:
        raise BackupNotFoundError(
            f"{destination.place}: the highest number ({by_number}) is not the newest time ({by_time}): a clock was "
            "turned back, or a host began to count anew; name the one you want"
        )
    return by_number


def backup_before(
    destination: Destination, store: Path | None, at: datetime, keep_on: Callable[[], None] = lambda: None
) -> BackupName:
    """The store's newest verified backup there that was taken then or before.

    Raises:
        BackupNotFoundError: there is none, or no store is known and several have backups there.
    """
    names = _counting(destination, store, keep_on)
    found = [name for name in names if name.at <= at]
    if found:
        return max(found, key=lambda name: (name.at, name.sequence))
    if not names:
        raise BackupNotFoundError(f"{destination.place}: {_instead(destination, store, keep_on)}")
    raise BackupNotFoundError(
        f"{destination.place}: there is no backup{_of(store)} of {at:%Y-%m-%dT%H:%M:%SZ} or before; {_see(destination)}"
    )


def _counting(destination: Destination, store: Path | None, keep_on: Callable[[], None]) -> list[BackupName]:
    """The store's verified backups, oldest first; of the only store that has any, when none is known."""
    from hyperjobs.maintenance.backup.catalogue import State  # noqa: PLC0415 - SQLite only where it is used
    from hyperjobs.maintenance.backup.destination.facts import judge  # noqa: PLC0415 - as above

    judged = judge(destination, keep_on, source=store)
    counting = [entry for entry in judged if entry.state is State.VERIFIED and entry.manifest is not None]
    if store is None and len({entry.manifest.source_sha256 for entry in counting if entry.manifest}) > 1:
        raise BackupNotFoundError(
            f"{destination.place}: holds backups of several stores; name one of 'hyperjobs backup list --from "
            f"{destination.name}', or the store with --store"
        )
    return [entry.name for entry in counting]


def _instead(destination: Destination, store: Path | None, keep_on: Callable[[], None]) -> str:
    """Why none counts, and what there is."""
    from hyperjobs.maintenance.backup.destination.facts import judge  # noqa: PLC0415 - SQLite only where it is used

    if own := judge(destination, keep_on, source=store):
        return f"none of the {len(own)} backups{_of(store)} is verified; {_see(destination)}, and name one if you must"
    if others := destination.names(keep_on):
        return (
            f"there are no backups{_of(store)}, and {len(others)} of other stores; "
            f"name one if it is meant, as {others[-1]}"
        )
    return f"there are no backups{_of(store)}"


def _of(store: Path | None) -> str:
    return f" of {store}" if store is not None else ""


def _see(destination: Destination) -> str:
    return f"see 'hyperjobs backup list --from {destination.name}'"


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
