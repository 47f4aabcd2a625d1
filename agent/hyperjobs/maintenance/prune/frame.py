"""The file of an archive: whole zstd frames one after the other, each synced before its rows are deleted."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

import zstandard

from hyperjobs.errors import HyperjobsError, StoreFullError
from hyperjobs.maintenance.backup.pack import new_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BLOCK_BYTES: Final = 1 << 18
_LEVEL: Final = 3


def pack(data: bytes) -> bytes:
    """One frame, with a checksum of its own."""
    return zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress(data)


@contextlib.contextmanager
def written(path: Path) -> Iterator[None]:
    """Say what went wrong where an archive could not be written.

    Raises:
        StoreFullError: there is no room.
        HyperjobsError: anything else.
    """
    try:
        yield
    except OSError as exc:
        kind = StoreFullError if exc.errno in {errno.ENOSPC, errno.EDQUOT} else HyperjobsError
        raise kind(
            f"{path}: the archive of pruned jobs cannot be written: {exc.strerror or exc}; no job is deleted that is not in it"
        ) from exc


class FrameWriter:
    """A new file of frames, for its owner alone from birth.

    Attributes:
        bytes: of the whole frames in it.
    """

    def __init__(self, path: Path) -> None:
        self.bytes = 0
        self._path = path
        self._digest = hashlib.sha256()
        with written(path):
            self._file: BinaryIO = new_file(path)

    @property
    def sha256(self) -> str:
        """Of the whole frames in it."""
        return self._digest.hexdigest()

    def append(self, data: bytes) -> None:
        """Add a frame; when this returns, it lasts through a power cut.

        Raises:
            StoreFullError: there is no room.
            HyperjobsError: it could not be written or synced. A sync that failed is not tried again: the system may
                have thrown the data away and say nothing the second time.
        """
        frame = pack(data)
        try:
            with written(self._path):
                self._file.seek(self.bytes)
                self._file.write(frame)
                self._file.flush()
                os.fdatasync(self._file.fileno())
        except HyperjobsError:
            with contextlib.suppress(OSError):
                self._file.truncate(self.bytes)
            raise
        self._digest.update(frame)
        self.bytes += len(frame)

    def close(self) -> None:
        """Let the file go."""
        with contextlib.suppress(OSError):  # what it holds was synced; a close has nothing to add
            self._file.close()


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame read back.

    Attributes:
        end: where it ends in the file.
        raw: as it lies there.
        data: what it holds.
    """

    end: int
    raw: bytes
    data: bytes


def read_frames(file: BinaryIO) -> Iterator[Frame]:
    """The whole frames of a file, up to the first that is not: a torn one is what a killed prune leaves."""
    end, rest = 0, b""
    while True:
        stream = zstandard.ZstdDecompressor().decompressobj()
        raw: list[bytes] = []
        data: list[bytes] = []
        while not stream.eof:
            block = rest or file.read(_BLOCK_BYTES)
            rest = b""
            if not block:
                return
            try:
                data.append(stream.decompress(block))
            except zstandard.ZstdError:
                return
            raw.append(block)
        rest = stream.unused_data
        whole = b"".join(raw)
        whole = whole[: len(whole) - len(rest)]
        end += len(whole)
        yield Frame(end, whole, b"".join(data))
