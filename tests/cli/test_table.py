from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hyperjobs.cli.table import Column, fit

GAP = 2


def column(**options):
    return Column("TITLE", lambda value, _: value, **options)


def test_columns_with_room_are_as_wide_as_their_values():
    assert fit([column(), column()], [10, 20], 32) == {0: 10, 1: 20}


def test_the_column_to_drop_goes_when_the_rest_would_not_fit_at_their_least():
    columns = [column(is_whole=True), column(drop=2), column(drop=1)]

    assert list(fit(columns, [20, 8, 8], 40)) == [0, 1, 2]
    assert list(fit(columns, [20, 8, 8], 39)) == [0, 2]
    assert list(fit(columns, [20, 8, 8], 29)) == [0]


def test_a_column_that_may_be_cut_is_cut_before_a_whole_one():
    assert fit([column(is_whole=True), column(width=10)], [24, 200], 80) == {0: 24, 1: 54}


def test_the_whole_one_gives_way_in_the_end():
    assert fit([column(is_whole=True)], [24], 10) == {0: 10}


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 3), st.integers(1, 60)), min_size=1, max_size=8),
    st.integers(30, 200),
)
def test_what_is_kept_fits_the_terminal(shapes, width):
    columns = [column(is_whole=whole, drop=drop) for whole, drop, _ in shapes]

    widths = fit(columns, [natural for _, _, natural in shapes], width)

    assert sum(widths.values()) + GAP * (len(widths) - 1) <= width
