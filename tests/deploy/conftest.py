"""What the tests of deploying share."""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).resolve().parents[2] / "Makefile"


@pytest.fixture(scope="session")
def wheels_alone():
    """A block in which nobody else makes `dist/wheels` anew, in whatever process the tests run."""

    @contextmanager
    def alone():
        with MAKEFILE.open() as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield

    return alone
