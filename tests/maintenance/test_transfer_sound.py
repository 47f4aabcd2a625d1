"""Rows from outside are judged at a glance, and the glance judges as the long way does."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperjobs.errors import InvalidJobError
from hyperjobs.maintenance.transfer.checking import RowError, check_sound
from hyperjobs.maintenance.transfer.importing import import_jobs
from hyperjobs.store.cells import RawText
from hyperjobs.store.flavour import COLUMNS
from hyperjobs.store.rows import job_of
from support.spaces import turn
from support.stores import ROW, new_store

GOOD = tuple(ROW[name] for name in COLUMNS)

odd = st.one_of(
    st.none(),
    st.text(max_size=4),
    st.sampled_from(
        [
            *(
                "",
                "null",
                "{}",
                "[]",
                '{"a":NaN}',
                '{"a":1}',
                "{",
                "\ufeff{}",
                "a\0",
                "running",
                "lost",
                RawText(b"\xff"),
                b"{}",
            ),
            *(
                "2026-01-21 10:00:00+00:00",
                "2026-13-21 10:00:00+00:00",
                "2026-01-21",
                1_700_000_000,
                -1,
                0,
                1.5,
                100.0,
                100.1,
            ),
            *(float("nan"), float("inf"), 2**63 - 1, -(2**63)),
        ]
    ),
)


@settings(max_examples=1500, deadline=None)
@given(st.dictionaries(st.integers(0, len(COLUMNS) - 1), odd, max_size=3))
def test_a_row_is_sound_exactly_if_it_reads_without_a_flag(changes):
    cells = tuple(changes.get(place, cell) for place, cell in enumerate(GOOD))
    has_bytes = any(type(cell) is RawText for cell in cells)
    has_nul = any(type(cell) is str and "\0" in cell for cell in cells)
    is_sound = not (has_bytes or has_nul) and cells[0] not in {None, ""} and not job_of(cells).flags

    try:
        check_sound(cells)
    except RowError:
        assert not is_sound
    else:
        assert is_sound


def test_a_number_of_hundreds_of_digits_is_a_row_that_is_not_taken(tmp_path):
    file = tmp_path / "x.json"
    file.write_text(f"[{json.dumps({**ROW, 'progress': 10**400})},{json.dumps(ROW)}]")
    new_store(tmp_path).close()

    done = import_jobs(tmp_path / "jobs.db", file, turn())

    assert (done.jobs.inserted, dict(done.rejected)) == (1, {"progress is larger than any integer of SQLite": 1})


def test_a_number_of_thousands_of_digits_is_refused_as_no_json(tmp_path):
    file = tmp_path / "x.json"
    file.write_text(f'[{json.dumps(ROW)},{json.dumps(ROW)[:-1]},"x":{"9" * 5000}}}]')
    new_store(tmp_path).close()

    with pytest.raises(InvalidJobError, match="after 1 rows: a number has too many digits"):
        import_jobs(tmp_path / "jobs.db", file, turn())
