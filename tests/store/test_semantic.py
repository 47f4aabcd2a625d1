"""Rows that cannot be are counted by kind, whatever is in them, and sound ones never are."""

from __future__ import annotations

from datetime import timedelta

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperjobs.errors import StoreInterruptedError
from hyperjobs.store.connection import Connection
from hyperjobs.store.flavour import Flavour
from hyperjobs.store.semantic import check_rows
from hyperjobs.store.verdict import COLUMNS, KINDS, Verdict
from hyperjobs.testing import START, make_job
from support.stores import RawText, go_store, insert, new_store, script

NOW = START + timedelta(days=1)
# The columns of a loose copy of the table, for what the schema of a sound store would not let in.
LOOSE = "CREATE TABLE jobs (id TEXT PRIMARY KEY,name,vm_name,vm_path,provider,output_dir,status,created_at,started_at,completed_at,progress,error,metadata,user,total_size,files_count)"


@pytest.fixture
def path(tmp_path):
    with new_store(tmp_path) as store:
        return store.path


def findings(path, flavour=Flavour.HYPERSDK, now=NOW, **options):
    connection = Connection(path, read_only=True)
    try:
        return check_rows(connection, flavour, now=now, **options)
    finally:
        connection.close()


def test_what_the_library_writes_is_sound(path):
    with new_store(path.parent) as store:
        store.save_jobs(
            make_job(metadata={"n": [1.5, None, "ü"]}, error="zwölf\nZeilen", name="文") for _ in range(2500)
        )

    found = findings(path)

    assert (found.rows, found.found, found.examples) == (2500, {}, {})
    assert tuple(found.counts) == KINDS


def test_what_the_go_client_wrote_is_sound(tmp_path):
    found = findings(go_store(tmp_path), now=START + timedelta(days=365))

    assert (found.rows, found.found) == (2985, {})


ODD = [
    ({"status": "done"}, {"status_unknown"}),
    ({"status": "Running"}, {"status_unknown"}),
    ({"created_at": "yesterday"}, {"time_unreadable"}),
    ({"created_at": "2026-02-29 10:00:00+00:00", "started_at": None, "completed_at": None}, {"time_unreadable"}),
    ({"created_at": "2026-01-21 24:00:00+00:00", "started_at": None, "completed_at": None}, {"time_unreadable"}),
    ({"created_at": "2026-01-21 10:00:00x+00:00", "started_at": None, "completed_at": None}, {"time_unreadable"}),
    ({"created_at": 1768989600, "started_at": None, "completed_at": None}, {"time_integer"}),
    ({"created_at": 1768989600.5, "started_at": None, "completed_at": None}, {"time_real"}),
    ({"created_at": "0001-01-01 00:00:00+00:00"}, {"time_impossible"}),
    ({"completed_at": "9999-12-31 23:59:59+00:00"}, {"time_impossible"}),
    ({"completed_at": "2027-01-01 00:00:00+00:00"}, {"time_future"}),
    ({"started_at": "2026-01-21 09:59:59+00:00"}, {"started_before_created"}),
    ({"started_at": "2026-01-21 11:00:00+02:00"}, {"started_before_created"}),
    ({"completed_at": "2026-01-21 10:00:59.999999+00:00"}, {"completed_before_started"}),
    ({"started_at": None, "completed_at": "2026-01-21 09:00:00+00:00"}, {"completed_before_started"}),
    ({"progress": -0.1}, {"progress_out_of_range"}),
    ({"progress": 100.1}, {"progress_out_of_range"}),
    ({"progress": float("inf")}, {"progress_out_of_range"}),
    ({"progress": float("nan")}, {"null_value"}),  # SQLite keeps a NaN as NULL
    ({"progress": "half"}, {"number_not_number"}),
    ({"metadata": ""}, {"metadata_not_object"}),
    ({"metadata": "[1]"}, {"metadata_not_object"}),
    ({"metadata": '{"a":NaN}'}, {"metadata_not_object"}),
    ({"metadata": '{"a":' * 5000}, {"metadata_not_object"}),
    ({"total_size": -1}, {"size_negative"}),
    ({"files_count": 1.5}, {"number_not_number"}),
    *(
        ({name: None}, {"null_value"})
        for name in ("error", "metadata", "user", "progress", "total_size", "files_count", "id")
    ),
    ({"error": b"\x00\x01"}, {"not_text"}),
    ({"user": RawText(b"caf\xe9")}, {"not_utf8"}),
    ({"user": RawText(b"\x80")}, {"not_utf8"}),
    ({"name": "a\0b"}, {"nul_character"}),
    ({"name": RawText(b"\0\xff"), "status": "?", "progress": -1}, {"nul_character", "not_utf8", "status_unknown", "progress_out_of_range"}),
]  # fmt: skip


@pytest.mark.parametrize(("change", "kinds"), ODD, ids=[str(change)[:60] for change, _ in ODD])
def test_an_odd_row_counts_once_for_each_kind_among_sound_ones(path, change, kinds):
    insert(path, *({"id": f"sound-{number}"} for number in range(3)), {"id": "odd", **change})

    found = findings(path)

    assert set(found.found) == kinds
    assert set(found.found.values()) == {1}
    assert found.examples == {kind: ["None" if change.get("id", "") is None else "odd"] for kind in kinds}
    assert found.rows == 4


SOUND = [
    {"created_at": "2026-01-21 10:00:00.123456789+00:00"},
    {"created_at": "2026-01-21T10:00:00Z"},
    {"created_at": "2026-01-22 00:00:00+14:00"},
    {"started_at": None, "completed_at": None, "status": "pending"},
    {"started_at": "", "completed_at": ""},
    {"started_at": "2026-01-21 10:00:00+00:00", "completed_at": "2026-01-21 10:00:00+00:00"},
    {"completed_at": "2026-01-22 23:59:59+00:00"},  # less than a day ahead
    {"created_at": "2026-01-21 05:00:00-05:00", "started_at": "2026-01-21 11:00:00+01:00"},
    {"progress": 0},
    {"progress": 100},
    {"metadata": '{"a":{}}'},
    {"metadata": " null "},
    {"completed_at": None},  # as the Go client leaves some
    {"error": "", "user": "Zoë"},
    {"total_size": 2**63 - 1},
]


@pytest.mark.parametrize("change", SOUND, ids=str)
def test_what_a_writer_may_leave_is_sound(path, change):
    insert(path, {"id": "sound", **change})

    assert findings(path).found == {}


def test_only_a_few_ids_are_shown_and_those_can_be_printed(path):
    insert(path, *({"id": f"\x1b[31m{number}{'x' * 100}", "status": "?"} for number in range(10)))

    found = findings(path)

    assert found.counts["status_unknown"] == 10
    assert len(found.examples["status_unknown"]) == 3
    assert all(shown.isprintable() and len(shown) == 65 for shown in found.examples["status_unknown"])


def test_rows_of_megabytes_are_looked_at_too(path):
    insert(
        path, *({"id": f"large-{n}", "error": "x" * 3_000_000, "user": RawText(b"\xff")} for n in range(3)), {"id": "z"}
    )

    found = findings(path)

    assert (found.rows, found.found) == (4, {"not_utf8": 3})


def test_numbers_of_rows_with_gaps_and_below_zero_are_all_looked_at(path):
    insert(path, *({"id": str(number)} for number in range(50)))
    script(
        path,
        "UPDATE jobs SET rowid=rowid*1000000007-20000000000,status='?' WHERE rowid%2",
        "DELETE FROM jobs WHERE rowid%5=0",
    )
    rows = apsw.Connection(str(path)).execute("SELECT count(*),sum(status='?') FROM jobs").fetchall()[0]

    found = findings(path)

    assert (found.rows, found.counts["status_unknown"]) == rows


def test_the_store_of_the_daemon_is_looked_at_as_what_it_is(tmp_path):
    columns = ",".join(COLUMNS[Flavour.DAEMON])
    script(
        tmp_path / "daemon.db",
        f"CREATE TABLE jobs ({columns})",
        "INSERT INTO jobs VALUES('a','n','/v','/o',NULL,NULL,'','{}','running','2026-01-21 10:00:00+00:00',NULL,NULL)",
        "INSERT INTO jobs VALUES('b','n','/v','/o','','{','[]','{}','gone','2026-01-21 10:00:00+00:00',NULL,NULL)",
    )

    found = findings(tmp_path / "daemon.db", Flavour.DAEMON)

    assert found.found == {"metadata_not_object": 1, "status_unknown": 1}
    assert found.examples == {"metadata_not_object": ["b"], "status_unknown": ["b"]}


def test_a_stop_ends_the_look_at_once(path):
    insert(path, *({"id": str(number)} for number in range(3000)))
    seen = []

    def stop():
        raise StoreInterruptedError("stopped")

    with pytest.raises(StoreInterruptedError):
        findings(path, keep_on=stop, progress=lambda done, rows: seen.append((done, rows)))
    assert seen == [(1000, 3000)]


def test_no_snapshot_is_held_from_one_chunk_to_the_next(path):
    """Else the -wal could not be begun anew while a large store is looked at."""
    insert(path, *({"id": str(number)} for number in range(3000)))
    writer = apsw.Connection(str(path))
    emptied = []

    def write():
        writer.execute("UPDATE jobs SET progress=1 WHERE id='7'")
        frames, moved = writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        emptied.append((frames, moved))

    findings(path, keep_on=write)
    writer.close()

    assert emptied == [(0, 0)] * 3


_time = st.one_of(
    st.datetimes().map(lambda at: at.isoformat(" ") + "+00:00"),
    st.from_regex(r"(19|20)\d\d-[01]\d-[0-3]\d[ T][0-2]\d:[0-5]\d:[0-5]\d(\.\d{0,9})? {0,2}([+-][01]\d:[0-5]\d|Z)?", fullmatch=True),
    st.text(max_size=30), st.none(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.binary(max_size=30),
)  # fmt: skip
_text = st.one_of(st.text(max_size=8), st.binary(max_size=8), st.binary(max_size=8).map(RawText), st.none())
_number = st.one_of(st.integers(-(2**63), 2**63 - 1), st.floats(), st.text(max_size=4), st.none(), st.integers(-1, 101))
_row = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("created_at", "started_at", "completed_at"), _time),
        **dict.fromkeys(("name", "error", "user", "provider"), _text),
        **dict.fromkeys(("progress", "total_size", "files_count"), _number),
        "metadata": st.one_of(_text, st.from_regex(r'(\{"a": ?(1|null|\[\]|NaN)\})|\[\]|1|nul{1,3}', fullmatch=True)),
        "status": st.one_of(st.sampled_from(["running", "failed", "RUNNING", ""]), _text),
    },
)


@given(st.lists(_row, min_size=1, max_size=6))
def test_the_fast_look_finds_what_a_look_at_every_value_finds(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("loose") / "jobs.db"
    script(path, LOOSE)
    insert(path, *({"id": str(number), **row} for number, row in enumerate(rows)))
    columns = ",".join(
        f"CASE typeof({c}) WHEN 'text' THEN CAST({c} AS BLOB) ELSE {c} END,typeof({c})"
        for c in COLUMNS[Flavour.HYPERSDK]
    )
    verdict = Verdict(Flavour.HYPERSDK, NOW)
    db = apsw.Connection(str(path))
    wanted = dict.fromkeys(KINDS, 0)
    for row in db.execute(f"SELECT {columns} FROM jobs"):  # noqa: S608 - our own columns
        for kind in verdict.of(row)[1]:
            wanted[kind] += 1
    db.close()

    assert findings(path).counts == wanted
