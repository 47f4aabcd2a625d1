"""The -wal begins anew beside a writer that is never done, and nobody who reads is waited for."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import apsw
import pytest

from hyperjobs.store import wal_length
from hyperjobs.store.connection import Connection
from hyperjobs.store.wal import Mode, Moved, checkpoint
from hyperjobs.store.wal_length import WalLength
from support.ledgers import insert, make_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LONG, _FEW = 60, 8


class Neighbour:
    """Another program's connection, which never checkpoints."""

    def __init__(self, path: Path) -> None:
        self.db = apsw.Connection(str(path))
        self.db.execute("PRAGMA wal_autocheckpoint=0").fetchall()
        self._numbers = itertools.count()

    def write(self, frames: int) -> None:
        """Commit until the -wal is so much longer."""
        before = self.frames
        while self.frames < before + frames:
            insert(self.db, f"job-{next(self._numbers)}")

    @property
    def frames(self) -> int:
        return max(0, self.db.execute("PRAGMA wal_checkpoint(NOOP)").fetchall()[0][1])


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in (("_LONG_FRAMES", _LONG), ("_FEW_FRAMES", _FEW)):
        monkeypatch.setattr(wal_length, name, value)
    return make_store(tmp_path / "jobs.db")


@pytest.fixture
def connection(path: Path) -> Iterator[Connection]:
    connection = Connection(path)
    connection.rows("PRAGMA wal_autocheckpoint=0")
    yield connection
    connection.close()


@pytest.fixture
def writer(path: Path) -> Iterator[Neighbour]:
    writer = Neighbour(path)
    yield writer
    writer.db.close()


def test_a_short_one_is_moved_at_once_and_nobody_waits(connection: Connection, writer: Neighbour) -> None:
    writer.write(20)

    assert not WalLength(connection, lambda _seconds: None).keep_short()

    found = checkpoint(connection, Mode.LOOK)
    assert found.moved == found.frames >= 20


def test_a_long_one_begins_anew_with_the_next_write_and_nobody_waits(connection: Connection, writer: Neighbour) -> None:
    writer.write(_LONG)

    assert not WalLength(connection, lambda _seconds: None).keep_short()

    insert(writer.db, "next")
    assert writer.frames < _LONG // 2


def test_beside_a_writer_that_is_never_done_it_begins_anew_under_the_lock(
    path: Path, connection: Connection, writer: Neighbour, monkeypatch: pytest.MonkeyPatch
) -> None:
    def commit_meanwhile(where: Connection, mode: Mode) -> Moved:
        if mode is not Mode.PASSIVE:
            return checkpoint(where, mode)
        before = Neighbour(path).db  # its snapshot ends where a checkpoint that began before the commit would end
        before.execute("BEGIN").execute("SELECT count(*) FROM jobs").fetchall()
        insert(writer.db, "again")
        try:
            return checkpoint(where, mode)
        finally:
            before.close()

    monkeypatch.setattr(wal_length, "_FEW_FRAMES", 30)
    monkeypatch.setattr(wal_length, "checkpoint", commit_meanwhile)
    writer.write(_LONG)

    assert WalLength(connection, lambda _seconds: None).keep_short()

    insert(writer.db, "next")
    assert writer.frames < _LONG // 2


def test_a_reader_that_stays_is_not_waited_for(path: Path, connection: Connection, writer: Neighbour) -> None:
    writer.write(5)
    reader = Neighbour(path).db
    reader.execute("BEGIN").execute("SELECT count(*) FROM jobs").fetchall()
    writer.write(_LONG)
    pauses: list[float] = []

    assert not WalLength(connection, pauses.append).keep_short()

    assert len(pauses) <= 2
    assert checkpoint(connection, Mode.LOOK).remaining >= _LONG
    reader.close()


def test_a_reader_of_the_newest_is_waited_for_a_few_milliseconds_at_most(
    path: Path, connection: Connection, writer: Neighbour, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.write(_LONG)
    reader = Neighbour(path).db
    reader.execute("BEGIN").execute("SELECT count(*) FROM jobs").fetchall()

    monkeypatch.setattr(wal_length, "_FREE_TRIES", 0)
    assert WalLength(connection, lambda _seconds: None).keep_short()  # tried, in vain

    before = writer.frames
    insert(writer.db, "next")
    assert writer.frames > before >= _LONG
    assert connection.busy_timeout_s == 5.0
    reader.close()


def test_beside_litestream_nothing_but_passive_is_asked_for(
    path: Path, connection: Connection, writer: Neighbour, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.with_name(f".{path.name}-litestream").mkdir()
    writer.write(_LONG)
    reader = Neighbour(path).db  # as Litestream does all along
    reader.execute("BEGIN").execute("SELECT count(*) FROM jobs").fetchall()
    asked: set[Mode] = set()

    def noted(where: Connection, mode: Mode) -> Moved:
        asked.add(mode)
        return checkpoint(where, mode)

    monkeypatch.setattr(wal_length, "checkpoint", noted)
    monkeypatch.setattr(wal_length, "_FREE_TRIES", 0)
    assert not WalLength(connection, lambda _seconds: None).keep_short()

    assert asked == {Mode.PASSIVE, Mode.LOOK}
    reader.close()


def test_a_stop_ends_the_waiting(path: Path, connection: Connection, writer: Neighbour) -> None:
    pauses: list[float] = []

    def pause(seconds: float) -> bool:
        pauses.append(seconds)
        return True

    writer.write(5)
    reader = Neighbour(path).db
    reader.execute("BEGIN").execute("SELECT count(*) FROM jobs").fetchall()
    writer.write(_LONG)

    WalLength(connection, pause).keep_short()

    assert len(pauses) == 1
    reader.close()


def test_a_store_without_a_wal_has_nothing_to_do(path: Path, connection: Connection) -> None:
    connection.rows("PRAGMA journal_mode=DELETE")

    assert not WalLength(connection, lambda _seconds: None).keep_short()
    assert path.with_name("jobs.db-wal").exists() is False
