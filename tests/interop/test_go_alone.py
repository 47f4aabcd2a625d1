"""The Go stand-in without hyperjobs: what the other tests of this folder rest on."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from support.gowriter import GoWriter

pytestmark = pytest.mark.tool("go-sqlite3")


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/St_Johns"])
def test_go_reads_back_what_go_wrote(go_writer: GoWriter, tmp_path: Path, zone: str) -> None:
    store = tmp_path / "jobs.db"

    written = go_writer.write(store, "-jobs", 60, zone=zone)

    assert (written.raw["errors"], written.raw["slow"]) == ([], [])
    assert go_writer.read(store) == written.jobs


@pytest.mark.tool("sqlite3")
@pytest.mark.parametrize("column", ["error", "user", "metadata", "progress", "total_size", "files_count"])
def test_the_go_reader_fails_on_a_null(go_writer: GoWriter, tmp_path: Path, column: str) -> None:
    """The judge of the other tests must be able to say no."""
    store = tmp_path / "jobs.db"
    go_writer.write(store, "-jobs", 4)
    first = go_writer.read(store)[0]["id"]

    breaking = f"UPDATE jobs SET {column} = NULL WHERE id <> '{first}'"  # noqa: S608 - both are our own words
    subprocess.run(["sqlite3", store, breaking], check=True, timeout=30)

    with pytest.raises(AssertionError, match=first):
        go_writer.read(store)
