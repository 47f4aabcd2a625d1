"""What the agent's user can do here, found out by a process that becomes that user.

A test by permission bits alone would miss access control lists and read-only mounts. It is also the place to look into
the -shm with plain file I/O: in a process that has the store open, closing that file would drop SQLite's locks.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import select
import signal
import stat
import struct
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from hyperjobs.agent.inspection import inspect
from hyperjobs.errors import ConfigError
from hyperjobs.store.mount import set_allowed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hyperjobs.config import Config

_PARTS: Final = ("", "-wal", "-shm", "-journal")
_HEADER: Final = struct.Struct("=96sI5I")
"""Of the -shm: the header twice, the frames that were moved, the marks of readers."""
_FRAMES: Final = struct.Struct("=16sI")
_UNUSED: Final = 0xFFFFFFFF
_REAP_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class WalIndex:
    """Where writers, the checkpoint and readers are in the -wal, in frames.

    Attributes:
        last: of all.
        moved: into the store.
        marks: of readers; ``None`` is one that nobody uses.
    """

    last: int
    moved: int
    marks: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Access:
    """One of the store's files, or its directory.

    Attributes:
        can_read: for a directory, whether it can be entered too.
    """

    path: str
    owner: str
    group: str
    mode: int
    can_read: bool
    can_write: bool

    def text(self) -> str:
        """As ``ls -l`` would name it."""
        if not self.owner:
            return f"{self.path} (a directory above it keeps this user out)"
        return f"{self.path} (owner {self.owner}, group {self.group}, mode {self.mode:04o})"


@dataclass(frozen=True, slots=True)
class Outlook:
    """What that process found.

    Attributes:
        user: who it was; empty when it found nothing in time.
    """

    user: str = ""
    files: tuple[Access, ...] = ()
    wal: WalIndex | None = None


Findings: TypeAlias = tuple[tuple[str, str, bool, str], ...]
"""Of the look at this machine: option, message, whether it is wrong, reason."""


@dataclass(slots=True)
class Look:
    """Such a process at work; made before this one has a thread or an open store."""

    pid: int
    descriptor: int
    received: bytearray = field(default_factory=bytearray)

    def outlook(self, until_s: float) -> Outlook:
        """What it found of the store's files by then (of ``time.monotonic()``)."""
        return _outlook(self._line(until_s))

    def findings(self, until_s: float) -> Findings | None:
        """What it found of this machine by then; ``None`` when that took longer."""
        line = self._line(until_s)
        return None if line is None else tuple((o, m, is_wrong, r) for o, m, is_wrong, r in line)

    def end(self) -> None:
        """End the process."""
        os.close(self.descriptor)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        until_s = time.monotonic() + _REAP_S
        while not os.waitpid(self.pid, os.WNOHANG)[0] and time.monotonic() < until_s:
            time.sleep(0.01)

    def _line(self, until_s: float) -> Any:
        """The next line it wrote; ``None`` when none came."""
        while b"\n" not in self.received:
            left_s = until_s - time.monotonic()
            ready = select.select([self.descriptor], [], [], left_s)[0] if left_s > 0 else []
            block = os.read(self.descriptor, 65_536) if ready else b""
            if not block:
                return None
            self.received += block
        line, _, rest = bytes(self.received).partition(b"\n")
        self.received[:] = rest
        return json.loads(line)


def start(store: Path, config: Config, user: str) -> Look:
    """Begin to look as a user; empty is who asks.

    Raises:
        ConfigError: there is no such user, or only root may look as another.
    """
    entry = _entry(user)
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid:
        os.close(theirs)
        return Look(pid, ours)
    code = 1
    try:
        os.close(ours)
        _become(entry)
        with os.fdopen(theirs, "wb") as out:
            for part in (_files(store), _machine(store, config)):
                out.write(json.dumps(part()).encode() + b"\n")
                out.flush()
        code = 0
    except BaseException:  # noqa: BLE001, S110 - no way out of this process but its exit code
        pass
    finally:
        os._exit(code)


def _entry(user: str) -> pwd.struct_passwd | None:
    if not user:
        return None
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise ConfigError(f"--user: there is no user {user!r}; who runs the agent?") from None
    if entry.pw_uid == os.geteuid():
        return None
    if os.geteuid() != 0:
        raise ConfigError(f"--user: only root can look as {user!r}; repeat it as root, or without --user")
    return entry


def _become(entry: pwd.struct_passwd | None) -> None:
    signal.alarm(30)  # it ends also where nobody is left to end it
    if entry is not None:
        os.initgroups(entry.pw_name, entry.pw_gid)
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)


def _files(store: Path) -> Callable[[], Any]:
    def look() -> dict[str, Any]:
        files = [_access(store.with_name(store.name + part)) for part in _PARTS] + [_access(store.parent)]
        return {"user": _user(os.geteuid()), "files": [each for each in files if each], "wal": _wal_index(store)}

    return look


def _machine(store: Path, config: Config) -> Callable[[], Any]:
    def look() -> list[Any]:
        set_allowed(store, is_allowed=config.store.network_filesystem == "allow")
        return [[each.option, each.message, each.is_wrong, each.reason] for each in inspect(config)]

    return look


def _access(path: Path) -> list[Any] | None:
    try:
        status = path.stat()
    except PermissionError:
        return [str(path), "", "", 0, False, False]
    except OSError:
        return None
    wanted = os.R_OK | os.X_OK if stat.S_ISDIR(status.st_mode) else os.R_OK
    return [
        str(path),
        _user(status.st_uid),
        str(status.st_gid),
        stat.S_IMODE(status.st_mode),
        os.access(path, wanted),
        os.access(path, os.W_OK),
    ]


def _wal_index(store: Path) -> list[Any] | None:
    try:
        with store.with_name(f"{store.name}-shm").open("rb") as file:
            data = file.read(_HEADER.size)
    except OSError:
        return None
    if len(data) < _HEADER.size:
        return None
    _, moved, *marks = _HEADER.unpack(data)
    return [_FRAMES.unpack_from(data)[1], moved, [None if mark == _UNUSED else mark for mark in marks]]


def _outlook(found: Any) -> Outlook:
    if found is None:
        return Outlook()
    wal = found["wal"]
    return Outlook(
        user=found["user"],
        files=tuple(Access(*each) for each in found["files"]),
        wal=None if wal is None else WalIndex(wal[0], wal[1], tuple(wal[2])),
    )


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
