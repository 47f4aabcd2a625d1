"""Whether a path still leads to the file that was opened."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import apsw

from hyperjobs.store.identity import Hold, identity_of
from support.ledgers import insert, make_store

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_that_is_not_there_has_none(tmp_path: Path) -> None:
    assert identity_of(tmp_path / "jobs.db") is None
    assert identity_of(tmp_path / "no" / "jobs.db") is None


def test_it_stays_while_the_store_is_written_checkpointed_and_vacuumed(tmp_path: Path) -> None:
    db = apsw.Connection(str(make_store(tmp_path / "jobs.db")))
    insert(db, "a")
    before = identity_of(tmp_path / "jobs.db")

    insert(db, "b")
    db.execute("VACUUM")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    assert before is not None
    assert identity_of(tmp_path / "jobs.db") == before
    db.close()


def test_it_changes_when_another_file_is_put_in_place(tmp_path: Path) -> None:
    path = make_store(tmp_path / "jobs.db")
    make_store(tmp_path / "new.db")
    before = identity_of(path)

    (tmp_path / "new.db").rename(path)

    assert identity_of(path) != before


def test_it_changes_when_the_wal_is_taken_away_from_under_an_open_store(tmp_path: Path) -> None:
    path = make_store(tmp_path / "jobs.db")
    db = apsw.Connection(str(path))
    insert(db, "a")
    before = identity_of(path)

    subprocess.run(["rm", f"{path}-wal", f"{path}-shm"], check=True)
    without = identity_of(path)
    (tmp_path / "jobs.db-wal").touch()  # as another process makes it: by the same name, another file

    assert len({before, without, identity_of(path)}) == 3
    subprocess.run(["rm", f"{path}-wal"], check=True)
    db.close()


class Holder:
    """Holds a store and lets go when asked, unless it is in use."""

    def __init__(self, path: Path) -> None:
        self.hold = Hold(path, self.let_go)
        self.is_used = False

    def let_go(self) -> None:
        if not self.is_used and not self.hold.is_current:
            self.hold.release()


def _replace(path: Path) -> None:
    """The same file, another -wal; nothing has it open."""
    wal = path.with_name(f"{path.name}-wal")
    wal.touch()
    keep = wal.with_name("keep")
    wal.rename(keep)  # so that its inode is not used again
    wal.touch()


def test_a_file_that_is_as_it_was_is_free(tmp_path: Path) -> None:
    path = make_store(tmp_path / "jobs.db")
    (tmp_path / "jobs.db-wal").touch()
    holder, other = Holder(path), Holder(path)
    holder.hold.take()

    assert other.hold.is_free()
    assert holder.hold.is_current


def test_a_file_that_was_replaced_is_free_once_all_others_let_go(tmp_path: Path) -> None:
    path = make_store(tmp_path / "jobs.db")
    (tmp_path / "jobs.db-wal").touch()
    idle, used, asking = Holder(path), Holder(path), Holder(path)
    idle.hold.take()
    used.hold.take()
    used.is_used = True
    _replace(path)

    assert not asking.hold.is_free()
    used.is_used = False
    assert asking.hold.is_free()


def test_a_holder_without_a_way_to_let_go_does_so_by_itself(tmp_path: Path) -> None:
    path = make_store(tmp_path / "jobs.db")
    (tmp_path / "jobs.db-wal").touch()
    first, second = Hold(path), Hold(path)
    first.take()
    _replace(path)

    assert not second.is_free()
    first.release()
    assert second.is_free()


def test_another_file_by_the_same_name_is_free_at_once(tmp_path: Path) -> None:
    path = make_store(tmp_path / "jobs.db")
    (tmp_path / "jobs.db-wal").touch()
    first, second = Hold(path), Hold(path)
    first.take()
    path.rename(tmp_path / "away.db")
    make_store(path)

    assert not first.is_current
    assert second.is_free()
    first.release()
