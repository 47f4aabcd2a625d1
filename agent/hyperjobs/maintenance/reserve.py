"""A file beside the store that takes up room until the disk is full, and then gives it to the store.

Once a -wal has filled its disk, no DELETE and no checkpoint works: the checkpoint has to make the store larger before it
can empty the -wal. What it takes is at most the size of the -wal, and the -wal may grow once more before it is emptied.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING, Final

from hyperjobs.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from hyperjobs.clock import Clock

DEFAULT_BYTES: Final = 128 * 1024 * 1024
"""A -wal at the size it is cut back to, 64 MiB, and the growth of the store by all of it."""
_PLENTY: Final = 4
"""So many times its size must be free before it is made: it must not be what fills the disk."""
_FULL_BYTES: Final = 1024 * 1024
"""With less than this free a disk is as good as full: a few commits away."""
_KEEP_TRYING_S: Final = 60.0
"""Between two tries to make it: a disk that hovers about the limit would see it come and go."""
_SLACK_BYTES: Final = 1 << 20
"""One that is larger than asked for by more than this is of another configuration, and made anew."""


class Reserve:
    """The reserve of one store.

    Args:
        store: path of the store.
        size_bytes: of the reserve; see :data:`DEFAULT_BYTES`. 0 keeps none.
        clock: spaces out the tries to make it.
    """

    def __init__(self, store: Path, size_bytes: int = DEFAULT_BYTES, *, clock: Clock) -> None:
        self.path = store.with_name(f".{store.name}.hyperjobs-reserve")
        self.size_bytes = size_bytes
        self._clock = clock
        self._next_try_s = 0.0

    @property
    def is_held(self) -> bool:
        """Whether it is there in full."""
        return self.size_bytes > 0 and self._allocated() >= self.size_bytes

    @property
    def is_disk_full(self) -> bool:
        """Whether writers are about to fail; ``False`` when the system does not tell."""
        return _free_bytes(self.path.parent) < _FULL_BYTES

    def keep(self) -> bool:
        """Make it where it is missing and the disk has plenty; returns whether it is there.

        Raises:
            StoreError: something else has its name.
        """
        if self.size_bytes <= 0:
            self._remove()  # of a time when there was to be one
            return False
        if self.is_held and self._allocated() < self.size_bytes + _SLACK_BYTES:
            return True
        now_s = self._clock.monotonic()
        if now_s < self._next_try_s:
            return False
        self._next_try_s = now_s + _KEEP_TRYING_S
        if _free_bytes(self.path.parent) < _PLENTY * self.size_bytes:
            return False
        self._remove()  # of another size, or half made
        return self._make()

    def release(self) -> bool:
        """Give its room to the store; returns whether there was any.

        Raises:
            StoreError: something else has its name.
        """
        self._next_try_s = self._clock.monotonic() + _KEEP_TRYING_S
        return self._remove()

    def _make(self) -> bool:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(self.path, flags, 0o600)
        except OSError:
            return False  # a directory we may not write; the store's own errors say so
        try:
            # with its blocks, and not a hole that takes no room
            os.posix_fallocate(descriptor, 0, self.size_bytes)
        except OSError:
            self._remove()
            return False
        finally:
            os.close(descriptor)
        return True

    def _remove(self) -> bool:
        try:
            found = self.path.lstat()
        except OSError:
            return False
        if not stat.S_ISREG(found.st_mode):
            raise StoreError(f"{self.path}: something else has the name of the reserve; remove it")
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
        return True

    def _allocated(self) -> int:
        """Return what it takes up on the disk."""
        try:
            found = self.path.lstat()
        except OSError:
            return 0
        return min(found.st_size, found.st_blocks * 512) if stat.S_ISREG(found.st_mode) else 0


def _free_bytes(directory: Path) -> int:
    try:
        system = os.statvfs(directory)
    except OSError:
        return 1 << 62
    return system.f_bavail * system.f_frsize
