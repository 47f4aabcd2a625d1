"""Templates and values into rules, as Prometheus' rule files have them."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from hyperjobs.metrics.catalogue import PREFIX, catalogue
from hyperjobs.rules.definition import GROUPS, alerts, compat, recordings
from hyperjobs.rules.parameter import written

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hyperjobs.rules.definition import Alert, Recording
    from hyperjobs.rules.values import Values

_PLACE = re.compile(r"<<([a-z_0-9]+)(?:\.(seconds|percent))?>>")
_NAME = re.compile(rf"\b{PREFIX}(\w+)")

SOURCE = "hyperjobs"
"""The label ``source`` of what is recorded under hypersdk's names, by which ours is told from theirs."""


class Kind(StrEnum):
    """Which rules."""

    ALERTS = "alerts"
    RECORDING = "recording"
    COMPAT = "compat"


def groups(kind: Kind, values: Values, *, with_reserved: bool = False) -> list[dict[str, Any]]:
    """The groups of a rule file; none is empty.

    An alert on a metric that the catalogue only reserves is left out: on what nobody exports it would never fire, and
    look as if somebody watched.

    Args:
        kind: which rules.
        values: what they are filled with.
        with_reserved: keep those alerts all the same, as a test of them needs.
    """
    match kind:
        case Kind.ALERTS:
            found = [
                {"name": f"hyperjobs-{group}", "rules": list(_alerts(group, values, with_reserved=with_reserved))}
                for group in GROUPS
            ]
        case Kind.RECORDING:
            found = [{"name": "hyperjobs-recording", "rules": [_recording(each, values) for each in recordings()]}]
        case Kind.COMPAT:
            found = [{"name": "hyperjobs-compat-hypersdk", "rules": [_stand_in(each, values) for each in compat()]}]
    return [group for group in found if group["rules"]]


def waits_for(alert: Alert) -> set[str]:
    """The reserved metrics that an alert needs."""
    named = {name for expr in alert.expr.values() for name in _NAME.findall(expr)}
    return {name for name in named if name in catalogue() and catalogue()[name].is_reserved}


def _alerts(group: str, values: Values, *, with_reserved: bool) -> Iterator[dict[str, Any]]:
    for alert in alerts().values():
        own = values.alerts[alert.name]
        if alert.group == group and own["enabled"] and (with_reserved or not waits_for(alert)):
            for severity in alert.severities:
                yield _rule(alert, severity, own, values.common)


def _rule(alert: Alert, severity: str, own: Mapping[str, Any], shared: Mapping[str, Any]) -> dict[str, Any]:
    filling = {**_shared(shared), **own}
    if severity in own:
        filling["threshold"] = own[severity]
    rule = {"alert": alert.name, "expr": fill(alert.expr[severity], filling)}
    if own["for"]:
        rule["for"] = written(own["for"])
    return {
        **rule,
        "labels": {
            **shared["labels"],
            "severity": severity,
            "component": alert.component,
            "service": shared["service"],
        },
        "annotations": {
            "summary": alert.summary,
            "description": fill(alert.description[severity], filling),
            "runbook_url": f"{shared['runbook_url']}#{alert.name.lower()}",
            "dashboard_url": f"{shared['dashboard_url']}/d/{alert.dashboard}",
        },
    }


def _recording(recording: Recording, values: Values) -> dict[str, Any]:
    rule: dict[str, Any] = {"record": recording.record, "expr": fill(recording.expr, _shared(values.common))}
    return {**rule, "labels": dict(recording.labels)} if recording.labels else rule


def _stand_in(recording: Recording, values: Values) -> dict[str, Any]:
    """A rule that records nothing while somebody else exports the name."""
    expr = fill(recording.expr, _shared(values.common))
    return {
        "record": recording.record,
        "expr": f'{expr}\nunless on ()\n{recording.record}{{source!="{SOURCE}"}}',
        "labels": {**recording.labels, "source": SOURCE},
    }


def _shared(shared: Mapping[str, Any]) -> dict[str, Any]:
    return {"sel": shared["selector"], "on": shared["match_labels"]}


def fill(template: str, values: Mapping[str, Any]) -> str:
    """The template with a value in each place ``<<name>>``, ``<<name.seconds>>``, ``<<name.percent>>``.

    Raises:
        KeyError: a place has a name that no value has.
    """
    return _PLACE.sub(lambda place: written(values[place[1]], place[2] or ""), template).strip()
