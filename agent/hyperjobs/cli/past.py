"""``--at``: the store as the newest backup of a time has it."""

from __future__ import annotations

import contextlib
import functools
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hyperjobs.cli import offer
from hyperjobs.cli.moment import Moment, write_instant
from hyperjobs.cli.stderr import note

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from hyperjobs.cli.place import StorePlace
    from hyperjobs.store.sqlite import SQLiteJobStore


@dataclass(frozen=True, slots=True)
class Past:
    """Of which time, and from where; without a time it is the store as it is now.

    Attributes:
        destination: the name of a configured one.
        directory: of backups.
    """

    at: datetime | None = None
    destination: str | None = None
    directory: str | None = None

    @contextlib.contextmanager
    def open(self, place: StorePlace) -> Iterator[SQLiteJobStore]:
        """The store, for reading; which backup it is of is said on standard error."""
        if self.at is None:
            with place.open() as store:
                yield store
            return
        from hyperjobs.cli.signals import cleaning_up  # noqa: PLC0415 - only where a backup is read
        from hyperjobs.cli.stop import Stop  # noqa: PLC0415 - as above
        from hyperjobs.maintenance.backup.reading import readable  # noqa: PLC0415 - as above
        from hyperjobs.store.copy import open_copy  # noqa: PLC0415 - as above

        with contextlib.ExitStack() as stack:
            stop = Stop()
            with stop:
                directory, name = self._find(stack, place, self.at, stop)
                plain = stack.enter_context(readable(directory, name, stop.keep_on))
            if stop.code:
                raise SystemExit(stop.code)
            note(f"as {name} has it, taken {write_instant(name.at)}")
            with cleaning_up(), open_copy(plain) as store:
                yield store
                sys.stdout.flush()  # a pipe that nobody reads is found out while that can still be cleaned up after

    def _find(self, stack: contextlib.ExitStack, place: StorePlace, at: datetime, stop: Any) -> tuple[Path, Any]:
        from hyperjobs.cli.backup_setting import settings, store_of  # noqa: PLC0415 - as above
        from hyperjobs.cli.destination import backup_before, configured_destination, fetched  # noqa: PLC0415 - as above
        from hyperjobs.maintenance.backup.choice import choose  # noqa: PLC0415 - as above

        store = store_of(place, self.directory or self.destination)
        if self.destination is None:
            directory = settings(place, self.directory).directory
            return directory, choose(directory, store, at=at).name
        there = configured_destination(place, self.destination)
        name = backup_before(there, store, at, stop.keep_on)
        beside = Path(tempfile.gettempdir()) / "hyperjobs"
        return stack.enter_context(fetched(there, name, beside, stop.keep_on)), name


def past_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--at``, ``--from`` and ``--dir``; the command gets them as one :class:`Past` named ``past``."""

    @click.option(
        "--at",
        type=Moment(),
        metavar="WHEN",
        help="As the store's newest verified backup of then or before has it; which one is said on standard error.",
    )
    @click.option(
        "--from",
        "destination",
        metavar="NAME",
        shell_complete=offer.destinations,
        help="With --at: the backups of this destination of the configuration.",
    )
    @click.option("--dir", "directory", metavar="DIR", help="With --at: the backups in this directory.")
    @functools.wraps(command)
    def with_past(
        *args: Any, at: datetime | None, destination: str | None, directory: str | None, **options: Any
    ) -> Any:
        if at is None and (destination is not None or directory is not None):
            raise click.UsageError("--from and --dir go with --at")
        if destination is not None and directory is not None:
            raise click.UsageError("--from names a destination, --dir a directory: give one of them")
        return command(*args, past=Past(at, destination, directory), **options)

    return with_past
