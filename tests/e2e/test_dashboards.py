"""No panel is empty: every query of every dashboard, asked of a Prometheus that scraped a living fleet."""

from __future__ import annotations

import json
import time
import urllib.parse
from typing import TYPE_CHECKING

import pytest
from dashboards.__main__ import PLACE

from demo.living import fetch, living
from support.processes import until
from support.promql import as_prometheus_reads

if TYPE_CHECKING:
    from demo.living import Demo

_SPAN_S = 600
_STEP_S = 5


def queries() -> dict[str, str]:
    """Where it stands → the query, as asked by a panel that shows some minutes."""
    found = {}
    for file in sorted(PLACE.glob("*.json")):
        dashboard = json.loads(file.read_text())
        panels = [inner for panel in dashboard["panels"] for inner in (panel, *panel.get("panels", ()))]
        for panel in panels:
            for target in panel.get("targets", ()):
                found[f"{file.stem}: {panel['title']} {target['refId']}"] = target["expr"]
        for mark in dashboard["annotations"]["list"]:
            if "expr" in mark and mark["name"] != "Store restored":  # nobody does, in a healthy fleet
                found[f"{file.stem}: mark {mark['name']}"] = mark["expr"]
    return {where: as_prometheus_reads(expression, rate_interval="1m") for where, expression in found.items()}


def answer(demo: Demo, expression: str) -> list[object]:
    """The series that Prometheus gives for the last minutes, as a panel asks for them."""
    now = time.time()
    asked = urllib.parse.urlencode({"query": expression, "start": now - _SPAN_S, "end": now, "step": _STEP_S})
    text = fetch(f"{demo.prometheus}/api/v1/query_range?{asked}")
    return json.loads(text)["data"]["result"] if text else []


@pytest.mark.tool("prometheus")
def test_no_panel_of_any_dashboard_is_empty(tmp_path):
    waiting = queries()

    with living(tmp_path, speed=60, scrape_interval_s=1, days=8.5) as demo:

        def all_answered() -> bool:
            for where in [where for where, expression in waiting.items() if answer(demo, expression)]:
                del waiting[where]
            return not waiting

        try:
            until(all_answered, "an answer to every query", timeout_s=60)
        except TimeoutError:
            demo.children.check()

    assert waiting == {}
