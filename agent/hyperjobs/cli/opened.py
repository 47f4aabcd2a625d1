"""A store opened by a command that asks it for more than its jobs."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hyperjobs.cli.place import StorePlace
    from hyperjobs.store.connection import Connection


@contextlib.contextmanager
def opened(place: StorePlace, what: str = "", *, read_only: bool = False) -> Iterator[Connection]:
    """A connection to the store, once that is known to be one.

    Args:
        place: where the store is.
        what: is refused for the store of hypersdk's daemon; empty is nothing.
        read_only: as for :class:`~hyperjobs.store.connection.Connection`.

    Raises:
        NotAJobStoreError: it is no job store.
        StoreRefusedError: it is of a newer hyperjobs, or the daemon's own.
        StoreError: it cannot be opened.
    """
    from hyperjobs.store.connection import Connection  # noqa: PLC0415 - SQLite only where a store is opened
    from hyperjobs.store.flavour import recognise, require_hypersdk, require_job_store  # noqa: PLC0415 - as above

    with contextlib.closing(Connection(place.find(), read_only=read_only)) as connection:
        recognition = recognise(connection)
        if what:
            require_hypersdk(recognition, connection.path, what)
        else:
            require_job_store(recognition, connection.path)
        yield connection
