"""Checks of who is in whose way: the lock of writers, and the readers that hold the -wal back."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hyperjobs.doctor.finding import LOCKED, Finding, failed, ok, skipped, warning
from hyperjobs.errors import StoreError
from hyperjobs.size import mebibytes
from hyperjobs.store.holder import openers_of
from hyperjobs.store.locks import WRITING, locks_on, unseen
from hyperjobs.store.process import Process, process_of
from hyperjobs.store.wal import wal_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hyperjobs.doctor.case import Case
    from hyperjobs.doctor.outlook import WalIndex
    from hyperjobs.store.connection import Connection
    from hyperjobs.store.locks import StoreLock

_STEP_S: Final = 0.2
_NOTICED_S: Final = 1.0
_LONG_WAL_BYTES: Final = 64 * 1024 * 1024
"""What the agent's own connections cut a -wal back to."""
_PINNED_BYTES: Final = 8 * 1024 * 1024
"""Twice what SQLite checkpoints by itself."""


@dataclass(frozen=True, slots=True)
class _Holding:
    """Who held the lock while we watched.

    Attributes:
        names: of the locks, as SQLite calls them.
        seconds: that we saw it held without a commit between.
        is_to_the_end: it was still held when we stopped watching.
    """

    pid: int | None
    names: tuple[str, ...]
    seconds: float
    is_to_the_end: bool


def look_at_lock(case: Case) -> Iterator[Finding]:
    """Who holds the writers' lock, and for how long; a free one costs one look."""
    holding = _watch(case)
    blind = unseen()
    if holding is None:
        openers = [pid for pid in openers_of(case.path) if pid != os.getpid()]
        said = f"nobody holds the lock; {len(openers)} other processes have the store open"
        yield ok(said + (f"; not seen from here: {blind}" if blind else ""), openers=openers, unseen=blind)
        return
    process = process_of(holding.pid) if holding.pid is not None else None
    who = process.text() if process is not None else "a process that the system does not name"
    locks = "+".join(holding.names)
    detail = {
        "pid": holding.pid,
        "locks": list(holding.names),
        "held_seconds": round(holding.seconds, 1),
        **_shape(process),
    }
    if holding.is_to_the_end and holding.seconds >= case.watch_s:
        message = f"locked: {who} holds {locks} and did not let go in the {holding.seconds:.1f} s that we watched"
        yield failed(message, _remedy(process), LOCKED, **detail)
    elif holding.seconds >= _NOTICED_S:
        yield warning(
            f"{who} held {locks} for {holding.seconds:.1f} s: writers wait so long", _remedy(process), **detail
        )
    else:
        yield ok(f"{who} writes ({locks}), and lets go again", **detail)


def _watch(case: Case) -> _Holding | None:
    """Look at the lock until it is let go, or as long as writers would wait."""
    began_s = since_s = time.monotonic()
    current = _holder(locks_on(case.path))
    if current is None:
        return None
    longest, commits = 0.0, _Commits(case)
    try:
        while time.monotonic() - began_s < case.watch_s:
            time.sleep(_STEP_S)
            now = _holder(locks_on(case.path))
            if now is None:
                return _Holding(*current, max(longest, time.monotonic() - since_s - _STEP_S), is_to_the_end=False)
            if now[0] != current[0] or commits.has_new():
                longest, since_s = max(longest, time.monotonic() - since_s - _STEP_S), time.monotonic()
            current = now
    finally:
        commits.close()
    held_s = time.monotonic() - since_s
    return _Holding(*current, max(held_s, longest), is_to_the_end=held_s >= longest)


class _Commits:
    """Whether others commit, as far as the store can be read meanwhile."""

    def __init__(self, case: Case) -> None:
        self._connection: Connection | None = None
        self._opened = contextlib.ExitStack()
        with contextlib.suppress(StoreError):
            self._connection = self._opened.enter_context(case.opened(60.0, busy_timeout_s=0.0))
        self._version = self._read()

    def has_new(self) -> bool:
        before, self._version = self._version, self._read()
        return before is not None and self._version is not None and before != self._version

    def close(self) -> None:
        self._opened.close()

    def _read(self) -> int | None:
        try:
            return None if self._connection is None else int(self._connection.value("PRAGMA data_version"))
        except StoreError:
            return None


def _holder(locks: list[StoreLock]) -> tuple[int | None, tuple[str, ...]] | None:
    """Who keeps writers out, and by which locks; our own are nobody's."""
    found = [each for each in locks if each.pid != os.getpid() and each.is_exclusive and each.name in WRITING]
    if not found:
        return None
    pid = found[0].pid
    return pid, tuple(dict.fromkeys(each.name for each in found if each.pid == pid))


def _remedy(process: Process | None) -> str:
    if process is None:
        return "look for it from outside this container, or as root: hyperjobs doctor --only lock"
    if process.is_stopped:
        return f"kill -CONT {process.pid} lets it go on; kill {process.pid} ends it, and its transaction is rolled back"
    return f"wait for it; kill {process.pid} ends it, and its transaction is rolled back"


def _shape(process: Process | None) -> dict[str, object]:
    if process is None:
        return {}
    age_s = None if process.age_s is None else round(process.age_s)
    return {
        "command": process.command,
        "user": process.user,
        "age_seconds": age_s,
        "is_stopped": process.is_stopped,
    }


def look_at_wal(case: Case) -> Iterator[Finding]:
    """How long the -wal is, and which reader keeps it so."""
    if case.journal_mode != "wal":
        yield skipped(f"there is no -wal in journal_mode {case.journal_mode}")
        return
    size = wal_bytes(case.path)
    readers = [
        lock for lock in locks_on(case.path) if lock.read_mark is not None and lock.pid not in {None, os.getpid()}
    ]
    wal = case.outlook.wal if case.outlook is not None else None
    frames = {"frames": wal.last, "moved": wal.moved} if wal is not None else {}
    oldest = _oldest(readers, case)
    if oldest is None:
        said = f"{mebibytes(size)}, and no reader holds it back"
        if size > _LONG_WAL_BYTES:
            yield warning(said, "hyperjobs checkpoint --truncate", bytes=size, **frames)
        else:
            yield ok(said, bytes=size, **frames)
        return
    process, behind = oldest
    who = f"{process.text()} has a read transaction open"
    if behind:
        who += f", {behind:,} frames behind"
    detail = {"bytes": size, **frames, "pid": process.pid, "frames_behind": behind, **_shape(process)}
    if process.is_stopped or size > _PINNED_BYTES:
        remedy = (
            f"kill -CONT {process.pid} lets it go on" if process.is_stopped else f"let it end, or kill {process.pid}"
        )
        yield warning(f"{mebibytes(size)}, and it grows: {who}", f"{remedy}; then hyperjobs checkpoint", **detail)
    else:
        yield ok(f"{mebibytes(size)}; {who}", **detail)


def _oldest(readers: list[StoreLock], case: Case) -> tuple[Process, int] | None:
    """The reader that is farthest behind, and by how many frames; of those that are level, the process started first."""
    wal = case.outlook.wal if case.outlook is not None else None
    ranked = []
    for lock in readers:
        behind = _behind(wal, lock.read_mark)
        process = process_of(lock.pid or 0)
        ranked.append((process.is_stopped, behind, process.age_s or 0.0, process))
    if not ranked:
        return None
    _, behind, _, process = max(ranked, key=lambda each: each[:3])
    return process, behind


def _behind(wal: WalIndex | None, mark: int | None) -> int:
    """Frames written since a reader began; one on the mark 0 reads the file alone, so nothing may be moved into that."""
    if wal is None or mark is None:
        return 0
    return max(0, wal.last - (wal.moved if mark == 0 else wal.marks[mark] or 0))
