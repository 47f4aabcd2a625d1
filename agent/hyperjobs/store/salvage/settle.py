"""What a -wal or a -journal still holds, taken into a private copy by SQLite itself."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Final, Literal

import apsw

if TYPE_CHECKING:
    from pathlib import Path

_MAGIC: Final = frozenset({0x377F0682, 0x377F0683})
_HEADER_BYTES: Final = 32
_FRAME_BYTES: Final = 24
_WORD: Final = 0xFFFFFFFF


def settle_journals(path: Path) -> str:
    """Write back the -wal, or roll back by the -journal, that lies beside a private copy.

    Both are what the next program to open the store would do; it happens to the copy instead.

    Args:
        path: of the copy; nobody else knows of it.

    Returns:
        Why what they hold could not be had, for a person; empty when it was, or there was none.
    """
    size, cut = _look_at_wal(path.with_name(f"{path.name}-wal"))
    if size > path.stat().st_size:  # cut short: SQLite would not believe that such a file has such a -wal
        os.truncate(path, size)
    beside = [path.with_name(f"{path.name}{suffix}") for suffix in ("-wal", "-journal")]
    there = [each for each in beside if each.exists() and each.stat().st_size]
    if not there:
        return ""
    said = ""
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_NOFOLLOW)
    try:
        db.execute("PRAGMA locking_mode=EXCLUSIVE").fetchall()  # no -shm for a file that is ours alone
        for work in (
            lambda: db.execute("PRAGMA schema_version").fetchall(),  # the first read rolls back, or finds the -wal
            lambda: db.wal_checkpoint("main", mode=apsw.SQLITE_CHECKPOINT_TRUNCATE),
        ):
            try:
                work()
            except apsw.Error as exc:
                said = str(exc)
    finally:
        db.close()
    left = [each for each in there if each.exists() and each.stat().st_size]
    troubles = [f"{each.name.removeprefix(path.name)} could not be taken in: {said}" for each in left]
    if cut:
        troubles.append(f"-wal is damaged, and {cut:,} transactions lie behind that place")
    return "; ".join(troubles)


def _look_at_wal(wal: Path) -> tuple[int, int]:
    """How long the file is after what a -wal holds, and how many transactions lie behind its first broken frame.

    SQLite stops at that frame. Frames of an earlier use of the -wal have other salts, and a transaction that was not
    finished has no last frame: neither is damage.
    """
    pages = 0
    try:
        with wal.open("rb") as file:
            head = file.read(_HEADER_BYTES)
            size = int.from_bytes(head[8:12])
            order: Literal["big", "little"] = "big" if head[3:4] == b"\x83" else "little"
            if len(head) < _HEADER_BYTES or int.from_bytes(head[:4]) not in _MAGIC or not 512 <= size <= 65536:  # noqa: PLR2004 - bytes of a page
                return 0, 0
            sums, is_right, cut = _sums((0, 0), head[:24], order), True, 0
            while len(frame := file.read(_FRAME_BYTES + size)) == _FRAME_BYTES + size and frame[8:16] == head[16:24]:
                sums = _sums(_sums(sums, frame[:8], order), frame[_FRAME_BYTES:], order) if is_right else sums
                is_right = is_right and frame[16:24] == b"".join(each.to_bytes(4) for each in sums)
                is_last = frame[4:8] != bytes(4)  # of its transaction
                cut += is_last and not is_right
                pages = int.from_bytes(frame[4:8]) if is_last and is_right else pages
    except OSError:
        return 0, 0
    return pages * size, cut


def _sums(sums: tuple[int, int], data: bytes, order: Literal["big", "little"]) -> tuple[int, int]:
    """https://sqlite.org/fileformat2.html#checksum_algorithm."""
    one, two = sums
    words = struct.unpack(f"{'>' if order == 'big' else '<'}{len(data) // 4}I", data)
    for even, odd in zip(words[::2], words[1::2], strict=True):
        one = (one + even + two) & _WORD
        two = (two + odd + one) & _WORD
    return one, two
