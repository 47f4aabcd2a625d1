"""The metric catalogue as data, and families made from it, so that no source words its own HELP or labels."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "hyperjobs_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One metric.

    Attributes:
        name: as exported, prefix included.
        type: ``gauge``, ``counter`` or ``histogram``.
        is_reserved: the name is fixed and nothing produces it yet.
    """

    name: str
    group: str
    type: str
    labels: tuple[str, ...]
    help: str
    is_reserved: bool


@cache
def catalogue() -> Mapping[str, Entry]:
    """Every metric, by name without the prefix."""
    text = resources.files("hyperjobs.metrics").joinpath("catalogue.toml").read_text(encoding="utf-8")
    return {
        name: Entry(
            name=PREFIX + name,
            group=entry["group"],
            type=entry["type"],
            labels=tuple(entry["labels"]),
            help=entry["help"],
            is_reserved=entry.get("reserved", False),
        )
        for name, entry in tomllib.loads(text).items()
    }


def groups() -> Mapping[str, tuple[str, ...]]:
    """Group → the families that it exports, by full name, reserved ones left out."""
    found: dict[str, list[str]] = {}
    for entry in catalogue().values():
        if not entry.is_reserved:
            found.setdefault(entry.group, []).append(entry.name)
    return {group: tuple(names) for group, names in found.items()}


def gauge(name: str, value: float | None = None) -> GaugeMetricFamily:
    """A gauge of the catalogue; with a value it has that one sample."""
    entry = _entry(name, "gauge")
    if value is None:
        return GaugeMetricFamily(entry.name, entry.help, labels=entry.labels)
    return GaugeMetricFamily(entry.name, entry.help, value=value)


def counter(name: str, value: float | None = None) -> CounterMetricFamily:
    """A counter of the catalogue; with a value it has that one sample."""
    entry = _entry(name, "counter")
    if value is None:
        return CounterMetricFamily(entry.name, entry.help, labels=entry.labels)
    return CounterMetricFamily(entry.name, entry.help, value=value)


def histogram(name: str) -> HistogramMetricFamily:
    """A histogram of the catalogue."""
    entry = _entry(name, "histogram")
    return HistogramMetricFamily(entry.name, entry.help, labels=entry.labels)


def _entry(name: str, kind: str) -> Any:
    entry = catalogue()[name]
    if entry.type != kind or entry.is_reserved:
        raise ValueError(f"{name} is not a {kind} of the catalogue")
    return entry
