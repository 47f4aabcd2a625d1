"""The directory that holds archives of pruned jobs: who may use it, and one at a time."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final

from hyperjobs.errors import ArchiveBusyError, ArchiveNotFoundError, StorePermissionError
from hyperjobs.maintenance import own_directory
from hyperjobs.maintenance.disk import disk_errors
from hyperjobs.maintenance.prune.name import DATA, ArchiveName

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

_LOCK: Final = ".hyperjobs-archive.lock"
LATEST: Final = "latest"
NOT_KEPT: Final = "the archive could not be kept; no job is deleted that is not in it"


class ArchiveDirectory:
    """One directory of archives."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def names(self) -> list[ArchiveName]:
        """The archives in it, oldest first; what is not named as one of ours is not looked at.

        Raises:
            StorePermissionError: the directory cannot be read.
        """
        try:
            found = [
                ArchiveName.parse(entry.name)
                for entry in os.scandir(self.path)
                if entry.name.endswith(DATA) and entry.is_file(follow_symlinks=False)
            ]
        except FileNotFoundError:
            return []
        except OSError as exc:
            raise StorePermissionError(
                f"{self.path}: cannot be read as a directory of archives: {exc.strerror}"
            ) from exc
        return sorted(name for name in found if name is not None)

    def find(self, run: str) -> ArchiveName:
        """The archive of this run, or the latest.

        Raises:
            ArchiveNotFoundError: there is none.
        """
        names = self.names()
        found = names[-1:] if run == LATEST else [name for name in names if run in {str(name), name.data}]
        if not found:
            what = "there are no archives of pruned jobs" if run == LATEST else f"no prune {run!r} left an archive"
            raise ArchiveNotFoundError(f"{self.path}: {what}; see 'hyperjobs prune list', or name the directory")
        return found[0]

    def prepare(self) -> None:
        """Make the directory if it is missing, and look whether it is safe to write to.

        Raises:
            StorePermissionError: it cannot be made or written.
            StoreRefusedError: others could put files, or links, in it.
        """
        own_directory.prepare(self.path, "the archives", "who prunes")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only one that adds to the directory, removes from it or brings back from it.

        Raises:
            ArchiveBusyError: somebody else is at it; the message says who.
            StoreRefusedError: its file system keeps no locks (reason ``no_locks``).
        """
        with own_directory.locked(self.path, _LOCK, self._busy):
            yield

    def _busy(self, holder: str) -> ArchiveBusyError:
        return ArchiveBusyError(f"{self.path}: another prune or undo is running ({holder}); try again after it")

    @contextlib.contextmanager
    def adding(self, what: str) -> Iterator[None]:
        """Be the only one that adds to the directory, which is made when it is missing.

        Args:
            what: is said when the system refuses something in the block: ``the archive could not be kept``.

        Raises:
            StoreError: as for :meth:`prepare`, :meth:`locked` and :func:`~hyperjobs.maintenance.disk.disk_errors`.
        """
        self.prepare()
        with disk_errors(self.path, what), self.locked():
            yield

    def next_name(self, store: Path, at: datetime) -> ArchiveName:
        """What the next archive is called, of the store with this real path. The lock is held."""
        sequence = max((name.sequence for name in self.names()), default=0) + 1
        return ArchiveName(sequence, at.replace(microsecond=0), store.name.removesuffix(".db"))
