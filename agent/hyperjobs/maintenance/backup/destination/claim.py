"""Which upload of a directory is under way, so that a dead one is known to be dead.

A bucket has no locks, and an upload that its process did not live to end looks like one that somebody else is at. So
the directory that a backup is uploaded from holds a lock file a destination: while it is locked, its text says what is
being uploaded; when it can be locked and has a text, whoever wrote that is dead.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hyperjobs.errors import BackupRunningError, StorePermissionError
from hyperjobs.maintenance.backup.destination.receive import told
from hyperjobs.maintenance.backup.name import BackupName

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LONGEST_BYTES = 8192


@dataclass(frozen=True, slots=True)
class Left:
    """What a dead process left.

    Attributes:
        name: the backup that it was uploading.
        upload: the id of its multipart upload; ``None`` when it had begun none, or had no time to write it down.
    """

    name: BackupName
    upload: str | None


class Claim:
    """The lock, while it is held.

    Attributes:
        left: what the last holder left when it died; ``None`` when it ended well.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor
        self._said = _read(descriptor)
        self.left = _left(self._said)

    def begin(self, name: BackupName, upload: str | None = None) -> None:
        """Write down, to last, what is about to be uploaded."""
        self._write({"name": str(name), "upload": upload})

    def end(self) -> None:
        """Nothing is left there that is not listed."""
        self._write({})

    def _write(self, said: dict[str, str | None]) -> None:
        text = json.dumps({"pid": os.getpid(), "host": socket.gethostname()} | said)
        with told(self._path):
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, text.encode(), 0)
            os.fsync(self._descriptor)


@contextlib.contextmanager
def claimed(directory: Path, destination: str) -> Iterator[Claim]:
    """Be the only one that uploads from ``directory`` to this destination.

    Raises:
        BackupRunningError: somebody else is at it; the message says who.
        StorePermissionError: the lock file cannot be made.
    """
    path = directory / f".hyperjobs-upload-{destination}.lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    except OSError as exc:
        raise StorePermissionError(f"{path}: cannot make the lock file: {exc.strerror}") from exc
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            said = _read(descriptor)
            raise BackupRunningError(
                f"{directory}: an upload to {destination} is running (pid {said.get('pid', '?')} on "
                f"{said.get('host', '?')}); try again after it"
            ) from exc
        except OSError as exc:  # a file server without locks
            raise StorePermissionError(f"{path}: cannot be locked: {exc.strerror}") from exc
        yield Claim(path, descriptor)
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> dict[str, object]:
    try:
        said = json.loads(os.pread(descriptor, _LONGEST_BYTES, 0) or b"{}")
    except (ValueError, RecursionError):  # torn by a power cut
        return {}
    return said if isinstance(said, dict) else {}


def _left(said: dict[str, object]) -> Left | None:
    name = BackupName.parse(str(said.get("name", "")))
    upload = said.get("upload")
    return None if name is None else Left(name, upload if isinstance(upload, str) else None)
