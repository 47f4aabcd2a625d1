"""What is recorded has the values it says, and names of hypersdk's are ours only as long as nobody else has them."""

from __future__ import annotations

import pytest

from hyperjobs.rules.definition import compat
from hyperjobs.rules.render import Kind, groups
from hyperjobs.rules.values import default_values
from support.promtool import run

pytestmark = pytest.mark.tool("promtool")

TARGET = 'instance="a",job="hyperjobs"'
JOBS = {
    "hyperjobs_jobs_finished_total": {("vsphere", "failed"): "0x12 3x60", ("vsphere", "completed"): "0x12 9x60",
                                      ("hyperv", "failed"): "0x72", ("hyperv", "completed"): "0x72",
                                      ("hyperv", "cancelled"): "0x12 2x60", ("vsphere", "cancelled"): "0x72"},
    "hyperjobs_jobs": {("vsphere", "pending"): "4x72", ("vsphere", "running"): "2x72", ("hyperv", "pending"): "1x72",
                       ("hyperv", "running"): "0x72", ("vsphere", "failed"): "3x72"},
}  # fmt: skip


def series(more=()):
    """The series of the jobs, and others, in promtool's form."""
    found = [
        {"series": f'{name}{{{TARGET},provider="{provider}",status="{status}"}}', "values": values}
        for name, all_values in JOBS.items()
        for (provider, status), values in all_values.items()
    ]
    return [*found, *({"series": name.replace("{", f"{{{TARGET},"), "values": values} for name, values in more)]


def check(kind, tmp_path, expected, more=(), *, extra=(), at="5h"):  # noqa: PLR0913 - a test file has so many parts
    """Nothing to say against these values of expressions, at a time."""
    test = {
        "interval": "5m",
        "input_series": [*series(more), *({"series": name, "values": values} for name, values in extra)],
        "promql_expr_test": [
            {
                "expr": expr,
                "eval_time": at,
                "exp_samples": [{"labels": labels, "value": value} for labels, value in samples],
            }
            for expr, samples in expected.items()
        ],
    }

    assert run(groups(kind, default_values()), [test], "5m", tmp_path) == ""


def test_a_failure_ratio_is_of_those_that_were_judged_and_absent_where_none_was(tmp_path):
    ratio = [(f'{{{TARGET},provider="vsphere"}}', 0.25)]
    check(
        Kind.RECORDING,
        tmp_path,
        {
            "round(provider:hyperjobs_failure_ratio:6h, 0.0001)": ratio,
            "round(provider:hyperjobs_failure_ratio:24h, 0.0001)": ratio,
            "round(provider:hyperjobs_failure_ratio:7d, 0.0001)": ratio,
        },
    )


def test_durations_throughput_and_the_age_of_backups_are_recorded(tmp_path):
    bucket = 'hyperjobs_job_duration_seconds_bucket{provider="vsphere",status="completed",le="%s"}'
    check(
        Kind.RECORDING,
        tmp_path,
        {
            "round(provider:hyperjobs_duration_p50:24h)": [(f'{{{TARGET},provider="vsphere"}}', 180)],
            "round(provider:hyperjobs_duration_p95:24h)": [(f'{{{TARGET},provider="vsphere"}}', 288)],
            "provider:hyperjobs_throughput_bytes:rate1h": [
                (f'provider:hyperjobs_throughput_bytes:rate1h{{{TARGET},provider="vsphere"}}', 10)
            ],
            "hyperjobs:backup_age_seconds": [(f'hyperjobs:backup_age_seconds{{{TARGET},destination="local"}}', 14400)],
        },
        [
            (bucket % "60", "0x72"),
            (bucket % "300", "0+1x72"),
            (bucket % "+Inf", "0+1x72"),
            ('hyperjobs_job_bytes_total{provider="vsphere"}', "0+3000x72"),
            ('hyperjobs_backup_newest_timestamp_seconds{destination="local",state="verified"}', "0x72"),
            ('hyperjobs_backup_newest_timestamp_seconds{destination="local",state="damaged"}', "3600x72"),
        ],
    )


BESIDE = [
    ('hyperjobs_longest_running_age_seconds{provider="vsphere"}', "600x72"),
    ('hyperjobs_backup_newest_timestamp_seconds{destination="local",state="verified"}', "900x72"),
    ('hyperjobs_backup_newest_timestamp_seconds{destination="local",state="damaged"}', "1900x72"),
    ('hyperjobs_backup_newest_timestamp_seconds{destination="offsite",state="verified"}', "2900x72"),
    ('hyperjobs_task_runs_total{task="backup",outcome="ok"}', "31x72"),
    ('hyperjobs_task_runs_total{task="backup",outcome="failed"}', "7x72"),
    ('hyperjobs_task_runs_total{task="prune",outcome="ok"}', "29x72"),
    ('hyperjobs_task_duration_seconds{task="backup"}', "14x72"),
    ('hyperjobs_task_duration_seconds{task="prune"}', "5x72"),
    ('hyperjobs_jobs_created_total{provider="vsphere"}', "21x72"),
    ('hyperjobs_jobs_created_total{provider="hyperv"}', "4x72"),
    ('hyperjobs_job_bytes_total{provider="vsphere"}', "5000x72"),
    ('hyperjobs_job_duration_seconds_bucket{provider="vsphere",status="completed",le="60"}', "6x72"),
    ('hyperjobs_job_duration_seconds_bucket{provider="vsphere",status="failed",le="60"}', "2x72"),
    ('hyperjobs_job_duration_seconds_sum{provider="vsphere",status="completed"}', "700x72"),
    ('hyperjobs_job_duration_seconds_sum{provider="vsphere",status="failed"}', "40x72"),
    ('hyperjobs_job_duration_seconds_count{provider="vsphere",status="completed"}', "9x72"),
    ('hyperjobs_job_duration_seconds_count{provider="vsphere",status="failed"}', "3x72"),
]
"""What compat rules ask for beside :data:`JOBS`, each with something of its kind that must not be counted."""

NUMBERS = {
    "hypersdk_job_completions_total": {'status="completed"': 9, 'status="failed"': 3, 'status="cancelled"': 2},
    "hypersdk_jobs_completed_total": {"": 9},
    "hypersdk_jobs_failed_total": {"": 3},
    "hypersdk_jobs_cancelled_total": {"": 2},
    "hypersdk_job_status_total": {'status="pending"': 5, 'status="running"': 2, 'status="failed"': 3},
    "hypersdk_total_jobs": {"": 10},
    "hypersdk_jobs_active": {"": 2},
    "hypersdk_job_queue_length": {"": 5},
    "hypersdk_queue_length": {"": 5},
    "hypersdk_export_jobs_queued": {"": 5},
    "hypersdk_job_start_time": {'provider="vsphere",status="running"': 18_000 - 600},
    "hypersdk_export_jobs_failed_total": {'provider="vsphere"': 3, 'provider="hyperv"': 0},
    "hypersdk_export_job_duration_seconds_bucket": {'provider="vsphere",le="60"': 6},
    "hypersdk_export_job_duration_seconds_sum": {'provider="vsphere"': 700},
    "hypersdk_export_job_duration_seconds_count": {'provider="vsphere"': 9},
    "hypersdk_export_bytes_total": {'provider="vsphere"': 5_000},
    "hypersdk_provider_jobs_total": {'provider="vsphere"': 21, 'provider="hyperv"': 4},
    "hypersdk_provider_jobs_failed": {'provider="vsphere"': 3, 'provider="hyperv"': 0},
    "hypersdk_backup_success_total": {"": 31},
    "hypersdk_backup_duration_seconds": {"": 14},
    "hypersdk_backup_last_success_timestamp": {"": 900},
}
"""Each name of hypersdk's → its labels beside those of the target → its value, five hours on."""


def test_every_name_of_hypersdks_has_our_numbers(tmp_path):
    expected = {
        name: [
            (f'{name}{{{TARGET},source="hyperjobs"{"," if labels else ""}{labels}}}', value)
            for labels, value in values.items()
        ]
        for name, values in NUMBERS.items()
    }

    check(Kind.COMPAT, tmp_path, expected, BESIDE)
    assert NUMBERS.keys() == {rule.record for rule in compat()}


def test_a_name_that_hypersdk_begins_to_export_is_left_to_it(tmp_path):
    theirs = 'hypersdk_jobs_failed_total{instance="h",job="hypersdk"}'
    check(
        Kind.COMPAT,
        tmp_path,
        {
            "hypersdk_jobs_failed_total": [(theirs, 7)],
            "count(hypersdk_jobs_completed_total)": [("{}", 1)],
        },
        extra=[(theirs, "_x12 7x60")],
    )


def test_before_it_does_and_after_it_stops_the_name_is_ours(tmp_path):
    theirs = 'hypersdk_jobs_failed_total{instance="h",job="hypersdk"}'
    ours = f'hypersdk_jobs_failed_total{{{TARGET},source="hyperjobs"}}'
    for at, value in (("30m", 0), ("5h", 3)):
        check(
            Kind.COMPAT,
            tmp_path,
            {"hypersdk_jobs_failed_total": [(ours, value)]},
            extra=[(theirs, "_x12 7x3 _x60")],
            at=at,
        )


def test_every_stand_in_steps_aside():
    [group] = groups(Kind.COMPAT, default_values())

    assert len(group["rules"]) == len(compat())
    for rule in group["rules"]:
        assert rule["expr"].endswith(f'unless on ()\n{rule["record"]}{{source!="hyperjobs"}}')
        assert rule["labels"]["source"] == "hyperjobs"
