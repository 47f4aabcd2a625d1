"""The audit log as it grows: lines are appended, synced, and the file is put aside when it is long."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hyperjobs.errors import StoreBusyError, StoreRefusedError
from hyperjobs.maintenance.audit.files import all_files, read_key, rotated, rotated_name
from hyperjobs.maintenance.audit.line import NOTHING, Line, digest, make_line, parse_line
from hyperjobs.maintenance.backup.directory import sync_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from hyperjobs.store.ledger.outbox import Entry

_TAIL_BYTES: Final = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSettings:
    """How an audit log is kept.

    Attributes:
        path: of the file that grows.
        rotate_bytes: from this size on another one is begun.
        keep: files before it that are kept.
        fsync: sync each batch of lines before it counts as written.
        key_file: holds the key of the lines' codes; ``None`` for no codes.
    """

    path: Path
    rotate_bytes: int = 64 * 1024 * 1024
    keep: int = 10
    fsync: bool = True
    key_file: Path | None = None


class AuditLog:
    """An open audit log; there is one at a time of each.

    Attributes:
        last: the last line; ``None`` before the first.
        digest: its hash.
    """

    def __init__(self, settings: AuditSettings) -> None:
        """Open it, or begin it, and take off what a kill left of a line.

        Raises:
            StoreBusyError: another agent writes it.
            StoreRefusedError: its last line is none of ours.
            OSError: it cannot be opened.
        """
        self.last: Line | None = None
        self.digest = NOTHING
        self._settings = settings
        self._key = read_key(settings.key_file)
        with contextlib.ExitStack() as opened:
            self._lock = _locked(settings.path)
            opened.callback(os.close, self._lock)
            self._file = _opened(settings.path)
            opened.callback(os.close, self._file)
            self._size = self._whole(self._file)
            os.ftruncate(self._file, self._size)
            self._read_last()
            opened.pop_all()

    def append(self, store: str, entries: Iterable[Entry], keep_from: Callable[[int], object]) -> None:
        """Add a line for each entry, all of them or none; when this returns, they last.

        Args:
            store: which store they are of.
            entries: in order.
            keep_from: told the number of the oldest line that stays, before older ones go.

        Raises:
            OSError: there is no room, or the disk fails. The file is as it was.
        """
        number, prev = (self.last.number if self.last else 0), self.digest
        lines = []
        for entry in entries:
            number += 1
            lines.append(make_line(number, store, entry, prev, self._key))
            prev = digest(lines[-1])
        if not lines:
            return
        if self._size >= self._settings.rotate_bytes:
            self._rotate(keep_from)
        data = b"".join(lines)
        try:
            written = 0
            while written < len(data):
                written += os.pwrite(self._file, data[written:], self._size + written)
            if self._settings.fsync:
                os.fdatasync(self._file)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._size)
            raise
        self._size += len(data)
        self.last, self.digest = parse_line(lines[-1]), prev

    def close(self) -> None:
        """Let it go."""
        os.close(self._file)
        os.close(self._lock)

    def _rotate(self, keep_from: Callable[[int], object]) -> None:
        path = self._settings.path
        first = _first_line(self._file)
        if first is None:
            return
        os.fsync(self._file)
        path.rename(rotated_name(path, first.number))
        file = _opened(path)
        os.close(self._file)
        self._file, self._size = file, 0
        sync_directory(path.parent)
        before = rotated(path)
        going, staying = before[: max(len(before) - self._settings.keep, 0)], before[-self._settings.keep :]
        if going:
            keep_from(staying[0][0] if self._settings.keep else (self.last.number + 1 if self.last else 1))
            for _, file_ in going:
                file_.unlink(missing_ok=True)

    @staticmethod
    def _whole(file: int) -> int:
        """Size of the lines that have an end."""
        end = os.fstat(file).st_size
        while end > 0:
            start = max(end - _TAIL_BYTES, 0)
            found = os.pread(file, end - start, start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            end = start
        return 0

    def _read_last(self) -> None:
        """Find the last line, in the file that grows or, when a kill came just after it was put aside, before it."""
        files = all_files(self._settings.path)
        for path in reversed(files):
            line = _last_line(path)
            if line:
                self.last, self.digest = parse_line(line), digest(line)
                if self.last is None:
                    raise StoreRefusedError(
                        f"{path}: its last line is none of an audit log; see 'hyperjobs audit verify', then move the file away",
                        reason="audit_damaged",
                    )
                return


def _locked(path: Path) -> int:
    descriptor = os.open(
        path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
    )
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        os.close(descriptor)
        raise StoreBusyError(f"{path}: another agent writes this audit log; give each store a log of its own") from exc
    return descriptor


def _opened(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        os.close(descriptor)
        raise StoreRefusedError(
            f"{path}: is no regular file that its owner alone may write; chmod 0600 it", reason="unsafe_file"
        )
    return descriptor


def _first_line(file: int) -> Line | None:
    line = b""
    while b"\n" not in line and (more := os.pread(file, _TAIL_BYTES, len(line))):
        line += more
    return parse_line(line.partition(b"\n")[0])


def _last_line(path: Path) -> bytes:
    """The last whole line of a file; empty when there is none."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        tail = b""
        while end > 0:
            start = max(end - _TAIL_BYTES, 0)
            file.seek(start)
            tail = file.read(end - start) + tail
            lines = tail.rstrip(b"\n").rsplit(b"\n", 1)
            if len(lines) > 1 or start == 0:
                return lines[-1]
            end = start
    return b""
