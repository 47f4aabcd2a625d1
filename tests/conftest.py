"""What holds for every test: how properties are searched, and what happens where a program is missing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings

from support import tools

if TYPE_CHECKING:
    import pytest

# Deadlines measure the machine, not the code; a slow disk is no counter-example.
settings.register_profile("dev", deadline=None)
settings.register_profile(
    "ci", deadline=None, derandomize=True, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "dev")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Hold ``@pytest.mark.tool("name", …)`` against what this machine has."""
    for marker in item.iter_markers("tool"):
        for tool in marker.args:
            tools.require(tool)
