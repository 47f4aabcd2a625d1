"""What changed between two backups, or between a backup and the store as it is now."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from hyperjobs.maintenance.backup.name import BackupName
from hyperjobs.maintenance.backup.pack import nothing
from hyperjobs.maintenance.backup.reading import readable
from hyperjobs.store.compare import Difference, compare
from hyperjobs.store.connection import Connection
from hyperjobs.store.flavour import recognise, require_job_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def diff(  # noqa: PLR0913 - what is compared, and how it is told
    directory: Path,
    first: BackupName | Path,
    second: BackupName | Path,
    *,
    most_ids: int = 10,
    with_fields: bool = False,
    keep_on: Callable[[], None] = nothing,
) -> Difference:
    """Compare the jobs of two.

    Args:
        directory: of the backups.
        first: a backup, or the path of a store, which is read beside its writers.
        second: the same.
        most_ids: so many ids of each kind are given.
        with_fields: tell which fields of those that changed, too.
        keep_on: called often; what it raises ends the comparison.

    Raises:
        BackupDamagedError: the bytes of a backup are not those that were published.
        StoreError: the store cannot be read.
    """
    with _opened(directory, first, keep_on) as a, _opened(directory, second, keep_on) as b:
        return compare(a, b, most_ids=most_ids, with_fields=with_fields, keep_on=keep_on)


@contextlib.contextmanager
def _opened(directory: Path, which: BackupName | Path, keep_on: Callable[[], None]) -> Iterator[Connection]:
    with contextlib.ExitStack() as stack:
        if isinstance(which, BackupName):
            plain = stack.enter_context(readable(directory, which, keep_on))
            connection = Connection(plain, immutable=True)
        else:
            connection = Connection(which, read_only=True)
        stack.callback(connection.close)
        require_job_store(recognise(connection), connection.path)
        yield connection
