"""The state file's own troubles are told as such, and never cost the store its ledger."""

from __future__ import annotations

import pytest

from hyperjobs.errors import StoreError, StoreFullError
from hyperjobs.store.state import StateFile
from hyperjobs.testing import FakeClock


@pytest.fixture
def state(tmp_path):
    state = StateFile(tmp_path / "state", tmp_path / "jobs.db", clock=FakeClock())
    yield state
    state.close()


def test_a_full_disk_under_the_state_file_is_said_as_that(state):
    pages = state._db.execute("PRAGMA page_count").fetchall()[0][0]
    state._db.execute(f"PRAGMA max_page_count={pages}").fetchall()

    with pytest.raises(StoreFullError, match="no space left for the state file"):
        state.save_facts(**{f"key{n}": "x" * 4000 for n in range(20)})

    assert state.facts() == {}
    state.save_facts(epoch=1)
    assert state.facts() == {"epoch": 1}


def test_a_state_file_that_became_unwritable_is_said_as_that(state):
    state._db.execute("PRAGMA query_only=1").fetchall()

    with pytest.raises(StoreError, match="cannot write the state file"):
        state.save_progress({"job": (1.0, 2.0)})

    assert state.progress() == {}


def test_what_was_saved_is_there_after_a_restart(tmp_path):
    for kept in ({}, {"job": (40.0, 1234.5)}):
        state = StateFile(tmp_path / "state", tmp_path / "jobs.db", clock=FakeClock())
        assert state.progress() == kept
        state.save_progress({"job": (40.0, 1234.5)})
        state.close()
