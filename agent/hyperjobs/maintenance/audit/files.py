"""The files of an audit log: the one that grows, and those before it, each named after its first line."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

from hyperjobs.errors import HyperjobsError, StorePermissionError

if TYPE_CHECKING:
    from pathlib import Path

_ROTATED: Final = re.compile(r"\.(\d{1,18})", re.ASCII)
_LONGEST_KEY: Final = 4096
_SHORTEST_KEY: Final = 16


def rotated(path: Path) -> list[tuple[int, Path]]:
    """The files before the one that grows, oldest first, each with the number of its first line."""
    try:
        entries = [(entry.name, path.parent / entry.name) for entry in os.scandir(path.parent)]
    except FileNotFoundError:
        return []
    except OSError as exc:
        raise StorePermissionError(f"{path.parent}: cannot be read: {exc.strerror}") from exc
    found = []
    for name, file in entries:
        tail = _ROTATED.fullmatch(name.removeprefix(path.name)) if name.startswith(path.name) else None
        if tail is not None:
            found.append((int(tail[1]), file))
    return sorted(found)


def all_files(path: Path) -> list[Path]:
    """Every file of a log that is there, in the order of its lines."""
    found = [file for _, file in rotated(path)]
    return [*found, path] if path.exists() else found


def rotated_name(path: Path, first: int) -> Path:
    """What a file is called once another one grows."""
    return path.with_name(f"{path.name}.{first}")


def read_key(path: Path | None) -> bytes | None:
    """The key in a file, without white space around it.

    Raises:
        HyperjobsError: it is shorter than 16 bytes or longer than 4096.
        StorePermissionError: it cannot be read.
    """
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            key = file.read(_LONGEST_KEY + 1).strip()
    except OSError as exc:
        raise StorePermissionError(f"{path}: the key of the audit log cannot be read: {exc.strerror}") from exc
    if not _SHORTEST_KEY <= len(key) <= _LONGEST_KEY:
        raise HyperjobsError(f"{path}: a key of the audit log has {_SHORTEST_KEY} to {_LONGEST_KEY} bytes")
    return key
