"""Overview: one screen that says whether all is well, and where to look when it is not."""

from __future__ import annotations

from typing import Any

from dashboards.frame import framed
from dashboards.panels import BAD, CALM, GOOD, HOUR, STATUS_COLOURS, WARN, bars, graph, listing, row, single
from dashboards.query import FAILED, age, highest, increase, lowest, metric, other, rate, total

DAY_S = 86_400
_YES_GOOD = {"1": ("yes", GOOD), "0": ("NO", BAD)}
_NO_GOOD = {"0": ("no", GOOD), "1": ("YES", BAD)}
_OLD = ((None, GOOD), (1.5 * DAY_S, WARN), (3 * DAY_S, BAD))
_OLD_DRILL = ((None, GOOD), (8 * DAY_S, WARN), (22 * DAY_S, BAD))
_RATIO = ((None, BAD), (0.8, WARN), (0.95, GOOD))


def build() -> dict[str, Any]:
    """The dashboard."""
    return framed(
        "hyperjobs-overview",
        "hyperjobs / Overview",
        "One screen on the job store: is it readable, whole and backed up, do jobs succeed, is there room.",
        [
            row("State"),
            *_state(),
            row("Jobs"),
            *_jobs(),
            row("Room"),
            *_room(),
            row("Agent", collapsed=True, panels=_agent()),
        ],
        since="now-24h",
    )


def _state() -> list[Any]:
    verified = highest(metric("backup_newest_timestamp_seconds", 'state="verified"'))
    newest = highest(metric("backup_newest_timestamp_seconds"))
    drilled = lowest(metric("drill_last_success_timestamp_seconds"))
    return [
        single(
            "Store readable",
            "Whether the agent could read the store in its newest scrape, the worst of the instances. NO: look at the store's errors by reason, and run `hyperjobs stats` on the host.",
            lowest(metric("store_up")),
            unit="none",
            words=_YES_GOOD,
        ),
        single(
            "Store whole",
            "What the newest integrity check of the live store found. NO: maintenance is frozen; do not restart writers before you have read the runbook on integrity.",
            lowest(metric("store_integrity_ok")),
            unit="none",
            words=_YES_GOOD,
            unknown="not yet checked",
        ),
        single(
            "Frozen",
            "Whether prune, vacuum and rotation are stopped, for doubt or by hand. YES: they stay stopped until `hyperjobs unfreeze --reason …`.",
            f"{highest(metric('store_frozen'))} or vector(0)",
            unit="none",
            words=_NO_GOOD,
        ),
        single(
            "Newest backup",
            "Age of the newest backup in any state, of the best destination.",
            age(newest),
            unit="s",
            steps=_OLD,
            unknown="none",
        ),
        single(
            "Newest verified",
            "Age of the newest backup that stood its proof: what a restore would give back today.",
            age(verified),
            unit="s",
            steps=_OLD,
            unknown="none",
        ),
        single(
            "Restore proven",
            "Time since a restore drill last passed; a backup that was never restored is a hope.",
            age(drilled),
            unit="s",
            steps=_OLD_DRILL,
            unknown="never",
        ),
        single(
            "Next maintenance",
            "When the next task is due.",
            f"{lowest(metric('task_next_run_timestamp_seconds'))} * 1000",
            unit="dateTimeFromNow",
        ),
        single(
            "Alerts firing",
            "Alerts of hyperjobs that fire now, warnings and worse, the heartbeat left out.",
            'count(ALERTS{alertname=~"HyperJobs.*",alertstate="firing",severity=~"warning|critical"}) or vector(0)',
            unit="none",
            steps=((None, GOOD), (1, BAD)),
        ),
    ]


def _jobs() -> list[Any]:
    finished, failed = metric("jobs_finished_total"), metric("jobs_finished_total", FAILED)
    return [
        *(_success(window) for window in ("24h", "7d")),
        single(
            "Oldest pending",
            "Age of the job that has waited longest, by its created_at. Age says more than the length of the queue.",
            f"{highest(metric('oldest_pending_age_seconds'))} or vector(0)",
            unit="s",
            steps=((None, GOOD), (7200, WARN), (DAY_S, BAD)),
            trend=True,
            width=4,
        ),
        single(
            "Longest running",
            "Age of the longest running job by its started_at. Large machines take days; see stalled jobs beside it.",
            f"{highest(metric('longest_running_age_seconds'))} or vector(0)",
            unit="s",
            trend=True,
            width=4,
        ),
        single(
            "Stalled",
            "Running jobs without progress for metrics.stalled_after.",
            total(metric("stalled_jobs")),
            unit="none",
            steps=((None, GOOD), (1, WARN)),
            trend=True,
            width=4,
        ),
        single(
            "Finished in 24 h",
            "Completed and failed jobs over 24 h: how many the success ratio speaks of. 1 of 2 is no outage.",
            total(metric("job_success_sample_size", 'window="24h"')),
            unit="short",
            trend=True,
            width=4,
        ),
        bars(
            "Jobs now",
            "Jobs in the store by status. Falls when jobs are pruned; the counters do not.",
            total(metric("jobs"), "status"),
            "{{status}}",
            unit="short",
            width=6,
            colours=STATUS_COLOURS,
        ),
        graph(
            "Finished an hour",
            "Jobs that entered a finished status, by outcome. Counted by the ledger, whoever wrote them.",
            (total(increase(finished), "status"), "{{status}}"),
            unit="short",
            bars=True,
            stack=True,
            step=HOUR,
            width=12,
            colours=STATUS_COLOURS,
        ),
        bars(
            "Failures in 24 h",
            "Failed jobs by provider over the last day.",
            f"sort_desc({total(increase(failed, '24h'), 'provider')} > 0)",
            "{{provider}}",
            unit="short",
            steps=((None, WARN),),
            width=6,
        ),
    ]


def _success(window: str) -> Any:
    # The ledger's own hours, so that it is right also where Prometheus is younger than the window.
    ratio, sample = (metric(name, f'window="{window}"') for name in ("job_success_ratio", "job_success_sample_size"))
    weighted = f"sum({ratio} * {sample}) / sum({sample} > 0)"
    return single(
        f"Success, {window}",
        f"Completed of completed and failed jobs over {window}, of all providers together. Cancelled ones are not judged; look at the number of jobs before you act on it.",
        weighted,
        unit="percentunit",
        steps=_RATIO,
        decimals=1,
        width=4,
        trend=True,
        unknown="none finished",
    )


def _room() -> list[Any]:
    return [
        graph(
            "Store and free disk",
            "Size of the store's files, and what is left on their file system. A VACUUM and a backup each need as much again.",
            (total(metric("store_size_bytes"), "instance"), "store {{instance}}"),
            (lowest(metric("store_filesystem_avail_bytes"), "instance"), "free {{instance}}"),
            unit="bytes",
            width=12,
        ),
        listing(
            "Alerts",
            "Alerts of hyperjobs that fire or are about to. HyperJobsAlive is the heartbeat: it always fires.",
            {
                "A": (
                    "Active",
                    'max by (alertname) (ALERTS{alertname=~"HyperJobs.*"})',
                )
            },
            by="alertname",
            units={},
            width=12,
        ),
    ]


def _agent() -> list[Any]:
    return [
        graph(
            "Time of a scrape, by source",
            "How long each source of metrics took. All of them together must stay below the scrape's timeout.",
            (highest(metric("collector_duration_seconds"), "collector"), "{{collector}}"),
            (highest(other("scrape_duration_seconds")), "whole scrape"),
            unit="s",
        ),
        graph(
            "Sources that failed",
            "1 where a source of metrics failed in the newest scrape: its numbers are missing or old.",
            (f"1 - {lowest(metric('collector_success'), 'collector')}", "{{collector}}"),
            unit="none",
            most=1,
        ),
        graph(
            "Series",
            "Series that a scrape brings; bounded by metrics.max_providers.",
            (highest(other("scrape_samples_scraped"), "instance"), "{{instance}}"),
            unit="short",
            width=6,
        ),
        graph(
            "Memory",
            "Memory of the agent's process.",
            (highest(other("process_resident_memory_bytes"), "instance"), "{{instance}}"),
            unit="bytes",
            width=6,
        ),
        graph(
            "Processor",
            "Cores that the agent uses.",
            (total(rate(other("process_cpu_seconds_total")), "instance"), "{{instance}}"),
            unit="short",
            width=6,
        ),
        graph(
            "Notifications",
            "Notifications by channel and outcome.",
            (total(increase(metric("notifications_total")), "channel", "outcome"), "{{channel}} {{outcome}}"),
            unit="short",
            bars=True,
            stack=True,
            step=HOUR,
            width=6,
        ),
        single(
            "Configuration",
            "Whether the configuration in force is the one in the file.",
            lowest(metric("config_last_reload_successful")),
            unit="none",
            words={"1": ("as in the file", GOOD), "0": ("OLD ONE", BAD)},
            width=6,
        ),
        single(
            "In force since",
            "When the configuration was last read with success.",
            f"{highest(metric('config_last_reload_success_timestamp_seconds'))} * 1000",
            unit="dateTimeFromNow",
            width=6,
        ),
        single(
            "Agents that hold their store",
            "One agent looks after a store; a second one waits outside.",
            total(metric("leader")),
            unit="none",
            steps=((None, BAD), (1, CALM)),
            width=6,
        ),
        single(
            "Version",
            "Version of the agent.",
            highest(metric("build_info"), "version"),
            unit="none",
            legend="{{version}}",
            width=6,
        ),
    ]
