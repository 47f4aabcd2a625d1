"""What is known of a store without reading its jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import apsw
import pytest

from hyperjobs.store.facts import read_file_facts, read_store_facts
from hyperjobs.store.version import driver_version, sqlite_version
from support.ledgers import insert, make_store

if TYPE_CHECKING:
    from pathlib import Path


def test_pages_free_space_mode_and_version_are_sqlites_own(tmp_path: Path) -> None:
    db = apsw.Connection(str(make_store(tmp_path / "jobs.db")))
    for number in range(2_000):
        insert(db, f"job-{number}")
    db.execute("DELETE FROM jobs")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    facts = read_store_facts(db)

    assert facts.pages * facts.page_size_bytes == read_file_facts(tmp_path / "jobs.db").size_bytes["main"]
    assert facts.freelist_bytes > 100_000
    assert (facts.journal_mode, facts.schema_version) == ("wal", "1")
    db.close()


@pytest.mark.parametrize(
    "spoil",
    [
        "DROP TABLE schema_version",
        "DELETE FROM schema_version",
        "ALTER TABLE schema_version RENAME COLUMN version TO number",
    ],
)
def test_a_store_that_says_no_version_has_none(tmp_path: Path, spoil: str) -> None:
    db = apsw.Connection(str(make_store(tmp_path / "jobs.db")))
    db.execute(spoil)

    assert read_store_facts(db).schema_version == ""
    db.close()


def test_sizes_of_the_files_are_those_of_the_file_system(tmp_path: Path) -> None:
    db = apsw.Connection(str(make_store(tmp_path / "jobs.db")))
    insert(db, "a")

    facts = read_file_facts(tmp_path / "jobs.db")

    assert facts.size_bytes == {
        "main": (tmp_path / "jobs.db").stat().st_size,
        "wal": (tmp_path / "jobs.db-wal").stat().st_size,
        "shm": (tmp_path / "jobs.db-shm").stat().st_size,
    }
    assert 0 < facts.filesystem_avail_bytes <= facts.filesystem_size_bytes
    db.close()


def test_what_is_missing_has_no_size(tmp_path: Path) -> None:
    assert read_file_facts(tmp_path / "jobs.db").size_bytes == {"main": 0, "wal": 0, "shm": 0}
    with pytest.raises(OSError, match="No such file"):
        read_file_facts(tmp_path / "no" / "jobs.db")


def test_versions_are_those_of_the_driver_that_is_loaded() -> None:
    assert sqlite_version() == apsw.sqlite_lib_version()
    assert driver_version().startswith(sqlite_version())
