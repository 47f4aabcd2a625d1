"""Rows are written as the Go client writes them, and read as far as they can be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperjobs import InvalidJobError, JobFilter, JobStatus
from hyperjobs.store.flavour import COLUMNS
from hyperjobs.store.rows import row_of
from hyperjobs.testing import START, make_job
from support.stores import RawText, insert, new_store


def written(path, job_id):
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        row = connection.execute(f"SELECT {','.join(COLUMNS)} FROM jobs WHERE id=?", (job_id,)).fetchall()[0]  # noqa: S608 - our own columns
        return dict(zip(COLUMNS, row, strict=True))
    finally:
        connection.close()


def test_a_saved_job_leaves_nothing_null_that_the_go_reader_scans(tmp_path):
    with new_store(tmp_path) as store:
        store.save_job(make_job(id="a", user="", created_at=START.astimezone(timezone(timedelta(hours=5, minutes=30)))))

        assert written(store.path, "a") == {
            "id": "a",
            "name": "Export web-01",
            "vm_name": "web-01",
            "vm_path": "/datacenter/vm/web-01",
            "provider": "vsphere",
            "output_dir": "/exports/web-01",
            "status": "pending",
            "created_at": "2026-01-21 10:00:00.000000+00:00",
            "started_at": None,
            "completed_at": None,
            "progress": 0.0,
            "error": "",
            "metadata": "null",
            "user": "",
            "total_size": 0,
            "files_count": 0,
        }


def test_a_job_comes_back_as_it_was_saved(tmp_path):
    with new_store(tmp_path) as store:
        job = make_job(
            status=JobStatus.FAILED,
            started_at=START + timedelta(microseconds=1),
            completed_at=START + timedelta(hours=1),
            progress=33.3,
            error="line1\nline2 ✓",
            metadata={"format": "ova", "n": [1, 2.5, None, {"deep": True}], "": "ü"},
            total_size=2**63 - 1,
            files_count=7,
        )
        store.save_job(job)

        assert store.load_job(job.id) == job
        assert store.load_job(job.id).flags == ()


def test_saving_again_replaces_the_job(tmp_path):
    with new_store(tmp_path) as store:
        store.save_job(make_job(id="a", name="one"))
        store.save_job(make_job(id="a", name="two"))

        assert [job.name for job in store.list_jobs()] == ["two"]


def test_a_job_without_a_time_is_created_now(tmp_path):
    with new_store(tmp_path) as store:
        store.save_job(make_job(id="a", created_at=None))

        assert store.load_job("a").created_at == START


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"id": ""}, "id"),
        ({"id": None}, "id"),
        ({"name": None}, "name=None is no text"),
        ({"name": "a\0b"}, "NUL"),
        ({"error": "\ud800"}, "surrogate"),
        ({"user": 7}, "user=7 is no text"),
        ({"status": "done"}, "none of pending, running"),
        ({"status": None}, "none of"),
        ({"created_at": datetime(2026, 1, 1)}, "no time zone"),  # noqa: DTZ001 - what is refused
        ({"started_at": "2026-01-01"}, "no datetime"),
        ({"completed_at": 0}, "no datetime"),
        ({"progress": -0.1}, "0 to 100"),
        ({"progress": 100.1}, "0 to 100"),
        ({"progress": float("nan")}, "0 to 100"),
        ({"progress": float("inf")}, "0 to 100"),
        ({"progress": True}, "0 to 100"),
        ({"total_size": -1}, "total_size"),
        ({"total_size": 2**63}, "total_size"),
        ({"files_count": 1.5}, "files_count"),
        ({"metadata": [1]}, "no JSON object"),
        ({"metadata": {"a": float("nan")}}, "no JSON object"),
        ({"metadata": {"a": float("inf")}}, "no JSON object"),
        ({"metadata": {"a": object()}}, "no JSON object"),
        ({"metadata": {1: "a"}}, "the key 1"),
        ({"metadata": {"a": [{None: 1}]}}, "the key None"),
        ({"metadata": {"a": "\ud800"}}, "surrogate"),
    ],
)
def test_a_value_that_a_row_cannot_hold_is_refused(tmp_path, change, words):
    with new_store(tmp_path) as store:
        with pytest.raises(InvalidJobError, match=words):
            store.save_job(make_job(**change))

        assert store.count_jobs() == 0


def test_metadata_that_holds_itself_is_refused():
    loop: dict[str, object] = {}
    loop["self"] = loop

    with pytest.raises(InvalidJobError, match="holds itself"):
        row_of(make_job(metadata=loop), START)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), json_values, max_size=4))
def test_any_json_object_without_half_surrogates_can_be_metadata(tmp_path_factory, metadata):
    with new_store(tmp_path_factory.mktemp("s")) as store:
        store.save_job(make_job(id="a", metadata=metadata))

        assert store.load_job("a").metadata == metadata


BAD = {
    "error_null": {"error": None},
    "metadata_null": {"metadata": None},
    "user_null": {"user": None},
    "progress_null": {"progress": None},
    "total_size_null": {"total_size": None},
    "files_count_null": {"files_count": None},
    "metadata_unreadable": {"metadata": "{oops"},
    "metadata_not_object": {"metadata": "[1]"},
    "created_at_unreadable": {"created_at": "soon"},
    "started_at_unreadable": {"started_at": 2461061.5},
    "completed_at_unreadable": {"completed_at": b"x"},
    "name_not_text": {"name": b"blob\xff"},
    "vm_name_not_utf8": {"vm_name": RawText(b"caf\xe9")},
    "created_at_not_utf8": {"created_at": RawText(b"2026-01-21 10:00:00\xff")},
    "error_not_utf8": {"error": RawText(b"\xed\xa0\x80")},
    "progress_unreadable": {"progress": "half"},
    "progress_out_of_range": {"progress": 9e999},
    "total_size_negative": {"total_size": -5},
    "total_size_unreadable": {"total_size": "big"},
    "files_count_not_integer": {"files_count": 1.5},
    "status_unknown": {"status": "paused"},
}


@pytest.mark.parametrize("flag", BAD)
def test_a_bad_cell_is_flagged_and_breaks_no_list(tmp_path, flag):
    with new_store(tmp_path) as store:
        store.save_job(make_job(id="good"))
        insert(store.path, {"id": "bad", **BAD[flag]})

        by_id = {job.id: job for job in store.list_jobs()}

        expected = "progress_unreadable" if flag == "progress_out_of_range" else flag
        assert expected in by_id["bad"].flags
        assert by_id["good"].flags == ()
        assert store.load_job("bad") == by_id["bad"]


def test_years_at_both_ends_of_the_calendar_are_listed(tmp_path):
    with new_store(tmp_path) as store:
        insert(
            store.path,
            {"id": "first", "created_at": "0001-01-01 00:00:00+00:00"},
            {"id": "before", "created_at": "0001-01-01 00:00:00+05:00"},
            {"id": "last", "created_at": "9999-12-31 23:59:59.999999999-12:00"},
        )

        assert [job.id for job in store.list_jobs()] == ["last", "first", "before"]
        assert [job.id for job in store.list_jobs(JobFilter(since=datetime.max.replace(tzinfo=UTC)))] == ["last"]


def test_a_huge_text_is_listed(tmp_path):
    with new_store(tmp_path) as store:
        insert(store.path, {"id": "huge", "error": "x" * 20_000_000})

        assert len(store.list_jobs()[0].error) == 20_000_000
