"""The world that a page is followed in."""

from __future__ import annotations

import pytest

from support.doc_world import furnish
from support.follower import world


@pytest.fixture
def here(tmp_path):
    """A world with a store in use, whose agent and writer can be started."""
    with world(tmp_path / "world") as made:
        furnish(made)
        yield made
