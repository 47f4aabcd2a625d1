"""Small disks that can be filled: a tmpfs each, for the length of a block."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from support.tools import give_up

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MIB = 2**20


@contextmanager
def small_disk(directory: Path, size_bytes: int) -> Iterator[Path]:
    """An empty disk of this size, mounted in a new folder of ``directory``; the test is skipped where none can be."""
    place = directory / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size_bytes},mode=0700", "hyperjobs-test", place],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        give_up(f"no disk can be mounted here: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def remount_read_only(place: Path) -> None:
    """What a kernel does to a disk that answers with errors."""
    subprocess.run(["mount", "-o", "remount,ro", place], check=True)


def free_bytes(place: Path) -> int:
    """Room left on a disk."""
    system = os.statvfs(place)
    return system.f_bavail * system.f_frsize


def fill(place: Path, *, leave_bytes: int) -> Path:
    """Take up all but so much of a disk; the file that does it."""
    ballast = place / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free_bytes(place) - leave_bytes)
    return ballast
