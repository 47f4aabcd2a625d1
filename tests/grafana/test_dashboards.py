"""The dashboards are what their code makes, and keep the rules that Grafana's own linter asks for."""

from __future__ import annotations

import json
import re
from pathlib import Path

import promql_parser
import pytest
import yaml

from dashboards.__main__ import PLACE, rendered
from hyperjobs.metrics.catalogue import PREFIX, catalogue
from support.promql import as_prometheus_reads, selectors

ROOT = Path(__file__).parents[2]
FILES = sorted(PLACE.glob("*.json"))
NAMES = [file.stem for file in FILES]
VARIABLES = ["datasource", "job", "instance", "provider"]
# Grafana's names of the units that panels use; a misspelt one is shown as if there were none
UNITS = {"none", "short", "s", "bytes", "Bps", "percentunit", "ops", "dateTimeFromNow"}


def dashboard(name: str) -> dict:
    """One of them, as Grafana reads it."""
    return json.loads((PLACE / f"{name}.json").read_text())


def panels(name: str) -> list[dict]:
    """Its panels, those of folded rows too, rows left out."""
    found = [inner for panel in dashboard(name)["panels"] for inner in (panel, *panel.get("panels", ()))]
    return [panel for panel in found if panel["type"] != "row"]


def expressions(name: str) -> list[tuple[str, str]]:
    """(where, query) of panels, variables and annotations."""
    asked = [(panel["title"], target["expr"]) for panel in panels(name) for target in panel.get("targets", ())]
    marks = [(mark["name"], mark["expr"]) for mark in dashboard(name)["annotations"]["list"] if "expr" in mark]
    return asked + marks


def test_the_files_are_what_the_code_makes():
    assert {file.name: file.read_text() for file in FILES} == rendered()


@pytest.mark.parametrize("name", NAMES)
def test_a_dashboard_has_its_own_name_variables_and_tags_and_is_changed_in_code_alone(name):
    found = dashboard(name)

    assert found["uid"] == name
    assert name.startswith("hyperjobs-")
    assert len(name) <= 40
    assert found.get("id") is None
    assert found["tags"] == ["hypersdk", "hyperjobs"]
    assert found["schemaVersion"] >= 39
    assert not found["editable"]
    assert [variable["name"] for variable in found["templating"]["list"]] == VARIABLES
    assert found["description"]


@pytest.mark.parametrize("name", NAMES)
def test_every_panel_has_a_title_of_its_own_a_description_a_unit_and_the_dashboards_data_source(name):
    titles = [panel["title"] for panel in panels(name)]

    assert len(titles) == len(set(titles))
    for panel in panels(name):
        assert panel["description"].endswith("."), panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}", panel["title"]
        if panel["type"] != "text":
            assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
            assert panel["targets"], panel["title"]
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel.get("targets", ()))


@pytest.mark.parametrize("name", NAMES)
def test_panels_lie_beside_each_other_and_fill_the_width(name):
    taken: dict[int, set[int]] = {}
    for panel in dashboard(name)["panels"]:
        at = panel["gridPos"]
        for line in range(at["y"], at["y"] + at["h"]):
            columns = set(range(at["x"], at["x"] + at["w"]))
            assert not columns & taken.setdefault(line, set()), panel["title"]
            assert max(columns) < 24, panel["title"]
            taken[line] |= columns

    assert {line for line, columns in taken.items() if columns != set(range(24))} == set()


@pytest.mark.parametrize("name", NAMES)
def test_every_query_is_promql(name):
    for where, expression in expressions(name):
        try:
            promql_parser.parse(as_prometheus_reads(expression))
        except ValueError as exc:
            pytest.fail(f"{where}: {exc}: {expression}")


@pytest.mark.parametrize("name", NAMES)
def test_every_metric_is_one_that_the_agent_emits_with_labels_that_it_has(name):
    known = {entry.name: entry for entry in catalogue().values() if not entry.is_reserved}
    for where, expression in expressions(name):
        for metric, labels in selectors(expression):
            if not metric.startswith(PREFIX):
                continue
            base = metric if metric in known else re.sub(r"_(bucket|sum|count)$", "", metric)
            assert base in known, (where, metric)
            more = {"le"} if metric.endswith("_bucket") else set()
            assert labels <= {*known[base].labels, "job", "instance", *more}, (where, metric, labels)


@pytest.mark.parametrize("name", NAMES)
def test_every_query_heeds_the_variables_job_instance_and_provider(name):
    for where, expression in expressions(name):
        for metric, labels in selectors(expression):
            if metric == "ALERTS":  # the rules sum over instances, so their alerts need not have the labels
                continue
            assert {"job", "instance"} <= labels, (where, metric)
            entry = catalogue().get(metric.removeprefix(PREFIX))
            if entry is not None and "provider" in entry.labels:
                assert "provider" in labels, (where, metric)


@pytest.mark.parametrize("name", NAMES)
def test_a_rate_is_over_the_panels_own_interval_or_over_hours(name):
    for where, expression in expressions(name):
        for window in re.findall(r"\b(?:rate|increase)\([^[]*\[([^\]]+)\]", expression):
            assert window == "$__rate_interval" or re.fullmatch(r"\d+[hd]", window), (where, window)


@pytest.mark.parametrize("name", NAMES)
def test_a_counter_is_looked_at_by_its_growth_or_said_to_be_a_total(name):
    totals = {"Corrections", "Values not counted", "Timetable"}
    for panel in panels(name):
        for target in panel.get("targets", ()):
            bare = re.sub(r"\b(?:rate|increase|changes)\([^[]*\[[^\]]+\](?: offset \w+)?\)", "", target["expr"])
            assert not re.search(r"_total\{", bare) or panel["title"] in totals, panel["title"]


def test_all_metrics_of_the_catalogue_are_on_some_dashboard():
    shown = {metric for name in NAMES for _, expression in expressions(name) for metric, _ in selectors(expression)}
    missing = {
        entry.name
        for entry in catalogue().values()
        if not entry.is_reserved and entry.name not in shown and f"{entry.name}_bucket" not in shown
    }

    assert missing == {"hyperjobs_last_scrape_timestamp_seconds"}  # a Prometheus that scrapes knows it better


def test_the_provisioning_files_name_what_there_is():
    folder = ROOT / "grafana" / "provisioning"
    provider = yaml.safe_load((folder / "dashboards" / "hyperjobs.yaml").read_text())["providers"][0]
    source = yaml.safe_load((folder / "datasources" / "prometheus.yaml").read_text())["datasources"][0]

    assert (provider["type"], provider["allowUiUpdates"]) == ("file", False)
    assert source["type"] == "prometheus"
