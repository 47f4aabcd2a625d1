"""``hyperjobs rules render|values``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hyperjobs.cli.command import Group
from hyperjobs.cli.setting import json_option, verbose_option
from hyperjobs.cli.table import emit, emit_json
from hyperjobs.cli.text import printable

if TYPE_CHECKING:
    from hyperjobs.cli.shapes.agent import RuleFilesShape

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
@json_option("The rules as JSON, which is YAML too; with --out one line that names the files.")
@verbose_option
def render_command(*, file: str | None, out: str, kind: str, form: str, as_json: bool) -> None:
    """Render the rules."""
    from hyperjobs.rules.output import Format, rule_object, rule_text, write_rules  # noqa: PLC0415 - only here
    from hyperjobs.rules.render import Kind  # noqa: PLC0415 - as above
    from hyperjobs.rules.values import default_values, load_values  # noqa: PLC0415 - as above

    values = load_values(Path(file)) if file is not None else default_values()
    kinds = list(Kind) if kind == _ALL else [Kind(kind)]
    if out == "-":
        if as_json:
            emit_json(rule_object(kinds, values, Format(form)))
        else:
            emit(rule_text(kinds, values, Format(form)).rstrip("\n"))
        return
    paths = [str(path) for path in write_rules(kinds, values, Format(form), Path(out))]
    if as_json:
        shape: RuleFilesShape = {"files": paths}
        emit_json(shape)
    else:
        for path in paths:
            emit(printable(path))


@rules_group.command(
    "values",
    examples=[
        ("A file to change thresholds in", "hyperjobs rules values > mine.yaml"),
    ],
)
@json_option("The same as JSON, which is YAML too, without the meanings.")
@verbose_option
def values_command(*, as_json: bool) -> None:
    """Print the values file: every threshold, window and link, at its default."""
    from hyperjobs.rules.values import values_file, written_values  # noqa: PLC0415 - only where it is printed

    if as_json:
        emit_json(written_values())
    else:
        emit(values_file().rstrip("\n"))
