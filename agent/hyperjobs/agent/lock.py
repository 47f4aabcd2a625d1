"""One agent a store: a lock that ends with the process that holds it, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

from hyperjobs.errors import AgentRunningError, StorePermissionError
from hyperjobs.store.identity import identity_of
from hyperjobs.store.state import state_stem

if TYPE_CHECKING:
    from pathlib import Path

_SAFELY = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""A FIFO that somebody put in the place of a lock file must not hang who opens or reads it."""


class AgentLock:
    """flock on a file beside the store and on one in the state directory; never on the store itself.

    The one beside the store keeps agents with different state directories apart. It is left out while there is no
    store, or where its directory cannot be written.
    """

    def __init__(self, store: Path, state_dir: Path) -> None:
        self._store = store
        self._in_state = state_dir / f"{state_stem(store)}.lock"
        self._beside = store.with_name(f"{store.name}.hyperjobs.lock")
        self._held: dict[Path, int] = {}

    @property
    def is_held(self) -> bool:
        """Whether this process is the store's agent."""
        return bool(self._held)

    def acquire(self) -> None:
        """Take the lock, or do nothing for what is held already.

        Raises:
            AgentRunningError: another agent holds it; the message says which process.
            StorePermissionError: the state directory cannot be written.
        """
        self._take(self._in_state, is_needed=True)
        if identity_of(self._store) is not None:
            self._take(self._beside, is_needed=False)

    def release(self) -> None:
        """Let go; the files stay, for removing one that another waits on would make two holders."""
        for descriptor in self._held.values():
            os.close(descriptor)
        self._held.clear()

    def _take(self, path: Path, *, is_needed: bool) -> None:
        if path in self._held:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o750) if is_needed else None
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _SAFELY, 0o640)
        except OSError as exc:
            if not is_needed:
                return
            raise StorePermissionError(
                f"{path}: cannot make the lock file: {exc.strerror}; set store.state_dir to a directory the agent can write"
            ) from exc
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            holder = _named(descriptor)
            os.close(descriptor)
            self.release()
            raise AgentRunningError(
                f"{self._store}: another agent looks after it ({holder or 'its process is not named'}); stop that one first"
            ) from exc
        self._held[path] = descriptor
        with contextlib.suppress(OSError):  # a full disk costs the name of the holder, not the lock
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"pid {os.getpid()}\n".encode())


def agent_holding(store: Path, state_dir: Path) -> str | None:
    """Who runs as this store's agent, as ``"pid 123"``; ``None`` when nobody does."""
    lock = AgentLock(store, state_dir)
    for path in (lock._beside, lock._in_state):  # noqa: SLF001 - same module
        try:
            descriptor = os.open(path, os.O_RDONLY | _SAFELY)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return _named(descriptor) or "another process"
        finally:
            os.close(descriptor)
    return None


def _named(descriptor: int) -> str:
    """Who holds a lock, as its file says; empty when it does not."""
    try:
        return os.read(descriptor, 100).decode(errors="replace").strip()
    except OSError:
        return ""
