"""What is imported and copied is read by the Go driver, as it reads what it wrote itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from hyperjobs.maintenance.transfer.exporting import export_jobs
from hyperjobs.maintenance.transfer.importing import copy_jobs, import_jobs
from hyperjobs.store.sqlite import open_store
from support.stores import script

if TYPE_CHECKING:
    from pathlib import Path

    from support.gowriter import GoWriter

pytestmark = pytest.mark.tool("go-sqlite3")


def by_id(jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(jobs, key=lambda job: str(job["id"]))


@pytest.mark.parametrize("name", ["jobs.jsonl.zst", "jobs.json", "jobs.csv"])
def test_the_go_reader_reads_an_imported_store_as_the_one_it_came_from(
    go_writer: GoWriter, tmp_path: Path, name: str
) -> None:
    store, target = tmp_path / "jobs.db", tmp_path / "new.db"
    go_writer.write(store, "-jobs", 200, "-seed", 3, zone="Asia/Kolkata")
    open_store(target, create=True).close()

    export_jobs(store, tmp_path / name)
    done = import_jobs(target, tmp_path / name)

    assert not done.rejected
    assert by_id(go_writer.read(target)) == by_id(go_writer.read(store))


def test_the_go_reader_reads_what_came_from_history_json_beside_its_own(go_writer: GoWriter, tmp_path: Path) -> None:
    store, file = tmp_path / "jobs.db", tmp_path / "history.json"
    go_writer.write(store, "-jobs", 20, "-seed", 4)
    before = len(go_writer.read(store))
    entry = {
        "timestamp": "2026-01-21T12:00:00.5+02:00",
        "vm_name": "web",
        "success": True,
        "duration": 5,
        "total_size": 1,
    }
    file.write_text(json.dumps([entry, {**entry, "success": False, "metadata": {"a": "b"}}]))

    done = import_jobs(store, file)

    assert done.jobs.inserted == 2
    assert len(go_writer.read(store)) == before + 2


def test_a_copy_beside_a_go_writer_takes_no_write_of_its_away(go_writer: GoWriter, tmp_path: Path) -> None:
    source, target = tmp_path / "from.db", tmp_path / "jobs.db"
    go_writer.write(source, "-jobs", 2_000, "-seed", 5)
    script(source, "UPDATE jobs SET id='old-'||id")  # the writer below counts from 0 again
    with open_store(target, create=True):
        pass
    with go_writer.writing(target, "-seconds", 3, "-rate", 200, "-seed", 6) as process:
        copy_jobs(source, target)
        written = go_writer.report(process)

    assert not written.raw["errors"]
    read = go_writer.read(target)
    assert by_id([job for job in read if job["id"].startswith("old-")]) == by_id(go_writer.read(source))
    assert len(read) > len(go_writer.read(source))
