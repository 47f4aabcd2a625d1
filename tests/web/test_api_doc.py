"""docs/api.md shows what the API answers; ``HYPERJOBS_UPDATE_GOLDEN=1`` writes its examples anew."""

from __future__ import annotations

import json
import os
import re
from dataclasses import fields, is_dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hyperjobs.store.events import Event, EventKind
from hyperjobs.store.sqlite import open_store
from hyperjobs.testing import START, FakeClock, make_job
from hyperjobs.web import shapes
from hyperjobs.web.message import Request
from support.scrapes import hand_turned

PAGE = Path(__file__).parent.parent.parent / "docs" / "api.md"
HOUR = timedelta(hours=1)
HEAD = "One of each, of a small store. Long lists are cut here.\n\n"

RESOURCES = (
    "status", "jobs?status=failed", "jobs/migration-2", "stats?by=provider", "failures", "runs?limit=2", "schedule", "backups",
)  # fmt: skip

# What differs from one machine or run to the next, by its name in the answer.
VOLATILE: dict[str, Any] = {
    "version": "0.1.0", "path": "/var/lib/hypersdk/jobs.db", "host": "db1", "main": 77824, "wal": 0, "shm": 32768,
    "freelist_bytes": 0, "filesystem_avail_bytes": 73014444032, "filesystem_size_bytes": 270582939648, "bytes": 9216,
    "avail_bytes": 73014444032, "rto_seconds": 0.021, "rpo_seconds": 0.0, "detail": {"seconds": 0.043},
    "summary": "jobs-20260121T100000Z-0001.db.zst: 4 jobs, proven",
}  # fmt: skip
CUT = {"hours", "tasks", "notices"}

CANCELLED = Event(
    task=EventKind.CANCEL, started_at=START + timedelta(seconds=1), ended_at=START + timedelta(seconds=1),
    reason="wave 7 is off", summary="migration-3: pending -> cancelled", by="maria", host="db1",
    detail={"jobs": 1, "from": {"pending": 1}, "to": "cancelled", "forced": False, "ids": ["migration-3"]},
)  # fmt: skip


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """Each resource's answer from the store of the page."""
    folder = tmp_path_factory.mktemp("api")
    path = folder / "jobs.db"
    with open_store(path, create=True, clock=FakeClock()) as store:
        for n, status in enumerate(("completed", "running", "failed", "pending")):
            at = START - (n + 2) * HOUR
            error = "dial tcp 10.0.0.5:443: i/o timeout" if status == "failed" else ""
            store.save_job(
                make_job(
                    id=f"migration-{n}", name=f"Export web-0{n}", vm_name=f"web-0{n}", vm_path=f"/dc1/vm/web-0{n}",
                    output_dir=f"/exports/web-0{n}", status=status, error=error, created_at=at,
                    started_at=None if status == "pending" else at,
                    completed_at=at + HOUR if status in {"completed", "failed"} else None,
                    progress={"completed": 100.0, "pending": 0.0}.get(status, 60.0), metadata={"wave": 7},
                    total_size=42 * 2**30, files_count=3,
                )
            )  # fmt: skip
    with hand_turned(path, folder / "state") as turned:
        turned.turn()
        turned.run("backup")
        turned.run("drill")
        turned.workshop.holds.pause(START + HOUR, "wave 7", START)
        turned.workshop.events.add(CANCELLED)
        site = turned.site()
        found = {}
        for resource in RESOURCES:
            where, _, query = resource.partition("?")
            answer = site.answer(Request("GET", f"/api/v1/{where}", query))
            assert answer.status == 200, answer.body
            found[resource] = json.loads(answer.body)
    return found


def settled(value: Any, name: str = "") -> Any:
    """An answer with its volatile values set, and its long lists cut to the last entry."""
    if name in VOLATILE and value is not None:
        return VOLATILE[name]
    if isinstance(value, dict):
        told = {key: value[key] for key in ("summary", "detail") if value.get("kind") == "event"}
        return {key: settled(each, key) for key, each in value.items()} | told
    if isinstance(value, list):
        return [settled(each) for each in (value[-1:] if name in CUT else value)]
    return value


def test_the_examples_of_the_page_are_what_the_api_answers(answers):
    text = PAGE.read_text()
    written = "\n".join(
        f"### `/api/v1/{resource}`\n\n```json\n{json.dumps(settled(answer), indent=2)}\n```\n"
        for resource, answer in answers.items()
    )
    if os.environ.get("HYPERJOBS_UPDATE_GOLDEN"):
        PAGE.write_text(text.partition(HEAD)[0] + HEAD + written)
    assert PAGE.read_text().partition(HEAD)[2] == written


def test_every_time_is_rfc_3339_in_utc(answers):
    def times(value):
        if isinstance(value, dict):
            for key, each in value.items():
                yield from [each] if key == "at" or key.endswith("_at") else times(each)
        elif isinstance(value, list):
            for each in value:
                yield from times(each)

    found = [each for answer in answers.values() for each in times(answer) if each is not None]
    assert len(found) > 150
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", each) for each in found)


def test_every_field_of_every_shape_is_on_the_page():
    names = {
        each.name
        for shape in vars(shapes).values()
        if isinstance(shape, type) and is_dataclass(shape) and shape is not shapes.Overview
        for each in fields(shape)
    }
    shown = PAGE.read_text() + (PAGE.parent / "status-page.md").read_text()

    assert {name for name in names if f'"{name}"' not in shown} <= {
        "is_new",
        "until",
        "message",
        "text",
        "remedy",
        "id",
    }
