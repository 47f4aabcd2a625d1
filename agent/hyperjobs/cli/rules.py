"""``hyperjobs rules render|values``."""

from __future__ import annotations

from pathlib import Path

import click

from hyperjobs.cli.command import Group
from hyperjobs.cli.setting import verbose_option
from hyperjobs.cli.table import emit
from hyperjobs.cli.text import printable

_KINDS = ("alerts", "recording", "compat")
_ALL = "all"


@click.group(
    "rules",
    cls=Group,
    examples=[
        ("The alerts, to read", "hyperjobs rules render"),
    ],
)
def rules_group() -> None:
    """Render the alerts and recording rules for Prometheus, with thresholds of your own."""


@rules_group.command(
    "render",
    examples=[
        ("The alerts, to read", "hyperjobs rules render"),
        (
            "All rules with your own thresholds, for Prometheus",
            "hyperjobs rules render --values mine.yaml --kind all --out /etc/prometheus/rules",
        ),
    ],
)
@click.option(
    "--values",
    "file",
    metavar="FILE",
    help="Values of your own over the defaults; what it does not know, or what makes no sense, is refused with file and line.",
)
@click.option(
    "--out",
    default="-",
    metavar="DIR",
    help="Write a file for each kind there, replacing what is there by that name; '-', the default, prints one file of all.",
)
@click.option(
    "--kind",
    type=click.Choice([*_KINDS, _ALL]),
    default="alerts",
    help="Alerts, which is what is rendered when it is not given; recording rules for dashboards; the names that hypersdk's own dashboards ask for; or all.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["prometheus", "operator"]),
    default="prometheus",
    help="Rule files, or PrometheusRule manifests for the Prometheus operator.",
)
@verbose_option
def render_command(*, file: str | None, out: str, kind: str, form: str) -> None:
    """Render the rules."""
    from hyperjobs.rules.output import Format, rule_text, write_rules  # noqa: PLC0415 - only where rules are rendered
    from hyperjobs.rules.render import Kind  # noqa: PLC0415 - as above
    from hyperjobs.rules.values import default_values, load_values  # noqa: PLC0415 - as above

    values = load_values(Path(file)) if file is not None else default_values()
    kinds = list(Kind) if kind == _ALL else [Kind(kind)]
    if out == "-":
        emit(rule_text(kinds, values, Format(form)).rstrip("\n"))
        return
    for path in write_rules(kinds, values, Format(form), Path(out)):
        emit(printable(str(path)))


@rules_group.command(
    "values",
    examples=[
        ("A file to change thresholds in", "hyperjobs rules values > mine.yaml"),
    ],
)
@verbose_option
def values_command() -> None:
    """Print the values file: every threshold, window and link, at its default."""
    from hyperjobs.rules.values import values_file  # noqa: PLC0415 - only where it is printed

    emit(values_file().rstrip("\n"))
