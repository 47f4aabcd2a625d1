"""The Go client's stand-in, built once a session."""

from __future__ import annotations

import pytest

from support.gowriter import GoWriter
from support.tools import require


@pytest.fixture(scope="session")
def go_writer(tmp_path_factory: pytest.TempPathFactory) -> GoWriter:
    """The built Go writer."""
    require("go-sqlite3")
    return GoWriter.build(tmp_path_factory.mktemp("gowriter"))
