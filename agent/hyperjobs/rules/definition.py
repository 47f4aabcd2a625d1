"""The rules as they are written down in the package: alerts, recordings, and the values they are filled with."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from hyperjobs.rules.parameter import Kind, Parameter

if TYPE_CHECKING:
    from collections.abc import Mapping

GROUPS = ("agent", "jobs", "store", "tasks", "backup")
"""The groups of alerts, a file each, in the order in which they are rendered."""

WARNING, CRITICAL, INFO = "warning", "critical", "info"

_ENABLED = Parameter(name="enabled", kind=Kind.BOOLEAN, default=True, help="Whether the alert is rendered.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One condition; its severities share the name, so that the critical one can silence the warning.

    Attributes:
        component: whose it is: ``jobs``, ``provider`` or ``system``.
        dashboard: uid of the dashboard to look at.
        summary: a sentence without placeholders, by which people know the alert.
        description: severity → text; placeholders of values, and Prometheus' own templates.
        expr: severity → PromQL with placeholders of values.
        parameters: ``enabled`` and ``for``, then its own.
    """

    name: str
    group: str
    component: str
    dashboard: str
    severities: tuple[str, ...]
    summary: str
    description: Mapping[str, str]
    expr: Mapping[str, str]
    parameters: Mapping[str, Parameter]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One expression that Prometheus keeps under a name."""

    record: str
    expr: str
    labels: Mapping[str, str]
    help: str


@cache
def common() -> Mapping[str, Parameter]:
    """The values that every rule shares, by name."""
    return {name: Parameter.of(name, entry) for name, entry in _read("common.toml").items()}


@cache
def alerts() -> Mapping[str, Alert]:
    """Every alert, by name, in the order of the groups."""
    return {
        name: _alert(name, group, entry) for group in GROUPS for name, entry in _read(f"alerts/{group}.toml").items()
    }


@cache
def recordings() -> tuple[Recording, ...]:
    """What is recorded for dashboards."""
    return _recordings("recording.toml")


@cache
def compat() -> tuple[Recording, ...]:
    """What is recorded under names of hypersdk's."""
    return _recordings("compat.toml")


def _alert(name: str, group: str, entry: Mapping[str, Any]) -> Alert:
    severities = tuple(entry["severities"])
    own = [Parameter.of(key, value) for key, value in entry.get("values", {}).items()]
    wait = Parameter(name="for", kind=Kind.WAIT, default=entry["for"], help="It must be so for this long.")
    return Alert(
        name=name,
        group=group,
        component=entry["component"],
        dashboard=entry["dashboard"],
        severities=severities,
        summary=entry["summary"],
        description=_by_severity(entry["description"], severities),
        expr=_by_severity(entry["expr"], severities),
        parameters={parameter.name: parameter for parameter in (_ENABLED, wait, *own)},
    )


def _by_severity(value: str | Mapping[str, str], severities: tuple[str, ...]) -> Mapping[str, str]:
    return dict.fromkeys(severities, value) if isinstance(value, str) else value


def _recordings(file: str) -> tuple[Recording, ...]:
    return tuple(
        Recording(
            record=entry["record"],
            expr=entry["expr"],
            labels=entry.get("labels", {}),
            help=entry.get("help", ""),
        )
        for entry in _read(file).values()
    )


def _read(file: str) -> dict[str, Any]:
    return tomllib.loads(resources.files("hyperjobs.rules").joinpath(file).read_text(encoding="utf-8"))
