"""Whatever happened to a file: no row is made up, and none is missed that SQLite itself still reads."""

from __future__ import annotations

import random
import time

import apsw
import pytest

from hyperjobs.store.salvage.free import FreePages
from hyperjobs.store.salvage.header import settle_header
from hyperjobs.store.salvage.leaf import Doubt
from hyperjobs.store.salvage.pages import PageFile
from hyperjobs.store.salvage.settle import settle_journals
from hyperjobs.store.salvage.survey import survey
from hyperjobs.store.salvage.tree import pages_of
from support import damage
from support.lived import lived_in, rows_of

LONGEST_S = 20.0
SWEEP = 40
ERROR = 11


class Got:
    """What a survey of a damaged file found."""

    def __init__(self, path):
        self.header = settle_header(path)
        self.trouble = settle_journals(path)
        with PageFile(path, self.header.geometry) as pages:
            found = survey(pages, path, is_trusted=self.header.is_trusted)
            rowids = found.rows.rowids
            self.certain = {rowids[at]: found.cells(pages, at) for at in found.certain()}
            self.doubtful = {rowids[at]: Doubt(found.rows.doubts[at]) for at in found.doubtful()}
        self.gaps, self.heard, self.found = found.gaps, found.heard, found


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "auto_vacuum"])
def store(request, tmp_path_factory):
    return lived_in(tmp_path_factory.mktemp("lived") / "jobs.db", auto_vacuum=request.param)


@pytest.fixture(scope="module")
def rows(store):
    return rows_of(store)


def spoilt(store, tmp_path, *works, seed=0):
    it = damage.Damaged(store, random.Random(seed))  # noqa: S311 - repeatable on purpose
    for work in works:
        work(it)
    path = tmp_path / "damaged.db"
    path.write_bytes(it.data)
    return path


def is_beyond_telling(row, cells):
    """Whether a row differs within one long text alone: a piece of it became another piece of text, of the same length.

    SQLite has no checksums, and no index has that column: nobody can tell, and SQLite reads the same.
    """
    if row is None:
        return False
    changed = [index for index in range(16) if row[index] != cells[index]]
    return changed == [ERROR] and len(row[ERROR]) == len(cells[ERROR]) > damage.PAGE


def hold(path, rows, *, is_endless=False):
    """Survey a damaged file, and hold what it found to the two properties."""
    sqlite = {} if is_endless else damage.readable(path)
    sqlite |= damage.by_rowid(path, [rowid for rowid in rows if rowid not in sqlite])
    began_s = time.monotonic()
    got = Got(path)
    assert time.monotonic() - began_s < LONGEST_S
    made_up = [rowid for rowid, cells in got.certain.items() if rows.get(rowid) != cells]
    assert [rowid for rowid in made_up if not is_beyond_telling(rows.get(rowid), got.certain[rowid])] == []
    there = {rowid for rowid, cells in sqlite.items() if rows.get(rowid) == cells}
    assert there - got.certain.keys() - got.doubtful.keys() == set()
    return got


def test_a_whole_file_gives_every_row_and_no_doubt(store, rows, tmp_path):
    got = hold(spoilt(store, tmp_path), rows)

    assert got.certain == rows
    assert (got.doubtful, got.gaps, got.heard.names, got.heard.lost) == ({}, [], [], {})
    assert got.heard.whole == 6


@pytest.mark.parametrize("kind", damage.PAGES)
@pytest.mark.parametrize("seed", range(2))
def test_no_row_is_made_up_and_none_missed_that_sqlite_reads(store, rows, tmp_path, kind, seed):
    path = spoilt(store, tmp_path, *[damage.PAGES[kind]] * (1 + seed), seed=f"{kind}{seed}")

    hold(path, rows, is_endless=kind == "looped_pages")


@pytest.mark.long
@pytest.mark.parametrize("kind", damage.PAGES)
def test_no_row_is_made_up_and_none_missed_in_many_kinds_of_damage_at_once(store, rows, tmp_path, kind):
    for seed in range(SWEEP):
        chance = random.Random(f"{kind}-{seed}")  # noqa: S311 - repeatable on purpose
        others = [chance.choice(list(damage.PAGES.values())) for _ in range(seed % 4)]
        path = spoilt(store, tmp_path, damage.PAGES[kind], *others, seed=f"{kind}+{seed}")
        hold(path, rows, is_endless=True)


@pytest.mark.parametrize("kind", ["destroyed_root", "destroyed_schema", "zeroed_header", "zeroed_first_page"])
def test_every_row_is_got_though_sqlite_reads_none(store, rows, tmp_path, kind):
    path = spoilt(store, tmp_path, damage.PAGES[kind], seed=1)
    assert damage.readable(path) == {}

    got = hold(path, rows)

    assert got.certain == rows


@pytest.mark.parametrize("kind", [2, 10])
def test_a_root_that_changed_places_with_a_page_of_an_index_takes_no_row_along(store, rows, tmp_path, kind):
    def swap(it):
        one, other = it.page(damage.jobs_root(it)), it.page(it.some(kind))
        it.data[one], it.data[other] = it.data[other], it.data[one]

    assert hold(spoilt(store, tmp_path, swap), rows).certain == rows


def test_a_damaged_index_costs_no_row(store, rows, tmp_path):
    path = spoilt(store, tmp_path, *[damage.damaged_index] * 4, seed=2)

    got = hold(path, rows)

    assert got.certain == rows
    assert got.heard.names


def test_a_lost_leaf_is_told_by_its_rowids_and_by_the_ids_that_an_index_knows(store, rows, tmp_path):
    got = hold(spoilt(store, tmp_path, damage.zeroed_leaf, seed=3), rows)

    (gap,) = got.gaps
    missing = {rowid for rowid in rows if rowid not in got.certain}
    assert missing == {rowid for rowid in rows if gap.low < rowid <= gap.high}
    assert {rowid: known[0] for rowid, known in got.heard.lost.items()} == {rowid: rows[rowid][0] for rowid in missing}


def test_a_deleted_job_stays_deleted_though_its_page_is_still_there(tmp_path):
    store = lived_in(tmp_path / "jobs.db", 600)
    before = rows_of(store)
    db = apsw.Connection(str(store))
    db.execute("DELETE FROM jobs WHERE rowid>300")
    db.close()
    rows = rows_of(store)
    assert len(rows) < len(before)

    for kind in ("destroyed_root", "zeroed_header", "zeroed_first_page", "destroyed_interior"):
        got = hold(spoilt(store, tmp_path, damage.PAGES[kind], seed=4), rows)
        assert got.certain.keys() <= rows.keys(), kind


def test_an_old_copy_in_a_table_of_the_same_columns_is_never_taken_for_the_job(tmp_path):
    store = lived_in(tmp_path / "jobs.db", 600)
    db = apsw.Connection(str(store))
    db.execute("CREATE TABLE jobs_old AS SELECT * FROM jobs")
    db.execute("UPDATE jobs SET error='newer'")
    root = db.execute("SELECT rootpage FROM sqlite_schema WHERE name='jobs_old'").fetchall()[0][0]
    db.close()
    rows = rows_of(store)

    def lose_its_root(it):
        it.data[it.page(root)] = bytes(damage.PAGE)

    for works in ([damage.destroyed_root], [damage.destroyed_root, lose_its_root], [damage.zeroed_leaf] * 9):
        got = hold(spoilt(store, tmp_path, *works), rows)
        assert {cells[ERROR] for cells in got.certain.values()} <= {"newer"}


def test_a_free_page_that_the_table_leads_to_brings_no_job_back(tmp_path):
    store = lived_in(tmp_path / "jobs.db", 600)
    db = apsw.Connection(str(store))
    db.execute("DELETE FROM jobs WHERE rowid>300")
    free = db.execute("PRAGMA freelist_count").fetchall()[0][0]
    db.close()
    assert free
    rows = rows_of(store)

    def lead_to_free_pages(it):
        root = (damage.jobs_root(it) - 1) * damage.PAGE
        trunk = int.from_bytes(it.data[32:36])
        leaves = [
            number
            for at in range(8, 8 + 4 * (free - 1), 4)
            if it.data[((number := int.from_bytes(it.data[(trunk - 1) * damage.PAGE + at :][:4])) - 1) * damage.PAGE]
            == 13
        ]
        first = int.from_bytes(it.data[root + 12 : root + 14])
        it.data[root + first : root + first + 4] = leaves[0].to_bytes(4)
        it.data[root + 8 : root + 12] = leaves[-1].to_bytes(4)

    got = Got(spoilt(store, tmp_path, lead_to_free_pages))

    assert {rowid: cells for rowid, cells in got.certain.items() if rows.get(rowid) != cells} == {}


def test_a_free_page_written_over_one_of_an_index_brings_no_job_back(tmp_path):
    """No index can speak, but the table was walked without a gap there: it says itself that it has no such rows."""
    store = lived_in(tmp_path / "jobs.db", 600)
    before = rows_of(store)
    db = apsw.Connection(str(store))
    db.execute("DELETE FROM jobs WHERE rowid BETWEEN 200 AND 400")
    indexes = [root for (root,) in db.execute("SELECT rootpage FROM sqlite_schema WHERE type='index'")]
    db.close()
    rows = rows_of(store)
    with PageFile(store, settle_header(store).geometry) as pages:
        lost = {root: set() for root in indexes}
        for root, numbers in lost.items():
            pages_of(pages, root, numbers, is_index=True)
        free = FreePages(pages, is_trusted=True)
        old = [number for number in range(2, pages.count + 1) if free.is_free(number)]
    old = [number for number in old if store.read_bytes()[(number - 1) * damage.PAGE] == 13]
    assert old

    def overwrite(it):
        for root, numbers in lost.items():
            it.data[it.page(root)] = bytes(damage.PAGE)
            for number in numbers - {root}:
                it.data[it.page(number)] = it.data[it.page(old[number % len(old)])]

    got = hold(spoilt(store, tmp_path, overwrite), rows)

    assert got.certain == rows
    assert got.doubtful.keys() <= before.keys() - rows.keys()


def test_a_bit_that_fell_over_changes_only_what_nothing_can_tell(store, rows, tmp_path):
    indexed = {0, 2, 4, 6, 7, 13}
    for seed in range(16):
        got = Got(spoilt(store, tmp_path, damage.flipped_bit, seed=seed))
        changed = [
            {index for index, pair in enumerate(zip(cells, rows[rowid], strict=True)) if pair[0] != pair[1]}
            for rowid, cells in got.certain.items()
            if rows[rowid] != cells
        ]
        assert len(changed) <= 1
        assert all(columns.isdisjoint(indexed) for columns in changed)
        assert got.certain.keys() | got.doubtful.keys() | got.heard.lost.keys() >= rows.keys()


@pytest.mark.parametrize("page_size", [512, 1024, 8192, 65536])
def test_pages_of_any_size_are_found_without_a_header(tmp_path, page_size):
    path = tmp_path / "jobs.db"
    lived_in(path, 800)
    db = apsw.Connection(str(path))
    db.execute(f"PRAGMA page_size={page_size}").fetchall()
    db.execute("VACUUM")
    db.close()
    rows = rows_of(path)
    data = bytearray(path.read_bytes())
    data[:100] = bytes(100)
    path.write_bytes(data)

    got = Got(path)

    assert got.header.geometry.page_size == page_size
    assert got.certain == rows


@pytest.mark.parametrize("field", [16, 18, 19, 20, 21, 24, 28, 32, 36, 44, 52, 56, 92])
def test_any_wrong_field_of_the_header_costs_no_row(store, rows, tmp_path, field):
    def spoil(it):
        it.data[field] ^= 0x55

    got = Got(spoilt(store, tmp_path, spoil))

    assert got.certain == rows


def test_rows_of_columns_that_were_added_have_their_defaults(tmp_path):
    path = tmp_path / "jobs.db"
    columns = (
        "id TEXT PRIMARY KEY,name TEXT NOT NULL,vm_name TEXT NOT NULL,vm_path TEXT NOT NULL,provider TEXT NOT NULL"
    )
    db = apsw.Connection(str(path))
    db.execute(
        f"CREATE TABLE jobs({columns},output_dir TEXT,status TEXT,created_at TIMESTAMP,started_at TIMESTAMP,completed_at TIMESTAMP,progress REAL)"
    )
    db.execute("INSERT INTO jobs VALUES('a','n','v','/v','aws','/o','failed','2026-01-01 10:00:00+00:00',NULL,NULL,50)")
    for column in (
        "error TEXT DEFAULT 'none'",
        "metadata TEXT",
        "user TEXT DEFAULT ''",
        "total_size INTEGER DEFAULT 7",
    ):
        db.execute(f"ALTER TABLE jobs ADD COLUMN {column}")
    db.execute("ALTER TABLE jobs ADD COLUMN files_count INTEGER DEFAULT 0")
    db.close()
    rows = rows_of(path)

    assert Got(path).certain == rows
    assert rows[1][10:] == (50.0, "none", None, "", 7, 0)
