"""Which jobs differ between two backups, held against plain sets."""

from __future__ import annotations

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperjobs.errors import BackupDamagedError, StoreRefusedError
from hyperjobs.maintenance.backup.diff import diff
from hyperjobs.maintenance.backup.directory import BackupDirectory
from hyperjobs.store.compare import compare
from hyperjobs.store.connection import Connection
from support.backups import store_of, take
from support.ledgers import insert, make_store


@pytest.fixture
def store(tmp_path):
    return store_of(tmp_path / "jobs.db")


@pytest.fixture
def directory(tmp_path):
    return BackupDirectory(tmp_path / "backups")


def change(store, *statements):
    db = apsw.Connection(str(store))
    for statement in statements:
        db.execute(statement)
    db.close()


def counts(found):
    return found.only_a, found.only_b, found.changed, found.same


def test_a_backup_differs_from_itself_in_nothing(store, directory):
    name = take(store, directory)

    assert counts(diff(directory.path, name, name)) == (0, 0, 0, 20)


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_what_came_went_and_changed_is_told_apart(store, directory, compression):
    first = take(store, directory, compression=compression)
    change(store, "DELETE FROM jobs WHERE id IN ('job-3','job-4')", "UPDATE jobs SET progress=7 WHERE id='job-5'")
    db = apsw.Connection(str(store))
    insert(db, "job-new")
    db.close()
    second = take(store, directory, compression="gzip")

    found = diff(directory.path, first, second)

    assert counts(found) == (2, 1, 1, 17)
    assert found.ids == {"only_a": ["job-3", "job-4"], "only_b": ["job-new"], "changed": ["job-5"]}
    assert counts(diff(directory.path, first, store)) == (2, 1, 1, 17)
    assert counts(diff(directory.path, second, first)) == (1, 2, 1, 17)


def test_so_many_ids_are_given_and_all_are_counted(store, directory):
    first = take(store, directory)
    change(store, "DELETE FROM jobs")

    found = diff(directory.path, first, store, most_ids=3)

    assert found.only_a == 20
    assert found.ids["only_a"] == ["job-0", "job-1", "job-10"]


def test_a_backup_that_is_not_what_was_published_is_not_compared(store, directory):
    name = take(store, directory)
    with (directory.path / str(name)).open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\xff")

    with pytest.raises(BackupDamagedError):
        diff(directory.path, name, store)


def test_stores_of_two_kinds_are_not_compared(tmp_path):
    one, other = make_store(tmp_path / "one.db"), make_store(tmp_path / "two.db")
    change(other, "ALTER TABLE jobs ADD COLUMN more")
    a, b = Connection(one), Connection(other)

    with pytest.raises(StoreRefusedError, match="different columns"):
        compare(a, b, most_ids=1)
    a.close()
    b.close()


_IDS = st.one_of(st.none(), st.text(max_size=3), st.binary(max_size=3), st.integers(-3, 3))
_TABLE = st.dictionaries(_IDS, st.integers(0, 2), max_size=12)


def _write(path, table):
    db = apsw.Connection(str(path))
    db.execute("DELETE FROM jobs")
    for job_id, size in table.items():
        insert(db, job_id, size=size)
    db.close()


def _stored(table):
    """The table as a column of text keeps it: a number becomes its digits, and one that is there is replaced."""
    return {str(key) if isinstance(key, int) else key: size for key, size in table.items()}


@settings(max_examples=60)
@given(first=_TABLE, second=_TABLE)
def test_the_difference_is_that_of_two_sets(tmp_path_factory, first, second):
    folder = tmp_path_factory.mktemp("diff")
    paths = [make_store(folder / name) for name in ("a.db", "b.db")]
    for path, table in zip(paths, (first, second), strict=True):
        _write(path, table)
    a, b = (Connection(path) for path in paths)
    one, other = _stored(first), _stored(second)

    found = compare(a, b, most_ids=100)
    a.close()
    b.close()

    both = one.keys() & other.keys()
    assert found.only_a == len(one.keys() - other.keys())
    assert found.only_b == len(other.keys() - one.keys())
    assert found.changed == sum(one[key] != other[key] for key in both)
    assert found.same == sum(one[key] == other[key] for key in both)
