"""Compression loses no byte, adds none, and takes no more room than it was told."""

from __future__ import annotations

import gzip
import hashlib
import os

import pytest
import zstandard

from hyperjobs.errors import BackupDamagedError
from hyperjobs.maintenance.backup.pack import pack, unpack

BOTH = pytest.mark.parametrize("compression", ["zstd", "gzip"])


@BOTH
@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1, 3_000_001])
def test_what_was_packed_comes_out_again(tmp_path, compression, size):
    plain, packed, out = tmp_path / "plain", tmp_path / "packed", tmp_path / "out"
    plain.write_bytes(hashlib.shake_128(b"jobs").digest(size // 2) + bytes(size - size // 2))

    pack(plain, packed, compression)
    unpack(packed, out, compression, size)

    assert out.read_bytes() == plain.read_bytes()


@BOTH
def test_the_same_bytes_give_the_same_bytes(tmp_path, compression):
    (tmp_path / "one").write_bytes(b"jobs" * 100_000)
    (tmp_path / "two").write_bytes(b"jobs" * 100_000)
    os.utime(tmp_path / "two", (0, 0))

    for name in ("one", "two"):
        pack(tmp_path / name, tmp_path / f"{name}.packed", compression)

    assert (tmp_path / "one.packed").read_bytes() == (tmp_path / "two.packed").read_bytes()


def bomb(path, compression, size):
    with (gzip.open if compression == "gzip" else zstandard.open)(path, "wb") as file:
        for _ in range(size >> 20):
            file.write(bytes(1 << 20))


@BOTH
@pytest.mark.parametrize("said", [0, 4096, (64 << 20) - 1, (64 << 20) + 1])
def test_no_more_is_written_than_was_said_however_much_comes_out(tmp_path, compression, said):
    bomb(tmp_path / "bomb", compression, 64 << 20)

    with pytest.raises(BackupDamagedError, match="holds another database"):
        unpack(tmp_path / "bomb", tmp_path / "out", compression, said)

    assert (tmp_path / "out").stat().st_size <= said


def test_a_frame_that_asks_for_much_memory_is_refused(tmp_path):
    parameters = zstandard.ZstdCompressionParameters(window_log=27, compression_level=1)
    (tmp_path / "wide").write_bytes(
        zstandard.ZstdCompressor(compression_params=parameters).compressobj().compress(bytes(200 << 20))
    )

    with pytest.raises(BackupDamagedError, match="cannot be decompressed"):
        unpack(tmp_path / "wide", tmp_path / "out", "zstd", 200 << 20)


@BOTH
@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0" * 100, b"\x1f\x8b\x08\x00", b"\x28\xb5\x2f\xfd"])
def test_what_is_not_so_compressed_is_refused(tmp_path, compression, content):
    (tmp_path / "packed").write_bytes(content)

    with pytest.raises(BackupDamagedError):
        unpack(tmp_path / "packed", tmp_path / "out", compression, 4096)


@pytest.mark.parametrize(("one", "other"), [("zstd", "gzip"), ("gzip", "zstd")])
def test_one_compression_is_not_taken_for_the_other(tmp_path, one, other):
    (tmp_path / "plain").write_bytes(b"jobs" * 1000)
    pack(tmp_path / "plain", tmp_path / "packed", one)

    with pytest.raises(BackupDamagedError):
        unpack(tmp_path / "packed", tmp_path / "out", other, 4000)
