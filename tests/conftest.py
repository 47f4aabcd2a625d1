"""What holds for every test: how properties are searched, what happens where a program is missing, and where logs go."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import pytest
import structlog
from hypothesis import HealthCheck, settings

from hyperjobs.logs import configure_logs
from support import tools

if TYPE_CHECKING:
    from collections.abc import Iterator

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


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """A command that runs in this process sets up its logs; the next test is not to find them so."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    if structlog.is_configured():
        logging.captureWarnings(capture=False)
        root.handlers[:] = [each for each in handlers if type(each).__module__ != configure_logs.__module__]
        root.setLevel(level)
        structlog.reset_defaults()
