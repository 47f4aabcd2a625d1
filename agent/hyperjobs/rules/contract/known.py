"""Which series there are, by name, and the labels that each can have."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING

from hyperjobs.metrics.catalogue import PREFIX, catalogue
from hyperjobs.rules.definition import compat, recordings

if TYPE_CHECKING:
    from collections.abc import Mapping

TARGET = frozenset(
    {"job", "instance", "cluster", "namespace", "node", "pod", "container", "service", "endpoint", "store_group"}
)
"""Labels that a scrape, or the Prometheus operator's, gives to every series of a target."""

_OF_A_SCRAPE = (
    "up",
    "scrape_body_size_bytes",
    "scrape_duration_seconds",
    "scrape_sample_limit",
    "scrape_samples_post_metric_relabeling",
    "scrape_samples_scraped",
    "scrape_series_added",
    "scrape_timeout_seconds",
)
_OF_A_PROCESS = (
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_virtual_memory_bytes",
)
_OF_ALERTS = frozenset({"ALERTS", "ALERTS_FOR_STATE"})

_HYPERSDK = "hypersdk_"
_DAEMON = (
    "active_jobs",
    "api_requests_total",
    "build_info",
    "bytes_exported_total",
    "connection_pool_size",
    "errors_total",
    "export_speed_bytes_per_second",
    "jobs_total",
    "queued_jobs",
    "retry_attempts_total",
    "vms_discovered",
    "vms_exported_total",
)
_DAEMON_HISTOGRAMS = (
    "api_request_duration_seconds",
    "disk_download_duration_seconds",
    "job_duration_seconds",
    "ovf_generation_duration_seconds",
)
_ORCHESTRATOR = (
    "bytes_converted_total",
    "bytes_uploaded_total",
    "conversion_duration_seconds",
    "export_duration_seconds",
    "migration_duration_seconds",
    "migrations_active",
    "migrations_by_provider",
    "migrations_failed",
    "migrations_succeeded",
    "migrations_total",
    "success_rate_percent",
    "upload_duration_seconds",
    "uptime_seconds",
)
_AVERAGES = "hypersdk_avg_"
_SUFFIXES = ("_bucket", "_sum", "_count")


class Owner(StrEnum):
    """Whose a name is."""

    OURS = "ours"
    RECORDED = "recorded"
    OTHERS = "others"
    NOBODYS = "nobodys"


@dataclass(frozen=True, slots=True)
class Series:
    """What is known of a name.

    Attributes:
        labels: all that it can have; ``None`` when that is not known.
        reason: why it is nobody's, as the rest of a sentence; empty otherwise.
    """

    owner: Owner
    labels: frozenset[str] | None = None
    reason: str = ""


def series(name: str, recorded: frozenset[str] = frozenset()) -> Series:
    """What is known of the series of a name.

    Args:
        name: as a query has it, the suffixes of a histogram included.
        recorded: names that the rules which are looked at together with it record.
    """
    if name in recorded:
        return Series(Owner.RECORDED)
    if (labels := _exported().get(name)) is not None:
        return Series(Owner.OURS, labels | TARGET)
    if name in _OF_ALERTS:
        return Series(Owner.OURS)
    if name in _theirs() or name.startswith(_AVERAGES):
        return Series(Owner.OTHERS)
    reason = _reason(name)
    return Series(Owner.NOBODYS, reason=reason) if reason else Series(Owner.OTHERS)


def _reason(name: str) -> str:
    if name in _reserved():
        return "is reserved, and nothing exports it yet"
    if name in {recording.record for recording in recordings()}:
        return "is recorded by hyperjobs-recording.rules.yml alone; name that file too"
    if name in {recording.record for recording in compat()}:
        return "is exported by nothing; compat-hypersdk.rules.yml records it, name that file too"
    if name.startswith(_HYPERSDK):
        return "is exported by nothing"
    return "is not exported" if PREFIX in name or name.startswith("hyperjobs:") else ""


@cache
def _exported() -> Mapping[str, frozenset[str]]:
    """Every name that a scrape of the agent gives → its own labels."""
    found: dict[str, frozenset[str]] = dict.fromkeys((*_OF_A_SCRAPE, *_OF_A_PROCESS), frozenset())
    for entry in catalogue().values():
        labels = frozenset(entry.labels)
        if entry.is_reserved:
            continue
        if entry.type == "histogram":
            found |= {
                f"{entry.name}_bucket": labels | {"le"},
                f"{entry.name}_sum": labels,
                f"{entry.name}_count": labels,
            }
        else:
            found[entry.name] = labels
    return found


@cache
def _reserved() -> frozenset[str]:
    return frozenset(entry.name for entry in catalogue().values() if entry.is_reserved)


@cache
def _theirs() -> frozenset[str]:
    """What hypersdk's own servers declare."""
    histograms = [f"{name}{suffix}" for name in _DAEMON_HISTOGRAMS for suffix in _SUFFIXES]
    return frozenset(_HYPERSDK + name for name in (*_DAEMON, *histograms, *_ORCHESTRATOR))
