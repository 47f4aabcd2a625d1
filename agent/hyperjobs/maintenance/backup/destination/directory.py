"""A directory as a destination: another disk, or a file server's mount."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hyperjobs.errors import DestinationDeniedError, DestinationMissingError
from hyperjobs.maintenance.backup.destination.local import open_backup
from hyperjobs.maintenance.backup.destination.protocol import go_on
from hyperjobs.maintenance.backup.destination.receive import receive, told
from hyperjobs.maintenance.backup.directory import BackupDirectory
from hyperjobs.maintenance.backup.manifest import manifest_of
from hyperjobs.maintenance.backup.mark import is_failed
from hyperjobs.maintenance.backup.proof import require_same_file, verify

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hyperjobs.maintenance.backup.manifest import Manifest
    from hyperjobs.maintenance.backup.name import BackupName

_BLOCK_BYTES = 1 << 20


class DirectoryDestination:
    """A directory that exists already, on a disk that is mounted.

    It is never made: where a disk is not mounted, a directory made in its place would fill the root disk and keep no
    second copy. Name a directory *on* the mounted disk rather than the mount point, and a missing disk is noticed.

    Args:
        name: a short word.
        path: the directory; 0700, owned by who takes the backups, as for the first directory.
    """

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.path = path
        self._directory = BackupDirectory(path)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {str(self.path)!r})"

    @property
    def place(self) -> str:
        """Its path."""
        return str(self.path)

    def sizes(self, keep_on: Callable[[], None] = go_on) -> dict[BackupName, int]:
        """See the protocol; a backup whose manifest was lost is listed, as it is in the first directory."""
        self._require_there()
        found = {}
        for name in self._directory.names():
            keep_on()
            try:
                found[name] = (self.path / str(name)).lstat().st_size
            except FileNotFoundError:  # deleted meanwhile
                continue
        return found

    def names(self, keep_on: Callable[[], None] = go_on) -> list[BackupName]:
        """See the protocol."""
        return sorted(self.sizes(keep_on))

    def failed(self, keep_on: Callable[[], None] = go_on) -> set[BackupName]:
        """See the protocol."""
        return {name for name in self.names(keep_on) if is_failed(self.path, name)}

    def manifest(self, name: BackupName, keep_on: Callable[[], None] = go_on) -> Manifest:
        """See the protocol."""
        keep_on()
        self._require_there()
        return manifest_of(self.path, name)

    def put(self, directory: Path, name: BackupName, keep_on: Callable[[], None] = go_on) -> None:
        """See the protocol."""
        self._require_there()
        _bring(directory, name, self._directory, keep_on)

    def clear(self, directory: Path, keep_on: Callable[[], None] = go_on) -> None:  # noqa: ARG002 - it lies there
        """See the protocol; whatever a dead put left is at the destination."""
        keep_on()
        self._require_there()
        with told(self.path), self._directory.locked():
            pass

    def verify(self, name: BackupName, keep_on: Callable[[], None] = go_on) -> Manifest:
        """See the protocol."""
        manifest = self.manifest(name, keep_on)
        require_same_file(self.path / str(name), manifest, keep_on)
        return manifest

    def prove(self, name: BackupName, keep_on: Callable[[], None] = go_on, *, scratch: Path | None = None) -> Manifest:  # noqa: ARG002 - read where it lies
        """See the protocol; it is read where it lies."""
        self._require_there()
        with told(self.path):
            # Killed between publishing and tidying up, a put leaves the file a second name, and SQLite opens no such file.
            if (self.path / str(name)).exists() and (self.path / str(name)).lstat().st_nlink > 1:
                self.clear(self.path, keep_on)
        return verify(self.path, name, keep_on)

    def fetch(self, name: BackupName, into: Path, keep_on: Callable[[], None] = go_on) -> Manifest:
        """See the protocol."""
        self._require_there()
        return _bring(self.path, name, BackupDirectory(into), keep_on)

    def delete(self, name: BackupName, keep_on: Callable[[], None] = go_on) -> None:
        """See the protocol."""
        keep_on()
        self._require_there()
        with told(self.path), self._directory.locked():
            self._directory.remove(name)

    def room(self) -> int | None:
        """See the protocol."""
        self._require_there()
        with told(self.path):
            system = os.statvfs(self.path)
        return system.f_bavail * system.f_frsize

    def _require_there(self) -> None:
        try:
            is_there = self.path.is_dir()
        except PermissionError as exc:
            raise DestinationDeniedError(
                f"{self.path}: may not be looked at; let who takes the backups into its parent directories"
            ) from exc
        except OSError as exc:  # a file server that went away
            raise DestinationMissingError(
                f"{self.path}: cannot be looked at: {exc.strerror}; is its disk mounted?"
            ) from exc
        if not is_there:
            raise DestinationMissingError(
                f"{self.path}: is no directory; mount its disk, or make it once with 'mkdir -m 0700 {self.path}'"
            )


def _bring(source: Path, name: BackupName, target: BackupDirectory, keep_on: Callable[[], None]) -> Manifest:
    manifest = manifest_of(source, name)

    def write(take: Callable[[bytes], object]) -> None:
        with told(source), open_backup(source / str(name)) as file:
            while block := file.read(_BLOCK_BYTES):
                keep_on()
                take(block)

    receive(target, name, manifest, source=str(source / str(name)), write=write, keep_on=keep_on)
    return manifest
