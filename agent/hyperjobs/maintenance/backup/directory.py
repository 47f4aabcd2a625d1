"""The directory that holds backups: who may use it, one at a time, and how a file appears in it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hyperjobs.errors import BackupDamagedError, BackupRunningError, StorePermissionError, StoreRefusedError
from hyperjobs.maintenance import own_directory
from hyperjobs.maintenance.backup.manifest import read_manifest
from hyperjobs.maintenance.backup.name import BESIDE, MANIFEST, MAX_SEQUENCE, BackupName

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOCK = ".hyperjobs-backup.lock"
_TEMPORARY = ".hyperjobs-tmp-"
_SCRATCH = ".hyperjobs-read-"
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


class BackupDirectory:
    """One directory of backups."""

    def __init__(self, path: Path, *, make_parents: bool = False) -> None:
        """``make_parents``: of a place of our own. Of a path that a person named, an unmounted disk is not filled in."""
        self.path = Path(os.path.realpath(path))  # SQLite opens nothing that a link on the way leads to
        self._make_parents = make_parents

    def names(self) -> list[BackupName]:
        """The backups in it, oldest first; what is not named as one of ours is not looked at.

        Raises:
            StorePermissionError: the directory cannot be read.
        """
        try:
            found = [BackupName.parse(entry.name) for entry in os.scandir(self.path) if _is_file(entry)]
        except FileNotFoundError:
            return []
        except OSError as exc:
            raise StorePermissionError(
                f"{self.path}: cannot be read as a directory of backups: {exc.strerror}"
            ) from exc
        return sorted(name for name in found if name is not None)

    def prepare(self) -> None:
        """Make the directory if it is missing, and look whether it is safe to write to.

        Raises:
            StorePermissionError: it cannot be made or written.
            StoreRefusedError: others could put files, or links, in it.
        """
        own_directory.prepare(self.path, "the backups", "who takes the backups", make_parents=self._make_parents)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only one that changes the directory, of all agents and commands, and clear what the dead left.

        Raises:
            BackupRunningError: somebody else is at it; the message says who.
            StoreRefusedError: its file system keeps no locks (reason ``no_locks``).
        """
        with own_directory.locked(self.path, _LOCK, self._busy):
            self._clear()
            yield

    def _busy(self, holder: str) -> BackupRunningError:
        return BackupRunningError(f"{self.path}: another backup is running ({holder}); try again after it")

    @contextlib.contextmanager
    def temporary(self) -> Iterator[Path]:
        """A private directory in the same file system; it goes with the block. The lock is held."""
        path = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=self.path))
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """A private directory for whoever reads backups, without the lock: in here if it can be, else where the system has its.

        While it is used it carries a lock of its own, by which those who clear tell it from a killed reader's.
        """
        try:
            path = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=self.path))
        except OSError:
            path = Path(tempfile.mkdtemp(prefix=_SCRATCH))
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with contextlib.suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)
            os.close(descriptor)

    def publish(self, manifest: Path, backup: Path, name: BackupName) -> None:
        """Give both files their names, replacing nothing, and sync the directory. The lock is held.

        The manifest first: one without its backup counts for nothing and is cleared by whoever comes next.
        """
        appear(manifest, self.path / name.manifest)
        sync_directory(self.path)  # or a power cut could leave the backup without its manifest
        appear(backup, self.path / str(name))
        sync_directory(self.path)

    def remove(self, name: BackupName) -> None:
        """Delete one backup and what lies beside it. The lock is held.

        The backup first: what is left of it when we are killed in between counts for nothing, and is cleared.
        """
        (self.path / str(name)).unlink(missing_ok=True)
        sync_directory(self.path)  # or a power cut could leave the backup without its manifest
        for mark in reversed(BESIDE):
            (self.path / f"{name}{mark}").unlink(missing_ok=True)
        sync_directory(self.path)

    def next_sequence(self) -> int:
        """The sequence number of the next backup. The lock is held.

        Raises:
            StoreRefusedError: a file's name holds the last number there is.
        """
        newest = max(self.names(), default=None)
        if newest is None:
            return 1
        if newest.sequence >= MAX_SEQUENCE:
            raise StoreRefusedError(
                f"{self.path / str(newest)}: holds the last sequence number, so no backup can follow it; move it away",
                reason="sequence",
            )
        return newest.sequence + 1

    def _clear(self) -> None:
        """Remove what a killed process left: temporary directories, and what belongs to a backup that is not there."""
        for entry in list(os.scandir(self.path)):
            if entry.name.startswith(_TEMPORARY) and entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            elif entry.name.startswith(_SCRATCH) and entry.is_dir(follow_symlinks=False):
                _remove_unused(Path(entry.path))
            elif self._is_orphan(entry):
                Path(entry.path).unlink(missing_ok=True)

    def _is_orphan(self, entry: os.DirEntry[str]) -> bool:
        """Whether this is the manifest or a mark of a backup that is not there; a manifest must read as one of it."""
        backup, dot, kind = entry.name.rpartition(".")
        name = BackupName.parse(backup)
        if name is None or dot + kind not in BESIDE or not _is_file(entry) or os.path.lexists(self.path / backup):
            return False
        try:
            return dot + kind != MANIFEST or read_manifest(Path(entry.path)).name == backup
        except BackupDamagedError:
            return False


def sync_directory(path: Path) -> None:
    """Make the names in a directory last through a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_unused(path: Path) -> None:
    """Remove a reader's directory unless the reader lives."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return
    else:
        shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(descriptor)


def appear(file: Path, at: Path) -> None:
    """Move a file to a name that nothing has; where the file system has no links, the lock keeps others out."""
    try:
        os.link(file, at)
    except OSError as exc:
        if exc.errno not in _NO_LINKS or os.path.lexists(at):
            raise
        file.rename(at)
    else:
        file.unlink()  # at once: a file with two names is one that SQLite is not given


def _is_file(entry: os.DirEntry[str]) -> bool:
    return entry.is_file(follow_symlinks=False)
