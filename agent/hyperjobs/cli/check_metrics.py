"""``hyperjobs check-metrics``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hyperjobs.cli.command import Command
from hyperjobs.cli.setting import json_option, setting_of, verbose_option
from hyperjobs.cli.stderr import note
from hyperjobs.cli.table import Column, emit_json, emit_table, emit_values
from hyperjobs.cli.timetable import view_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hyperjobs.rules.contract.check import Finding, Report

_FOUND = 1


@click.command(
    "check-metrics",
    cls=Command,
    examples=[
        ("Whether a dashboard's metrics are there", "hyperjobs check-metrics dashboard.json"),
    ],
)
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option(
    "--all",
    "with_others",
    is_flag=True,
    help="List metrics of others too: what is neither hyperjobs' nor claims to be hypersdk's. Else they are only counted, on standard error.",
)
@click.option(
    "--label",
    "labels",
    metavar="NAME",
    multiple=True,
    help="A label that your scrape configuration adds to every series; may be repeated. Known without it: job, instance, store_group, and those of Kubernetes.",
)
@json_option("JSON Lines.")
@verbose_option
@click.pass_context
def check_metrics_command(
    context: click.Context, *, files: tuple[str, ...], with_others: bool, labels: tuple[str, ...], as_json: bool
) -> int:
    """Say which metrics and labels dashboards and rules ask for that this agent does not export.

    Takes Grafana dashboards (JSON), rule files of Prometheus and PrometheusRule manifests. What a rule file among them
    records counts as there for all of them.
    """
    from hyperjobs.rules.contract.check import check  # noqa: PLC0415 - only where files are checked

    report = check([Path(file) for file in files], frozenset(labels))
    shown = report.findings if with_others else report.faults
    view = view_at(setting_of(context).clock.now(), as_json=as_json)
    if view.as_table:
        if shown:
            emit_table(_TABLE, shown, view)
    else:
        for finding in shown:
            _emit(finding, as_json=as_json)
    note(_summary(report, len(files)))
    return _FOUND if report.faults else 0


def _emit(finding: Finding, *, as_json: bool) -> None:
    if as_json:
        emit_json(
            {
                "file": finding.file,
                "place": finding.place,
                "metric": finding.metric or None,
                "label": finding.label or None,
                "message": finding.message,
                "fault": finding.is_fault,
            }
        )
    else:
        emit_values((finding.file, finding.place, finding.metric, finding.label, finding.message))


def _summary(report: Report, files: int) -> str:
    faults = f"{len(report.faults):,} not there" if report.faults else "all there"
    others = len(report.others)
    more = f"; {_counted(others, 'metric is', 'metrics are')} not ours" if others else ""
    return f"{_counted(report.queries, 'query', 'queries')} in {_counted(files, 'file', 'files')}: {faults}{more}"


def _counted(number: int, one: str, several: str) -> str:
    return f"{number:,} {one if number == 1 else several}"


_TABLE: Sequence[Column[Finding]] = (
    Column("FILE", lambda each, _: each.file, drop=2, width=16),
    Column("PANEL OR RULE", lambda each, _: each.place, width=16),
    Column("WHAT", lambda each, _: each.message, lambda each: "red" if each.is_fault else "dim", is_whole=True),
)
