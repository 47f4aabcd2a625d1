"""What is chosen, edge by edge; and what no choice may ever do."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperjobs.maintenance.vacuum.plan import ASSUMED_MB_PER_SECOND, Method, Mode, Terms, plan
from hyperjobs.store.space import AutoVacuum, Space


def space(
    *, pages: int = 1000, free_pages: int = 500, auto_vacuum: AutoVacuum = AutoVacuum.NONE, wal_bytes: int = 0
) -> Space:
    return Space(pages=pages, free_pages=free_pages, page_size_bytes=4096, auto_vacuum=auto_vacuum, wal_bytes=wal_bytes)


@pytest.mark.parametrize("auto_vacuum", [AutoVacuum.NONE, AutoVacuum.INCREMENTAL])
@pytest.mark.parametrize(("free_pages", "reason"), [(0, "nothing_to_free"), (199, "below_min_free"), (200, "")])
def test_it_pays_from_the_share_on_that_was_set(auto_vacuum, free_pages, reason):
    assert plan(space(free_pages=free_pages, auto_vacuum=auto_vacuum), Terms(min_free=0.2)).reason == reason


@pytest.mark.parametrize(
    ("mode", "auto_vacuum", "method"),
    [
        (Mode.AUTO, AutoVacuum.INCREMENTAL, Method.INCREMENTAL),
        (Mode.AUTO, AutoVacuum.NONE, Method.FULL),
        (Mode.INCREMENTAL, AutoVacuum.INCREMENTAL, Method.INCREMENTAL),
        (Mode.INCREMENTAL, AutoVacuum.NONE, Method.NONE),
        (Mode.FULL, AutoVacuum.INCREMENTAL, Method.FULL),
        (Mode.FULL, AutoVacuum.NONE, Method.FULL),
        (Mode.CONVERT, AutoVacuum.INCREMENTAL, Method.NONE),
        (Mode.CONVERT, AutoVacuum.NONE, Method.CONVERT),
        (Mode.NONE, AutoVacuum.INCREMENTAL, Method.NONE),
    ],
)
def test_each_mode_takes_the_way_that_the_file_allows(mode, auto_vacuum, method):
    assert plan(space(auto_vacuum=auto_vacuum), Terms(mode=mode)).method is method


@pytest.mark.parametrize(("pages", "reason"), [(100_000, ""), (100_001, "blocks_too_long")])
def test_writers_are_stopped_for_as_long_as_is_allowed_and_no_longer(pages, reason):
    limit_s = 50_000 * 4096 / 1e6 / 60.0
    store = space(pages=pages, free_pages=50_000)

    terms = Terms(mb_per_second=60.0, longest_block_s=limit_s, longest_write_back_s=60.0)
    assert plan(store, terms).reason == reason
    assert plan(store, Terms(mode=Mode.FULL, mb_per_second=60.0, longest_block_s=limit_s)).reason == ""


@pytest.mark.parametrize(("pages", "reason"), [(100_000, ""), (100_001, "stops_too_late")])
def test_a_stop_waits_for_the_end_of_it_for_as_long_as_is_allowed_and_no_longer(pages, reason):
    limit_s = 50_000 * 4096 / 1e6 / 60.0 * 0.5
    store = space(pages=pages, free_pages=50_000)
    terms = Terms(mb_per_second=60.0, write_back_share=0.5, longest_write_back_s=limit_s)

    assert plan(store, terms).reason == reason
    assert plan(store, replace(terms, mode=Mode.FULL)).reason == ""
    assert plan(store, replace(terms, is_forced=True)).reason == ""


def test_the_block_is_predicted_from_the_last_measured_speed_and_else_from_a_careful_guess():
    used_mb = 500 * 4096 / 1e6

    assert plan(space(), Terms(mb_per_second=50.0)).blocked_seconds == pytest.approx(used_mb / 50)
    assert plan(space(), Terms()).blocked_seconds == pytest.approx(used_mb / ASSUMED_MB_PER_SECOND)


_SPACES = st.builds(
    lambda pages, share, kind, wal: space(pages=pages, free_pages=int(pages * share), auto_vacuum=kind, wal_bytes=wal),
    st.integers(1, 10**7),
    st.floats(0, 0.999),
    st.sampled_from(AutoVacuum),
    st.integers(0, 10**9),
)
_TERMS = st.builds(
    Terms,
    mode=st.sampled_from(Mode),
    min_free=st.floats(0, 1),
    is_in_window=st.booleans(),
    mb_per_second=st.none() | st.floats(0.1, 10_000),
    longest_block_s=st.floats(0, 60),
    write_back_share=st.none() | st.floats(0.01, 1),
    longest_write_back_s=st.floats(0, 60),
    is_forced=st.booleans(),
    is_replicated=st.booleans(),
)


@given(_SPACES, _TERMS)
def test_the_whole_store_is_never_rewritten_without_twice_its_room_nor_unasked_outside_the_window(store, terms):
    chosen = plan(store, terms)

    assert chosen.why
    assert bool(chosen.reason) is (chosen.method is Method.NONE)
    if chosen.method in {Method.FULL, Method.CONVERT} and chosen.blocked_seconds:
        assert chosen.room_bytes >= 2 * store.size_bytes + store.wal_bytes
        assert terms.is_in_window or terms.is_forced
        if terms.mode is Mode.AUTO and not terms.is_forced:
            assert chosen.blocked_seconds <= terms.longest_block_s
            assert chosen.blocked_seconds * (terms.write_back_share or 0.0) <= terms.longest_write_back_s
    if chosen.method is Method.INCREMENTAL:
        assert store.auto_vacuum is AutoVacuum.INCREMENTAL
