"""An acknowledgement is of one configuration, good once, for an hour."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hyperjobs.store.acknowledgement import Acknowledgements
from hyperjobs.store.state import StateFile
from hyperjobs.testing import START, FakeClock


@pytest.fixture
def known(tmp_path):
    state = StateFile(tmp_path, tmp_path / "jobs.db", clock=FakeClock())
    yield Acknowledgements(state)
    state.close()


def test_it_is_used_up_by_the_first_reload(known):
    known.give("abc", by="alice", now=START)

    assert known.take("abc", now=START) == "alice"
    assert known.take("abc", now=START) is None


def test_another_configuration_neither_passes_nor_uses_it_up(known):
    known.give("abc", by="alice", now=START)

    assert known.take("abd", now=START) is None
    assert known.take("abc", now=START) == "alice"


@pytest.mark.parametrize(
    ("age", "holds"),
    [(timedelta(hours=1), True), (timedelta(hours=1, seconds=1), False), (-timedelta(seconds=1), False)],
)
def test_it_holds_for_an_hour_by_a_clock_that_goes_forward(known, age, holds):
    known.give("abc", by="", now=START)

    assert (known.take("abc", now=START + age) is not None) is holds


def test_a_later_one_takes_the_place_of_an_earlier(known):
    known.give("abc", by="alice", now=START)
    known.give("abd", by="bob", now=START)

    assert known.take("abc", now=START) is None
    assert known.take("abd", now=START) == "bob"
