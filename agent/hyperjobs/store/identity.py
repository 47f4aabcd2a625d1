"""Is the file at a path still the one that was opened? Told by stat alone: an open would drop our locks."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Identity = tuple[int, int, int]


def identity_of(path: Path) -> Identity | None:
    """Device and inode of the file and inode of its -wal (0 when there is none); ``None`` when there is no file.

    The -wal counts because whoever puts an older copy in place removes it: our handle would go on in a file without
    a name. It comes and goes with the first and the last connection, which while we hold one is neither.
    """
    try:
        found = path.stat()
    except OSError:
        return None
    try:
        wal = path.with_name(f"{path.name}-wal").stat().st_ino
    except OSError:
        wal = 0
    return found.st_dev, found.st_ino, wal


class Hold:
    """One handle that is kept on a store for long, known to the other holds of this process.

    SQLite shares one -shm among the handles that a process has on a file. When an older copy is written into that
    file and its -wal and -shm are removed, a handle opened anew beside one from before would join the old -shm and
    read and write a mixture. So all must let go before the first opens again.
    """

    def __init__(self, path: Path, let_go: Callable[[], None] | None = None) -> None:
        """``let_go`` closes the handle unless it is in use, from any thread; without it, its holder does by itself."""
        self._path = path
        self._let_go = weakref.WeakMethod(let_go) if let_go is not None else lambda: None
        self._identity: Identity | None = None

    def take(self) -> None:
        """The handle was opened just now."""
        self._identity = identity_of(self._path)
        with _lock:
            _taken.add(self)

    def release(self) -> None:
        """The handle was closed."""
        with _lock:
            _taken.discard(self)

    @property
    def is_current(self) -> bool:
        """Whether the path still leads to the file that was opened."""
        return identity_of(self._path) == self._identity

    def is_free(self) -> bool:
        """Whether no handle of this process holds what was in the file before; asks those that do to let go."""
        now = identity_of(self._path)
        for other in self._stale(now):
            let_go = other._let_go()  # noqa: SLF001 - of its own kind
            if let_go is not None:
                let_go()
        return not self._stale(now)

    def _stale(self, now: Identity | None) -> list[Hold]:
        """The others on the very file whose -wal is not the one that is there; a file of another inode is another."""
        with _lock:
            others = [other for other in _taken if other is not self and other._identity is not None]  # noqa: SLF001
        return [
            other
            for other in others
            if now is not None
            and other._identity[:2] == now[:2]  # type: ignore[index]  # noqa: SLF001 - not None, see above
            and other._identity[2] not in {0, now[2]}  # type: ignore[index]  # noqa: SLF001 - 0: not in WAL mode then
        ]


_lock = threading.Lock()
_taken: weakref.WeakSet[Hold] = weakref.WeakSet()
