"""``web.jobs: false`` on the real agent: no job is named, on the page, in the API or in the metrics."""

from __future__ import annotations

import json

import pytest

from support.agents import launched, started
from support.processes import get
from support.scrapes import copy_fixture

PAGES = ("/", "/api/v1/status", "/api/v1/stats", "/api/v1/runs", "/metrics")


@pytest.mark.parametrize("shown", [True, False])
def test_jobs_are_named_or_not_as_the_option_says(tmp_path, shown):
    env = {"HYPERJOBS_WEB__JOBS": str(shown).lower()}
    with launched(copy_fixture(tmp_path), tmp_path / "state", env=env) as process:
        url = started(process)
        process.until(lambda: json.loads(get(f"{url}/api/v1/status").text)["jobs"], "numbers", timeout_s=30)
        listed = get(f"{url}/api/v1/jobs?limit=1")
        texts = [get(f"{url}{page}").text for page in PAGES]

    assert listed.status == (200 if shown else 403)
    assert ("migration-" in listed.text) is shown
    assert ("web-335" in texts[0], "web-335" in texts[1]) == (shown, shown)  # a job that runs
    assert not any("web-335" in text or "migration-" in text for text in texts[2:])
