"""Every query of every dashboard, and what a Prometheus says to it."""

from __future__ import annotations

import json
import time
import urllib.parse
from typing import TYPE_CHECKING

from dashboards.__main__ import PLACE
from demo.living import fetch
from support.promql import as_prometheus_reads

if TYPE_CHECKING:
    from demo.living import Demo

_SPAN_S = 600
_STEP_S = 5
NOT_IN_A_HEALTHY_FLEET = {
    "hyperjobs-store: Locks and errors B": "a store that is well gives no errors",
    "mark Store restored": "nobody puts an older store in the place of a demo's",
}


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
            if "expr" in mark:
                found[f"{file.stem}: mark {mark['name']}"] = mark["expr"]
    return {
        where: as_prometheus_reads(expression, rate_interval="1m")
        for where, expression in found.items()
        if not any(where.endswith(left_out) for left_out in NOT_IN_A_HEALTHY_FLEET)
    }


def answer(demo: Demo, expression: str) -> list[object]:
    """The series that Prometheus gives for the last minutes, as a panel asks for them."""
    now = time.time()
    asked = urllib.parse.urlencode({"query": expression, "start": now - _SPAN_S, "end": now, "step": _STEP_S})
    text = fetch(f"{demo.prometheus}/api/v1/query_range?{asked}")
    return json.loads(text)["data"]["result"] if text else []
