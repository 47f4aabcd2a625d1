"""Selectors of metrics and the few shapes of queries, so that no panel forgets the dashboard's variables."""

from __future__ import annotations

from typing import Final

from hyperjobs.metrics.catalogue import PREFIX, catalogue

TARGET: Final = 'job=~"$job",instance=~"$instance"'
SUFFIXES: Final = ("_bucket", "_sum", "_count")
JUDGED: Final = 'status=~"completed|failed"'
FAILED: Final = 'status="failed"'


def metric(name: str, *matchers: str) -> str:
    """A metric of ours as the dashboard's variables select it.

    Args:
        name: of the catalogue, without the prefix; of a histogram with the suffix of its series.
        matchers: more of them, such as ``status="failed"``.

    Raises:
        KeyError: the catalogue has no such metric, or only keeps its name.
    """
    base = next((name.removesuffix(suffix) for suffix in SUFFIXES if name.endswith(suffix)), name)
    entry = catalogue()[base if base in catalogue() and catalogue()[base].type == "histogram" else name]
    if entry.is_reserved:
        raise KeyError(f"{name}: nothing emits it yet")
    provider = ('provider=~"$provider"',) if "provider" in entry.labels else ()
    return f"{PREFIX}{name}{{{','.join((TARGET, *provider, *matchers))}}}"


def other(name: str, *matchers: str) -> str:
    """A metric that Prometheus or the client library makes."""
    return f"{name}{{{','.join((TARGET, *matchers))}}}"


def increase(selected: str, window: str = "$__rate_interval", *, before: str = "") -> str:
    """By how much a counter grew, now or a while ``before``."""
    return f"increase({selected}[{window}]{f' offset {before}' if before else ''})"


def rate(selected: str, window: str = "$__rate_interval") -> str:
    """How fast a counter grows, a second."""
    return f"rate({selected}[{window}])"


def total(expression: str, *labels: str) -> str:
    """A sum, by labels."""
    return f"sum by ({', '.join(labels)}) ({expression})" if labels else f"sum({expression})"


def highest(expression: str, *labels: str) -> str:
    """A maximum, by labels."""
    return f"max by ({', '.join(labels)}) ({expression})" if labels else f"max({expression})"


def lowest(expression: str, *labels: str) -> str:
    """A minimum, by labels."""
    return f"min by ({', '.join(labels)}) ({expression})" if labels else f"min({expression})"


def quantile(level: float, histogram: str, *labels: str, window: str) -> str:
    """A quantile of a histogram of the catalogue, over a window."""
    buckets = total(increase(metric(f"{histogram}_bucket"), window), "le", *labels)
    return f"histogram_quantile({level}, {buckets})"


def failure_ratio(window: str, at_least: int) -> str:
    """Failed of failed and completed jobs by provider, where there are enough of them to speak of a ratio."""
    failed = total(increase(metric("jobs_finished_total", FAILED), window), "provider")
    judged = total(increase(metric("jobs_finished_total", JUDGED), window), "provider")
    return f"({failed} / ({judged} > 0)) and {judged} >= {at_least}"


def age(timestamp: str) -> str:
    """How long ago a timestamp is."""
    return f"time() - {timestamp}"
