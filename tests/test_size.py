"""Sizes read and written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperjobs.size import format_size, mebibytes, parse_size


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0), ("0B", 0), ("1B", 1), ("1KiB", 1024), ("64MiB", 64 << 20), ("3GiB", 3 << 30), ("1TiB", 1 << 40)],
)
def test_a_size_is_a_number_and_its_unit(text, expected):
    assert parse_size(text) == expected


@pytest.mark.parametrize("text", ["", "64", "64 MiB", "64mib", "64MB", "-1B", "1.5GiB", "1e3B", "MiB", "1PiB", "٣B"])
def test_what_is_no_size_is_refused_and_told_the_units(text):
    with pytest.raises(ValueError, match=r"with its unit, such as 64MiB \(B, KiB, MiB, GiB, TiB\)"):
        parse_size(text)


@given(st.integers(0, 10**15 - 1))
def test_what_is_written_reads_back_as_the_same(size_bytes):
    assert parse_size(format_size(size_bytes)) == size_bytes


def test_a_sentence_has_mebibytes_with_one_digit():
    assert [mebibytes(size) for size in (0, 12.5 * 2**20, 3 << 40)] == ["0.0 MiB", "12.5 MiB", "3,145,728.0 MiB"]
