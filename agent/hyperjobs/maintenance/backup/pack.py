"""The files of a backup: made new, copied, compressed and decompressed, never more bytes than they say."""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from typing import IO, TYPE_CHECKING, BinaryIO, Final, Protocol, cast

import zstandard

from hyperjobs.errors import BackupDamagedError, StoreFullError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

BLOCK_BYTES: Final = 1 << 20
_KERNEL_BLOCK_BYTES: Final = 1 << 24
_ZSTD_LEVEL: Final = 3
"""Of a store of a million jobs it leaves about a quarter, at some hundred MB a second."""
_ZSTD_WINDOW_BYTES: Final = 8 << 20
"""More than level 3 asks for; a frame that wants more memory is not ours."""
_GZIP_LEVEL: Final = 1


class _Writes(Protocol):
    def write(self, block: bytes, /) -> object: ...


def nothing() -> None:
    """Go on: what is called between two blocks when nobody can stop the work."""


def pack(plain: Path, packed: Path, compression: str, keep_on: Callable[[], None] = nothing) -> None:
    """Compress a file into a new one, synced; the same bytes give the same bytes.

    Args:
        plain: a file that SQLite does not have open in this process.
        packed: where the new one is made.
        compression: ``zstd`` or ``gzip``.
        keep_on: called between two blocks; what it raises ends the work.
    """
    with plain.open("rb") as source, new_file(packed) as target:
        with packing(target, compression, plain.stat().st_size) as stream:
            while block := source.read(BLOCK_BYTES):
                stream.write(block)
                keep_on()
        target.flush()
        os.fsync(target.fileno())


def unpack(packed: Path, plain: Path, compression: str, size: int, keep_on: Callable[[], None] = nothing) -> None:
    """Write what a compressed file holds into a new one, and no more than ``size`` bytes of it.

    Raises:
        BackupDamagedError: it is not whole, is compressed in another way, or holds another number of bytes.
    """
    done = 0
    try:
        with packed.open("rb") as source, unpacking(source, compression) as stream, new_file(plain) as target:
            # one byte more than there should be is enough to tell a bomb, and is never written
            while block := stream.read(min(BLOCK_BYTES, size - done + 1)):
                done += len(block)
                if done > size:
                    break
                target.write(block)
                keep_on()
    except (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError) as exc:
        raise BackupDamagedError(f"{packed}: cannot be decompressed: {exc}") from exc
    if done != size:
        raise BackupDamagedError(f"{packed}: holds another database than its manifest says ({size} bytes)")


def unpack_all(packed: Path, plain: Path, compression: str, most: int, keep_on: Callable[[], None] = nothing) -> None:
    """Write what a compressed file holds into a new one, where nothing says how much that is.

    Raises:
        BackupDamagedError: it is not whole, or is compressed in another way.
        StoreFullError: it holds more than ``most`` bytes.
    """
    done = 0
    try:
        with packed.open("rb") as source, unpacking(source, compression) as stream, new_file(plain) as target:
            while block := stream.read(BLOCK_BYTES):
                done += len(block)
                if done > most:
                    raise StoreFullError(f"{packed}: holds more than there is room for beside {plain.parent}")
                target.write(block)
                keep_on()
    except (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError) as exc:
        raise BackupDamagedError(f"{packed}: cannot be decompressed: {exc}") from exc


def copy_file(source: Path, copy: Path, keep_on: Callable[[], None] = nothing) -> None:
    """Copy a backup's file into a new one.

    Raises:
        BackupDamagedError: it is not there.
    """
    try:
        with source.open("rb") as stream, new_file(copy) as target:
            # The kernel copies from file to file, which spares the way through here: half the time.
            while os.sendfile(target.fileno(), stream.fileno(), None, _KERNEL_BLOCK_BYTES):
                keep_on()
    except FileNotFoundError as exc:
        raise BackupDamagedError(f"{source}: there is a manifest and no backup") from exc


def file_sha256(path: Path, keep_on: Callable[[], None] = nothing) -> str:
    """The hash of a file that SQLite does not have open in this process."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
            keep_on()
    return digest.hexdigest()


def new_file(path: Path) -> BinaryIO:
    """A file that was not there, for its owner alone from birth."""
    return open(  # noqa: PTH123 - Path.open takes no descriptor
        os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600), "w+b"
    )


def write_new(path: Path, text: str) -> None:
    """Write a small new file, synced, for its owner alone."""
    with new_file(path) as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())


def packing(target: BinaryIO, compression: str, size: int = -1) -> AbstractContextManager[_Writes]:
    """A stream that compresses into an open file.

    Args:
        target: the file; it stays open.
        compression: ``gzip`` or ``zstd``.
        size: of what will be written, in bytes; -1 when nobody knows.
    """
    if compression == "gzip":
        # neither a name nor a time, or the same bytes would not give the same bytes
        return gzip.GzipFile(fileobj=target, mode="wb", filename="", mtime=0, compresslevel=_GZIP_LEVEL)
    compressor = zstandard.ZstdCompressor(level=_ZSTD_LEVEL, write_checksum=True)
    return cast("AbstractContextManager[_Writes]", compressor.stream_writer(target, size=size, closefd=False))


def unpacking(source: BinaryIO, compression: str, *, is_framed: bool = False) -> AbstractContextManager[IO[bytes]]:
    """A stream of what an open compressed file holds; with ``is_framed`` every zstd frame of it, not the first alone."""
    if compression == "gzip":
        return cast("AbstractContextManager[IO[bytes]]", gzip.GzipFile(fileobj=source, mode="rb"))
    reader = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES).stream_reader(
        source, closefd=False, read_across_frames=is_framed
    )
    return cast("AbstractContextManager[IO[bytes]]", reader)
