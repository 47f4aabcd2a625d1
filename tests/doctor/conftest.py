"""Hosts to call the doctor to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.doctor_host import Host

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host with a sound store of three jobs."""
    found = Host(tmp_path)
    found.make({}, {}, {})
    return found


@pytest.fixture
def bare(tmp_path: Path) -> Host:
    """A host where there is no store yet."""
    return Host(tmp_path)
