"""What our own code asks the system to do with files, watched and, when that is wanted, failing.

SQLite's files go through its VFS; what is copied, synced, named and removed by Python goes through here. The functions
of ``os`` and ``io.open`` are replaced for the length of a process of its own, and only for files below one folder.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

OPERATIONS: Final = ("file open", "file write", "file sync", "file name", "file read")


class Fault(Protocol):
    """How a call is to fail."""

    code: int
    is_torn: bool
    is_short: bool


class Watch:
    """Sees each call; as it is here, all go well and nobody is told."""

    def look(self, _operation: str) -> Fault | None:
        """How this call is to fail; ``None`` is not at all."""
        return None

    def told(self, *_event: Any) -> None:
        """What was just done: ``create``, ``write``, ``truncate``, ``sync``, ``sync names``, ``link``, ``rename``, ``unlink``."""


def install(root: Path, watch: Watch) -> None:
    """Let ``watch`` see what this process does with files below ``root``, for good."""
    calls = _Calls(os.path.realpath(root) + os.sep, watch)
    _Raw.calls = calls
    for name in (
        "open",
        "fsync",
        "fdatasync",
        "sendfile",
        "ftruncate",
        "pwrite",
        "link",
        "rename",
        "unlink",
        "rmdir",
        "mkdir",
    ):
        setattr(os, name, getattr(calls, name))
    os.replace, os.remove = calls.rename, calls.unlink
    io.open = builtins.open = calls.open_file  # type: ignore[assignment]


def place_of(descriptor: int) -> str:
    """The path of an open file."""
    return str(Path(f"/proc/self/fd/{descriptor}").readlink())


class _Calls:
    """The functions that take the place of the system's."""

    def __init__(self, root: str, watch: Watch) -> None:
        self._root, self._watch = root, watch
        self._real = {
            name: getattr(os, name)
            for name in (
                "open",
                "fsync",
                "fdatasync",
                "sendfile",
                "ftruncate",
                "pwrite",
                "link",
                "replace",
                "unlink",
                "rmdir",
                "mkdir",
            )
        }
        self._open_file = io.open

    def is_ours(self, path: Any) -> bool:
        if isinstance(path, int):
            path = place_of(path)
        return os.fsdecode(os.fspath(path)).startswith(self._root)

    def open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if dir_fd is not None or not self.is_ours(path):
            return int(self._real["open"](path, flags, mode, dir_fd=dir_fd))
        self.fail("file open", path)
        is_new = bool(flags & os.O_CREAT) and not os.path.lexists(path)
        descriptor = int(self._real["open"](path, flags, mode))
        if is_new:
            self.told("create", os.fspath(path), os.fstat(descriptor).st_ino)
        return descriptor

    def open_file(self, file: Any, mode: str = "r", buffering: int = -1, *rest: Any, **more: Any) -> Any:
        if "b" not in mode or buffering != -1 or not self.is_ours(file):
            return self._open_file(file, mode, buffering, *rest, **more)
        if not isinstance(file, int):
            self.fail("file open", file)
        raw = _Raw(file, mode.replace("b", ""), **more)
        if "+" in mode:
            return io.BufferedRandom(raw)
        return io.BufferedReader(raw) if "r" in mode else io.BufferedWriter(raw)

    def fsync(self, descriptor: Any) -> None:
        self._sync("fsync", descriptor)

    def fdatasync(self, descriptor: Any) -> None:
        self._sync("fdatasync", descriptor)

    def sendfile(self, out: int, source: int, offset: int | None, count: int) -> int:
        if not self.is_ours(out):
            return int(self._real["sendfile"](out, source, offset, count))
        fault = self._watch.look("file write")
        at, read_at = os.lseek(out, 0, os.SEEK_CUR), os.lseek(source, 0, os.SEEK_CUR)
        if fault is not None:
            count = max(1, os.fstat(source).st_size // 2)
            if not fault.is_short:
                if fault.is_torn:
                    self._real["sendfile"](out, source, offset, count)
                raise OSError(fault.code, os.strerror(fault.code))
        done = int(self._real["sendfile"](out, source, offset, count))
        self.told("write", os.fstat(out).st_ino, at, os.pread(source, done, read_at))
        return done

    def ftruncate(self, descriptor: int, size: int) -> None:
        if self.is_ours(descriptor):
            self.fail("file write")
        self._real["ftruncate"](descriptor, size)
        if self.is_ours(descriptor):
            self.told("truncate", os.fstat(descriptor).st_ino, size)

    def pwrite(self, descriptor: int, data: bytes, offset: int) -> int:
        if self.is_ours(descriptor):
            self.fail("file write")
        done = int(self._real["pwrite"](descriptor, data, offset))
        if self.is_ours(descriptor):
            self.told("write", os.fstat(descriptor).st_ino, offset, data[:done])
        return done

    def link(self, source: Any, target: Any, **more: Any) -> None:
        self._name("link", target, lambda: self._real["link"](source, target, **more), os.fspath(source))

    def rename(self, source: Any, target: Any, **more: Any) -> None:
        self._name("rename", target, lambda: self._real["replace"](source, target, **more), os.fspath(source))

    def unlink(self, path: Any, *, dir_fd: int | None = None) -> None:
        where = path if dir_fd is None else Path(place_of(dir_fd)) / path
        self._name("unlink", where, lambda: self._real["unlink"](path, dir_fd=dir_fd))

    def rmdir(self, path: Any, *, dir_fd: int | None = None) -> None:
        where = path if dir_fd is None else Path(place_of(dir_fd)) / path
        self._name("rmdir", where, lambda: self._real["rmdir"](path, dir_fd=dir_fd))

    def mkdir(self, path: Any, mode: int = 0o777, **more: Any) -> None:
        self._name("mkdir", path, lambda: self._real["mkdir"](path, mode, **more))

    def _sync(self, name: str, descriptor: Any) -> None:
        number = descriptor if isinstance(descriptor, int) else descriptor.fileno()
        if not self.is_ours(place := place_of(number)) and place + os.sep != self._root:
            self._real[name](number)
            return
        self.fail("file sync", place)
        self._real[name](number)
        if os.path.isdir(place):  # noqa: PTH112 - pathlib is among what is watched
            self.told("sync names", place)
        else:
            self.told("sync", os.fstat(number).st_ino)

    def _name(self, kind: str, path: Any, work: Callable[[], object], source: str = "") -> None:
        if not self.is_ours(path):
            work()
            return
        self.fail("file name", path)
        work()
        self.told(kind, source, os.fspath(path)) if source else self.told(kind, os.fspath(path))

    def fail(self, operation: str, path: Any = None) -> None:
        """Raise what this call is to fail with; only writes and reads can be torn or short."""
        fault = self._watch.look(operation)
        if fault is not None and not fault.is_short:
            raise OSError(fault.code, os.strerror(fault.code), path if path is None else os.fspath(path))

    def look(self, operation: str) -> Fault | None:
        return self._watch.look(operation)

    def told(self, *event: Any) -> None:
        self._watch.told(*event)


class _Raw(io.FileIO):
    """The unbuffered file below Python's buffers."""

    calls: _Calls

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        fault = self.calls.look("file write")
        if fault is not None and not fault.is_short:
            if fault.is_torn:
                super().write(view[: len(view) // 2])
            raise OSError(fault.code, os.strerror(fault.code))
        if fault is not None:
            view = view[: max(1, len(view) // 2)]
        at = self.tell()
        done = super().write(view)
        self.calls.told("write", os.fstat(self.fileno()).st_ino, at, bytes(view[:done]))
        return done

    def readinto(self, buffer: Any) -> int | None:
        return super().readinto(memoryview(buffer).cast("B")[: self._allowed(len(buffer))])

    def readall(self) -> bytes:
        parts = []
        while part := self.read(1 << 16):
            parts.append(part)
        return b"".join(parts)

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            return self.readall()
        return super().read(self._allowed(size)) or b""

    def truncate(self, size: int | None = None) -> int:
        self.calls.fail("file write")
        found = super().truncate(size)
        self.calls.told("truncate", os.fstat(self.fileno()).st_ino, found)
        return found

    def _allowed(self, size: int) -> int:
        fault = self.calls.look("file read")
        if fault is None:
            return size
        if not fault.is_short:
            raise OSError(fault.code, os.strerror(fault.code))
        return max(1, size // 2)


EIO, ENOSPC, EACCES = errno.EIO, errno.ENOSPC, errno.EACCES
