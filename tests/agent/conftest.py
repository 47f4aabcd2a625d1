"""A store, and the real agent started on it in any way."""

from __future__ import annotations

import pytest

from support.agents import launched
from support.scrapes import copy_fixture


@pytest.fixture
def store(tmp_path):
    """A copy of the store that the real Go client wrote, in a directory of its own."""
    directory = tmp_path / "store"
    directory.mkdir()
    return copy_fixture(directory)


@pytest.fixture
def launch(tmp_path):
    """Starts an agent that may fail to."""

    def start(store, *, state_dir=None, **more):
        return launched(store, state_dir or tmp_path / "state", **more)

    return start
