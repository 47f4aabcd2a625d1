"""What every dashboard has around its panels: variables, annotations, links to the others, times."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from dashboards.panels import DATASOURCE, Panel
from dashboards.query import metric

if TYPE_CHECKING:
    from collections.abc import Sequence

TAGS: Final = ["hypersdk", "hyperjobs"]
_BRIEF: Final = "optimize|checkpoint"
"""Tasks that come too often, or change too little, to be marked in every graph."""
_OF_PROMETHEUS: Final = {
    "Maintenance": {
        "expr": metric("task_last_run_timestamp_seconds", f'task!~"{_BRIEF}"') + " * 1000",
        "iconColor": "blue",
        "titleFormat": "{{task}}",
        "tagKeys": "task",
    },
    "Configuration reloaded": {
        "expr": metric("config_last_reload_success_timestamp_seconds") + " * 1000",
        "iconColor": "purple",
        "titleFormat": "configuration loaded",
        "tagKeys": "instance",
    },
    "Store restored": {
        # the epoch counts up when the agent finds the store rolled back or replaced
        "expr": f"changes({metric('ledger_epoch')}[$__rate_interval]) > 0",
        "iconColor": "red",
        "titleFormat": "store rolled back or replaced",
        "tagKeys": "instance",
    },
}
_BY_ITS_VALUE: Final = frozenset({"Maintenance", "Configuration reloaded"})
"""Annotations whose value is the time, in milliseconds."""


def framed(  # noqa: PLR0913 - what tells one dashboard from another, each by name
    uid: str,
    title: str,
    description: str,
    contents: Sequence[Panel | dashboard.Row],
    *,
    since: str,
    refresh: str = "1m",
) -> dict[str, Any]:
    """A dashboard as Grafana reads it."""
    built = (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags(TAGS)
        .readonly()
        .timezone("browser")
        .time(since, "now")
        .refresh(refresh)
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .variables(_variables())
        .link(
            dashboard.DashboardLink("hyperjobs")
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags(["hyperjobs"])
            .include_vars(True)  # noqa: FBT003 - the library's
            .keep_time(True)  # noqa: FBT003
        )
    )
    for part in contents:
        built = built.with_row(part) if isinstance(part, dashboard.Row) else built.with_panel(part)
    found: dict[str, Any] = json.loads(JSONEncoder(sort_keys=True, indent=2).encode(built.build()))
    found["annotations"] = {"list": [_built_in(), *_annotations()]}
    return found


def _variables() -> list[Any]:
    return [
        dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"),
        _labels("job", "Job", "label_values(hyperjobs_build_info, job)"),
        _labels("instance", "Instance", 'label_values(hyperjobs_build_info{job=~"$job"}, instance)'),
        _labels(
            "provider",
            "Provider",
            'label_values(hyperjobs_jobs{job=~"$job",instance=~"$instance"}, provider)',
        ),
    ]


def _labels(name: str, label: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .query({"query": query, "refId": name})
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(True)  # noqa: FBT003 - the library's
        .include_all(True)  # noqa: FBT003
        .all_value(".+")
        .current(models.VariableOption(text="All", value="$__all"))
    )


def _built_in() -> dict[str, Any]:
    return {
        "builtIn": 1,
        "datasource": {"type": "grafana", "uid": "-- Grafana --"},
        "enable": True,
        "hide": True,
        "iconColor": "rgba(0, 211, 255, 1)",
        "name": "Annotations & Alerts",
        "type": "dashboard",
    }


def _annotations() -> list[dict[str, Any]]:
    """Marks from Prometheus; the library's model does not know these fields."""
    return [
        {
            "datasource": {"type": "prometheus", "uid": "${datasource}"},
            "enable": True,
            "name": name,
            "step": "1m",
            "useValueForTime": "on" if name in _BY_ITS_VALUE else False,
            **fields,
        }
        for name, fields in _OF_PROMETHEUS.items()
    ]
