"""Which SQLite other processes use: told from the files they have mapped, and never from asking them."""

from __future__ import annotations

import mmap
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_SOURCE_ID: Final = re.compile(rb"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d [0-9a-f]{40}")
"""What every build of SQLite since 3.7 says it was made from."""
_VERSION: Final = re.compile(rb"(?<![\d.])(3\.(?:[7-9]|[1-9]\d)\.\d{1,2})(?:\.\d{1,2})?(?![\d.])")
"""3.7 and later: a statically linked OpenSSL, say, is at 3.0 to 3.6. apsw has a number of its own behind it."""
_MOST_BYTES: Final = 256 * 1024 * 1024
_NAMES: Final = ("sqlite", "apsw")


def sqlite_of(pid: int) -> str | None:
    """The version of SQLite that a process has loaded, or has linked into its program; ``None`` when nobody can tell."""
    for file in _files(pid):
        version = _version_in(file)
        if version is not None:
            return version
    return None


def _files(pid: int) -> Iterator[Path]:
    """Libraries by their name first, then the program itself: a Go program with mattn/go-sqlite3 holds its own."""
    root = Path(f"/proc/{pid}/root")
    try:
        lines = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return
    seen = dict.fromkeys(line.split(maxsplit=5)[-1] for line in lines if line.endswith(".so") or ".so." in line)
    for name in seen:
        if any(word in name.lower() for word in _NAMES):
            yield root / name.lstrip("/")
    yield Path(f"/proc/{pid}/exe")


def _version_in(file: Path) -> str | None:
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        size = min(os.fstat(descriptor).st_size, _MOST_BYTES)
        if not size:
            return None
        with mmap.mmap(descriptor, size, access=mmap.ACCESS_READ) as data:
            if not _SOURCE_ID.search(data):
                return None
            found = {match[1].decode() for match in _VERSION.finditer(data) if _is_string(data, match)}
    except (OSError, ValueError):
        return None
    finally:
        os.close(descriptor)
    return found.pop() if len(found) == 1 else None


def _is_string(data: mmap.mmap, match: re.Match[bytes]) -> bool:
    """Whether it is a whole string of C, and no part of a longer text."""
    start, end = match.span()
    return data[end : end + 1] == b"\0" and (start == 0 or data[start - 1 : start] == b"\0")
