"""The locks and open files of this machine's processes, as the kernel lists them; nothing is locked to find out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_LINE: Final = re.compile(
    r"\d+: (POSIX|OFDLCK)\s+\w+\s+(READ|WRITE)\s+(-?\d+) [0-9a-f]+:[0-9a-f]+:(\d+) (\d+) (\d+|EOF)", re.ASCII
)
_EOF: Final = 2**63


@dataclass(frozen=True, slots=True)
class KernelLock:
    """One line of ``/proc/locks``: a lock on bytes of a file. Those of flock keep nobody of SQLite's out, and are none.

    Attributes:
        is_ofd: it belongs to an open file description, and to no process.
        pid: whose it is; 0 or less when the system does not say.
        start: first byte.
        end: last byte.
    """

    is_ofd: bool
    is_exclusive: bool
    pid: int
    inode: int
    start: int
    end: int

    def covers(self, byte: int) -> bool:
        """Whether it is on this byte."""
        return self.start <= byte <= self.end


def kernel_locks() -> list[KernelLock]:
    """Every lock; none when the system does not tell."""
    try:
        text = Path("/proc/locks").read_text(encoding="ascii", errors="replace")
    except OSError:
        return []
    return list(parse_locks(text))


def locks_of_descriptor(pid: int, descriptor: str) -> list[KernelLock]:
    """The locks of one open file of a process; none when we may not look."""
    try:
        text = Path(f"/proc/{pid}/fdinfo/{descriptor}").read_text(encoding="ascii", errors="replace")
    except OSError:
        return []
    return list(parse_locks(text.replace("lock:\t", "")))


def parse_locks(text: str) -> Iterator[KernelLock]:
    """The lines of a list that are a lock."""
    for line in text.splitlines():
        found = _LINE.match(line)
        if found is not None:
            kind, mode, pid, inode, start, end = found.groups()
            last = _EOF if end == "EOF" else int(end)
            yield KernelLock(kind == "OFDLCK", mode == "WRITE", int(pid), int(inode), int(start), last)


def inode_of(path: Path) -> int | None:
    """The number of a file; ``None`` when it cannot be looked at."""
    try:
        return path.stat().st_ino
    except OSError:
        return None


def open_files() -> Iterator[tuple[int, str, str]]:
    """Process, descriptor and path of what is open, as far as we may see it: of other users' only for root."""
    for folder in Path("/proc").glob("[0-9]*/fd"):
        try:
            entries = list(folder.iterdir())
        except OSError:
            continue
        for entry in entries:
            try:
                yield int(folder.parent.name), entry.name, str(entry.readlink())
            except OSError:
                continue
