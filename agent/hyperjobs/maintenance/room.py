"""Whether a disk has room, asked before anything is written."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hyperjobs.errors import StoreFullError
from hyperjobs.size import mebibytes

if TYPE_CHECKING:
    from pathlib import Path

_SPARE_BYTES = 16 * 1024 * 1024
"""Left over beside what is needed: the store's own -wal has to grow meanwhile."""
_REMEDY = "make room, or name a directory on another disk"


def require_room(directory: Path, needed_bytes: int, what: str, *, remedy: str = _REMEDY) -> None:
    """Return when the file system of ``directory`` has room for ``what``.

    Raises:
        StoreFullError: it has not; the message says how much is there.
    """
    system = os.statvfs(directory)
    free_bytes = system.f_bavail * system.f_frsize
    if free_bytes < needed_bytes + _SPARE_BYTES:
        raise StoreFullError(
            f"{directory}: {what} needs {mebibytes(needed_bytes + _SPARE_BYTES)}, {mebibytes(free_bytes)} are free; "
            f"{remedy}"
        )
