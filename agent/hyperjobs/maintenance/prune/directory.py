"""The directory that holds archives of pruned jobs: who may use it, and one at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from typing import TYPE_CHECKING, Final

from hyperjobs.errors import ArchiveBusyError, ArchiveNotFoundError, StorePermissionError, StoreRefusedError
from hyperjobs.maintenance.disk import disk_errors, name_holder, require_locks
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
        try:
            self.path.mkdir(mode=0o700, exist_ok=True)
            status = self.path.stat()
        except FileExistsError as exc:
            raise StorePermissionError(f"{self.path}: is a file; name a directory for the archives") from exc
        except OSError as exc:
            raise StorePermissionError(
                f"{self.path}: cannot be made: {exc.strerror}; make it, owned by who prunes, mode 0700"
            ) from exc
        if status.st_uid not in {os.geteuid(), 0} or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise StoreRefusedError(
                f"{self.path}: others may write to it and could plant files; chmod 0700 it, owned by who prunes",
                reason="unsafe_directory",
            )
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise StorePermissionError(f"{self.path}: cannot be written; chown it to who prunes")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only one that adds to the directory, removes from it or brings back from it.

        Raises:
            ArchiveBusyError: somebody else is at it; the message says who.
            StoreRefusedError: its file system keeps no locks (reason ``no_locks``).
        """
        path = self.path / _LOCK
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as exc:
            raise StorePermissionError(f"{path}: cannot make the lock file: {exc.strerror}") from exc
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as exc:
                require_locks(exc, self.path)
                holder = os.read(descriptor, 100).decode(errors="replace").strip()
                raise ArchiveBusyError(
                    f"{self.path}: another prune or undo is running ({holder or 'its process is not named'}); "
                    "try again after it"
                ) from exc
            name_holder(descriptor)
            yield
        finally:
            os.close(descriptor)

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
