"""A thousand damaged backups, each refused: by verify, by restore, and, once found, by retention."""

from __future__ import annotations

import gzip
import json
import random
import zlib

import pytest

from hyperjobs.errors import BackupDamagedError
from hyperjobs.maintenance.backup.catalogue import read_catalogue
from hyperjobs.maintenance.backup.check import check
from hyperjobs.maintenance.backup.directory import BackupDirectory
from hyperjobs.maintenance.backup.name import FAILED, BackupName
from hyperjobs.maintenance.backup.retention import Policy
from hyperjobs.maintenance.backup.rotation import rotate
from hyperjobs.maintenance.restore.staging import staged
from hyperjobs.testing import START
from support.backups import store_of, take

CASES = 1000
INFORMATION = {"ended_at", "copy_seconds", "verify_seconds", "sqlite_version", "hyperjobs_version", "source_sha256"}
"""What a manifest says for people, and of whose store it is: no proof of the backup rests on it."""


@pytest.fixture
def store(tmp_path):
    return store_of(tmp_path / "jobs.db", jobs=5)


@pytest.fixture
def directory(tmp_path):
    return BackupDirectory(tmp_path / "backups")


def _flip(data, chance):
    place = chance.randrange(len(data) * 8)
    data[place // 8] ^= 1 << place % 8


def _zero(data, chance):
    start = chance.randrange(len(data) - 1)
    length = chance.choice([1, 16, 512, 4096])
    if not any(data[start : start + length]):
        _flip(data, chance)
    data[start : start + length] = bytes(len(data[start : start + length]))


def _random(data, chance):
    start = chance.randrange(len(data) - 64)
    data[start : start + 64] = chance.randbytes(len(data[start : start + 64]))


def _cut(data, chance):
    del data[chance.randrange(len(data)) :]


def _empty(data, _chance):
    data.clear()


def _longer(data, chance):
    data += chance.randbytes(chance.choice([1, 4096]))


def _swap(data, chance):
    """Two blocks change places."""
    size = min(4096, len(data) // 3)
    first, second = sorted(chance.sample(range(len(data) // size), 2))
    one, other = (bytes(data[n * size : n * size + size]) for n in (first, second))
    if one == other:
        _flip(data, chance)
    data[first * size : first * size + size], data[second * size : second * size + size] = other, one


_FILE_HARM = (_flip, _flip, _flip, _zero, _random, _cut, _empty, _longer, _swap)


def _bears(text, before):
    """Whether a manifest still says what it said of the backup."""
    try:
        after = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(after, dict) and {k: after.get(k) for k in before.keys() - INFORMATION} == {
        k: before[k] for k in before.keys() - INFORMATION
    }


def test_a_thousand_damaged_backups_are_all_refused(store, directory, tmp_path):
    chance = random.Random(20260121)  # noqa: S311 - no secret
    names = [take(store, directory, compression=compression) for compression in ("none", "zstd", "gzip")]
    whole = {path: path.read_bytes() for name in names for path in _files(directory, name)}
    target = tmp_path / "restored.db"
    refused = 0
    for number in range(CASES):
        name = names[number % 3]
        file, manifest = _files(directory, name)
        if number % 10 == 9:
            text = bytearray(whole[manifest])
            before = json.loads(text)
            while _bears(bytes(text), before):
                _flip(text, chance)
            manifest.write_bytes(text)
        elif number % 10 == 8:
            other = names[(number + 1) % 3]
            manifest.write_bytes(whole[directory.path / other.manifest])
        else:
            data = bytearray(whole[file])
            while data == whole[file]:
                chance.choice(_FILE_HARM)(data, chance)
            file.write_bytes(data)
        with pytest.raises(BackupDamagedError):
            check(directory.path, name, now=START)
        states = {entry.name: str(entry.state) for entry in read_catalogue(directory.path, None)}
        assert states.pop(name) != "verified"
        assert set(states.values()) == {"verified"}
        if number % 8 == 0:
            with pytest.raises(BackupDamagedError), staged(directory.path, name, target):
                pass
        refused += 1
        for path in (file, manifest):
            path.write_bytes(whole[path])
        (directory.path / f"{name}{FAILED}").unlink(missing_ok=True)
    assert refused == CASES
    assert not list(tmp_path.glob(".restored.db*"))
    assert all(check(directory.path, name, now=START) for name in names)


def _files(directory, name):
    return directory.path / str(name), directory.path / name.manifest


@pytest.mark.parametrize(
    ("claimed", "packer"), [("gzip", zlib.compress), ("zstd", gzip.compress), ("none", gzip.compress)]
)
def test_a_backup_in_another_compression_than_its_name_says_is_refused(store, directory, claimed, packer):
    """Its manifest fits its bytes: only what comes out, or does not, gives it away."""
    import hashlib  # noqa: PLC0415 - for the forger alone

    name = take(store, directory)
    file, manifest = _files(directory, name)
    packed = packer(file.read_bytes())
    forged = BackupName(name.sequence, name.at, name.stem, claimed)
    values = json.loads(manifest.read_text())
    values |= {"name": str(forged), "bytes": len(packed), "sha256": hashlib.sha256(packed).hexdigest()}
    for path in (file, manifest):
        path.unlink()
    (directory.path / str(forged)).write_bytes(packed)
    (directory.path / forged.manifest).write_text(json.dumps(values))

    with pytest.raises(BackupDamagedError):
        check(directory.path, forged, now=START)


def test_what_was_found_damaged_takes_no_place_in_retention(store, directory):
    names = [take(store, directory) for _ in range(4)]
    for name in names[2:]:
        file, _ = _files(directory, name)
        data = bytearray(file.read_bytes())
        data[5000] ^= 4
        file.write_bytes(data)
        with pytest.raises(BackupDamagedError, match="no longer counts"):
            check(directory.path, name, now=START)

    done = rotate(directory, store, Policy(last=2), minimum=2, now=START)

    assert done.deleted == ()
    assert directory.names() == names
