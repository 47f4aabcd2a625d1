"""A row read from its page is what SQLite reads, whatever is in it and however long it is."""

from __future__ import annotations

import struct

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperjobs.store.cells import RawText, is_same
from hyperjobs.store.salvage.header import settle_header
from hyperjobs.store.salvage.pages import Geometry, PageFile
from hyperjobs.store.salvage.record import BrokenRecordError, table_cell, values_of, varint
from hyperjobs.store.salvage.tree import Gap, walk_table

VALUES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([0, 1, -1, 127, 128, -129, 32767, 32768, 2**23, 2**31, 2**47, -(2**47) - 1]),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.binary(max_size=40),
    st.integers(0, 30_000).map(lambda size: "x" * size),
    st.integers(0, 30_000).map(lambda size: b"\xff" * size),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("record")


@settings(max_examples=60)
@given(
    rows=st.dictionaries(st.integers(-(2**63), 2**63 - 1), st.lists(VALUES, min_size=3, max_size=3), max_size=30),
    page_size=st.sampled_from([512, 1024, 4096, 65536]),
)
def test_every_row_of_a_table_is_read_as_sqlite_reads_it(folder, rows, page_size):
    path = folder / "any.db"
    path.unlink(missing_ok=True)
    db = apsw.Connection(str(path))
    db.execute(f"PRAGMA page_size={page_size}").fetchall()
    db.execute("CREATE TABLE t(a,b,c)")
    with db:
        db.executemany("INSERT INTO t(rowid,a,b,c) VALUES(?,?,?,?)", [(key, *row) for key, row in rows.items()])
    expected = {row[0]: row[1:] for row in db.execute("SELECT rowid,* FROM t")}
    root = db.execute("SELECT rootpage FROM sqlite_schema").fetchall()[0][0]
    db.close()

    header = settle_header(path)
    assert header.geometry == Geometry(page_size, page_size)
    assert not header.wrong
    found = {}
    with PageFile(path, header.geometry) as pages:
        for leaf in walk_table(pages, root, set()):
            assert not isinstance(leaf, Gap)
            for at in leaf.node.cells:
                cell = table_cell(pages, leaf.node.data, at)
                values, is_exact = values_of(cell.payload)
                assert is_exact
                assert cell.is_whole
                assert leaf.low < cell.rowid <= leaf.high
                found[cell.rowid] = tuple(values)

    assert list(found) == sorted(found)
    assert found.keys() == expected.keys()
    assert all(is_same(found[key], expected[key]) for key in expected)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_record_are_refused_and_never_anything_worse(raw):
    try:
        values, _ = values_of(raw)
    except BrokenRecordError:
        return
    assert len(values) <= len(raw)


@given(st.binary(max_size=300), st.integers(0, 4095))
def test_a_cell_of_any_bytes_is_read_or_refused(folder, some, at):
    raw = (some * 4096)[:4096].ljust(4096, b"\0")
    path = folder / "one.page"
    path.write_bytes(raw)
    with PageFile(path, Geometry(4096, 4096)) as pages:
        try:
            cell = table_cell(pages, raw, at)
        except BrokenRecordError:
            return
    assert cell.end <= 4096


def test_text_that_is_no_utf8_keeps_its_bytes():
    assert values_of(b"\x02\x13\xff\xfe\x00") == ([RawText(b"\xff\xfe\x00")], True)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"\x02\x02\x00\x05", "two bytes for what takes one"),
        (b"\x03\x01\x05", "a head that is longer than its values"),
        (b"\x02\x01\x05\x00", "a byte that belongs to no value"),
        (b"\x02\x07" + struct.pack(">d", float("nan")), "what SQLite keeps as NULL"),
    ],
)
def test_what_sqlite_reads_and_would_not_have_written_is_told(raw, why):
    try:
        _, is_exact = values_of(raw)
    except BrokenRecordError:
        return
    assert not is_exact, why


def test_a_varint_has_nine_bytes_at_most():
    assert varint(b"\xff" * 12, 0) == (2**64 - 1, 9)
    with pytest.raises(BrokenRecordError):
        varint(b"\x80" * 3, 0)


def test_a_chain_of_pages_that_bites_its_tail_ends(tmp_path):
    path = tmp_path / "loop.db"
    db = apsw.Connection(str(path))
    db.execute("CREATE TABLE t(a)")
    db.execute("INSERT INTO t VALUES(?)", ("x" * 60_000,))
    db.close()
    data = bytearray(path.read_bytes())
    for number in range(3, len(data) // 4096 + 1):
        data[(number - 1) * 4096 : (number - 1) * 4096 + 4] = (3).to_bytes(4)
    path.write_bytes(data)

    with PageFile(path, Geometry(4096, 4096)) as pages:
        (leaf,) = walk_table(pages, 2, set())
        with pytest.raises(BrokenRecordError, match="not there"):
            table_cell(pages, leaf.node.data, leaf.node.cells[0])
