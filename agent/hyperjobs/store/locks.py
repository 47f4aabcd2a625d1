"""Every lock on a store's files that the system shows, each by SQLite's name for it and with the process that holds it.

SQLite locks single bytes: of the file itself (https://sqlite.org/lockingv3.html) and, in WAL mode, of the -shm
(https://sqlite.org/walformat.html#wal_locks). The kernel lists them in ``/proc/locks``; for those that belong to an open
file description and not to a process, ``/proc/PID/fdinfo`` says who has that open. Nothing is locked to find out.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hyperjobs.store.kernel_locks import inode_of, kernel_locks, locks_of_descriptor, open_files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hyperjobs.store.kernel_locks import KernelLock

_FIRST_NAMESPACE: Final = "pid:[4026531836]"
"""Of process ids: that of the machine itself. From any other one, the locks of processes outside are not listed."""

_PENDING: Final = 0x40000000
_RESERVED: Final = _PENDING + 1
_SHARED: Final = _PENDING + 2
_SHARED_END: Final = _SHARED + 509
_WAL: Final = {120: "wal-write", 121: "wal-checkpoint", 122: "wal-recover"} | {
    123 + mark: f"wal-read-{mark}" for mark in range(5)
}
_READ_MARK: Final = re.compile(r"wal-read-(\d)")

WRITING: Final = frozenset({"wal-write", "wal-recover", "reserved", "pending", "exclusive"})
"""Locks that keep other writers out."""


@dataclass(frozen=True, slots=True)
class StoreLock:
    """One lock of SQLite's on a store.

    Attributes:
        name: ``shared``, ``reserved``, ``pending`` or ``exclusive`` of the file; ``wal-write``, ``wal-checkpoint``,
            ``wal-recover`` or ``wal-read-N`` of the -shm.
        is_exclusive: nobody else can have it meanwhile.
        pid: whose it is; ``None`` when the system does not say.
    """

    name: str
    is_exclusive: bool
    pid: int | None

    @property
    def read_mark(self) -> int | None:
        """Which of the five marks of readers it is on; ``None`` when it is no reader's."""
        found = _READ_MARK.fullmatch(self.name)
        return int(found[1]) if found and not self.is_exclusive else None


def locks_on(path: Path) -> list[StoreLock]:
    """The locks on a store and on its -shm now, our own among them; empty when the system does not tell."""
    main, shm = inode_of(path), inode_of(Path(f"{path}-shm"))
    ours = [each for each in kernel_locks() if each.inode in {main, shm}]
    owners = _owners(path) if any(each.is_ofd for each in ours) else {}
    return [
        StoreLock(name, each.is_exclusive, owners.get(_key(each)) if each.is_ofd else each.pid or None)
        for each in ours
        for name in (_names_of_main(each) if each.inode == main else _names_of_shm(each))
    ]


def unseen() -> str:
    """What of the locks of this machine cannot be seen from here, in words; empty when all can."""
    parts = []
    try:
        if str(Path("/proc/self/ns/pid").readlink()) != _FIRST_NAMESPACE:
            parts.append("processes outside this container")
    except OSError:
        parts.append("any process, for there is no /proc")
    if os.geteuid() != 0:
        parts.append("what processes of other users have open")
    return " and ".join(parts)


def _names_of_main(each: KernelLock) -> Iterator[str]:
    if each.covers(_PENDING):
        yield "pending"
    if each.covers(_RESERVED):
        yield "reserved"
    if each.start <= _SHARED_END and each.end >= _SHARED:
        yield "exclusive" if each.is_exclusive else "shared"


def _names_of_shm(each: KernelLock) -> Iterator[str]:
    return (name for byte, name in _WAL.items() if each.covers(byte))


def _owners(path: Path) -> dict[tuple[int, int, int, bool], int]:
    """Whose the locks of open file descriptions are, as far as we may see what processes have open."""
    names = {str(path), f"{path}-shm"}
    return {
        _key(each): pid
        for pid, descriptor, target in open_files()
        if target in names
        for each in locks_of_descriptor(pid, descriptor)
    }


def _key(each: KernelLock) -> tuple[int, int, int, bool]:
    return each.inode, each.start, each.end, each.is_exclusive
