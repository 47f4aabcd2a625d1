"""Is the file at a path still the one that was opened? Told by stat alone: an open would drop our locks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
