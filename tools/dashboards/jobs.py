"""Jobs: how many, how well, how fast, and how that compares with last week."""

from __future__ import annotations

from typing import Any, Final

from dashboards.frame import framed
from dashboards.panels import GOOD, HOUR, STATUS_COLOURS, WARN, bars, graph, heat, listing, note, row
from dashboards.query import failure_ratio, highest, increase, metric, quantile, rate, total

_GIB: Final = 2**30
_WINDOW: Final = "6h"
"""Jobs are few and long: over minutes a quantile or a ratio would be noise."""


def build() -> dict[str, Any]:
    """The dashboard."""
    return framed(
        "hyperjobs-jobs",
        "hyperjobs / Jobs",
        "Outcomes, durations, waits and throughput of jobs, by provider.",
        [
            row("Outcomes"),
            *_outcomes(),
            row("Time"),
            *_durations(),
            row("Throughput"),
            *_throughput(),
            row("Waiting and running"),
            *_unfinished(),
        ],
        since="now-7d",
    )


def _outcomes() -> list[Any]:
    finished = metric("jobs_finished_total")
    created = metric("jobs_created_total")
    ratio = total(metric("job_success_ratio", 'window="24h"'), "provider")
    return [
        graph(
            "Created and finished an hour",
            "Jobs that appeared, and jobs that entered a finished status, by outcome.",
            (total(increase(created)), "created"),
            (total(increase(finished), "status"), "{{status}}"),
            unit="short",
            step=HOUR,
            colours={**STATUS_COLOURS, "created": "blue"},
        ),
        graph(
            "Failure ratio by provider",
            f"Failed of failed and completed jobs over {_WINDOW}, where there were five or more: one of two that fails is no outage.",
            (failure_ratio(_WINDOW, 5), "{{provider}}"),
            unit="percentunit",
            most=1,
            steps=((None, "transparent"), (0.2, WARN), (0.5, "red")),
        ),
        listing(
            "Success by provider",
            "Completed of completed and failed jobs, and how many that is said of, as the ledger counts whole hours. It says the same after a prune.",
            {
                "A": ("24 h", ratio),
                "B": ("jobs in 24 h", total(metric("job_success_sample_size", 'window="24h"'), "provider")),
                "C": ("7 d", total(metric("job_success_ratio", 'window="7d"'), "provider")),
                "D": ("jobs in 7 d", total(metric("job_success_sample_size", 'window="7d"'), "provider")),
                "E": ("all", total(metric("job_success_ratio", 'window="all"'), "provider")),
            },
            by="provider",
            units={"24 h": "percentunit", "7 d": "percentunit", "all": "percentunit"},
        ),
        graph(
            "A day, this week and last",
            "Finished jobs over a day, beside the same day of the week before.",
            (total(increase(finished, "1d")), "this week"),
            (total(increase(finished, "1d", before="1w")), "last week"),
            unit="short",
            step=HOUR,
            colours={"this week": "blue", "last week": "#8e8e8e"},
        ),
    ]


def _durations() -> list[Any]:
    return [
        heat(
            "Duration",
            "How long jobs took from started_at to completed_at: each column an hour, darker where more jobs are.",
            total(increase(metric("job_duration_seconds_bucket")), "le"),
            unit="s",
            step=HOUR,
        ),
        graph(
            "Duration by quantile",
            f"Half, 95 and 99 of a hundred jobs took at most so long, over {_WINDOW}; between two bounds of the histogram it is estimated.",
            *((quantile(level, "job_duration_seconds", window=_WINDOW), name) for level, name in _LEVELS),
            unit="s",
        ),
        graph(
            "Duration by provider, 95 of 100",
            f"What 95 of a hundred jobs of each provider took at most, over {_WINDOW}.",
            (quantile(0.95, "job_duration_seconds", "provider", window=_WINDOW), "{{provider}}"),
            unit="s",
        ),
        graph(
            "Wait before the start",
            f"From created_at to started_at, over {_WINDOW}.",
            *((quantile(level, "job_queue_wait_seconds", window=_WINDOW), name) for level, name in _LEVELS[:2]),
            unit="s",
        ),
    ]


_LEVELS: Final = ((0.5, "50 of 100"), (0.95, "95 of 100"), (0.99, "99 of 100"))


def _throughput() -> list[Any]:
    seconds = total(increase(metric("job_duration_seconds_sum"), _WINDOW), "provider")
    gibibytes = total(increase(metric("job_bytes_total"), _WINDOW), "provider")
    return [
        graph(
            "Bytes",
            "Bytes of finished jobs a second, by provider. A job's bytes are counted when it ends.",
            (total(rate(metric("job_bytes_total")), "provider"), "{{provider}}"),
            unit="Bps",
            stack=True,
            step=HOUR,
            width=8,
        ),
        graph(
            "Files an hour",
            "Files of finished jobs, by provider.",
            (total(increase(metric("job_files_total")), "provider"), "{{provider}}"),
            unit="short",
            bars=True,
            stack=True,
            step=HOUR,
            width=8,
        ),
        graph(
            "Seconds a GiB",
            f"Time that jobs took for each GiB, over {_WINDOW}: what a provider's speed comes to.",
            (f"{seconds} / ({gibibytes} > 0) * {_GIB}", "{{provider}}"),
            unit="s",
            width=8,
        ),
    ]


def _unfinished() -> list[Any]:
    return [
        graph(
            "Pending and running",
            "Jobs that are not finished, by status.",
            (total(metric("jobs", 'status=~"pending|running"'), "status"), "{{status}}"),
            unit="short",
            colours=STATUS_COLOURS,
            width=8,
        ),
        graph(
            "Ages",
            "The job that waits longest, and the one that runs longest, of any provider.",
            (highest(metric("oldest_pending_age_seconds")), "oldest pending"),
            (highest(metric("longest_running_age_seconds")), "longest running"),
            unit="s",
            width=8,
        ),
        graph(
            "Stalled",
            "Running jobs without progress for metrics.stalled_after, by provider.",
            (total(metric("stalled_jobs"), "provider"), "{{provider}}"),
            unit="short",
            width=8,
        ),
        bars(
            "Since the last completion",
            "How long ago each provider last completed a job.",
            f"time() - {highest(metric('last_completed_timestamp_seconds'), 'provider')}",
            "{{provider}}",
            unit="s",
            steps=((None, GOOD), (86_400, WARN)),
            width=12,
        ),
        note(
            "Which jobs",
            "Where single jobs, their progress and their errors are to be seen.",
            "No metric names a job, a machine or a user. **Which** jobs run, with progress and time left, and failures grouped by kind of error are on"
            " the agent's own page (`http://HOST:10985/`), in its API (`/api/v1/jobs?status=running`) and on the command line: `hyperjobs running`,"
            " `hyperjobs failed`.",
            width=12,
            height=8,
        ),
    ]
