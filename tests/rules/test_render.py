"""Templates and values become rules; what is shipped is what is rendered, and Prometheus takes all of it."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from hyperjobs.cli.program import program
from hyperjobs.metrics import catalogue as module
from hyperjobs.metrics.catalogue import catalogue
from hyperjobs.rules.definition import alerts, compat, recordings
from hyperjobs.rules.output import Format, file_name, rule_text
from hyperjobs.rules.render import Kind, fill, groups
from hyperjobs.rules.values import default_values, load_values
from support.tools import give_up

SHIPPED = Path(__file__).parents[2] / "deploy" / "prometheus"
OTHER_VALUES = """
selector: 'job="jobs-agent",cluster=~"a|b"'
match_labels: [cluster, job, instance]
labels: {team: storage}
runbook_url: https://wiki.example.net/x/
alerts:
  HyperJobsBacklogAge: {for: 0s, warning: 90m, critical: 36h}
  HyperJobsStalled: {enabled: false}
"""


def run(*words):
    """The program in this process."""
    return CliRunner().invoke(program, words)


@pytest.fixture
def other(tmp_path):
    """A file of values that has one of most kinds."""
    file = tmp_path / "values.yaml"
    file.write_text(OTHER_VALUES)
    return file


@pytest.mark.parametrize("kind", Kind)
def test_what_is_shipped_is_what_is_rendered(kind):
    shipped = SHIPPED / file_name(kind, Format.PROMETHEUS)

    assert shipped.read_text() == rule_text([kind], default_values(), Format.PROMETHEUS), (
        "write it anew with: hyperjobs rules render --kind all --out deploy/prometheus"
    )


@pytest.mark.tool("promtool")
@pytest.mark.parametrize("words", [(), ("values.yaml",)], ids=["defaults", "others"])
def test_prometheus_takes_every_rule(words, other, tmp_path):
    values = [f"--values={other.with_name(name)}" for name in words]
    assert run("rules", "render", "--kind", "all", "--out", str(tmp_path / "out"), *values).exit_code == 0

    files = sorted((tmp_path / "out").iterdir())
    checked = subprocess.run(
        ["promtool", "check", "rules", *files], capture_output=True, text=True, check=False, timeout=60
    )

    assert len(files) == 3
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.tool("promtool")
def test_prometheus_takes_the_example_of_its_configuration():
    checked = subprocess.run(
        ["promtool", "check", "config", SHIPPED / "prometheus.yml"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stdout.count(" rules found") == 3


def test_the_names_of_hypersdk_go_with_one_line():
    lines = (SHIPPED / "prometheus.yml").read_text().splitlines()
    without = yaml.safe_load("\n".join(line for line in lines if "compat" not in line))

    assert len(lines) - sum("compat" not in line for line in lines) == 1
    assert without["rule_files"] == ["hyperjobs.rules.yml", "hyperjobs-recording.rules.yml"]


def rules(values):
    """Alert and severity → its rule."""
    return {
        (rule["alert"], rule["labels"]["severity"]): rule
        for group in groups(Kind.ALERTS, values)
        for rule in group["rules"]
    }


def test_values_of_ones_own_are_in_the_rules(other):
    found = rules(load_values(other))

    warning = found["HyperJobsBacklogAge", "warning"]
    assert warning["expr"] == 'hyperjobs_oldest_pending_age_seconds{job="jobs-agent",cluster=~"a|b"} > 5400'
    assert "for" not in warning
    assert "(more than 1h30m)" in warning["annotations"]["description"]
    assert found["HyperJobsBacklogAge", "critical"]["expr"].endswith("> 129600")
    assert warning["labels"]["team"] == "storage"
    assert warning["annotations"]["runbook_url"] == "https://wiki.example.net/x#hyperjobsbacklogage"
    assert not any(name == "HyperJobsStalled" for name, _ in found)
    assert "on (cluster, job, instance)" in found["HyperJobsBackupTooOld", "warning"]["expr"]


def test_no_rule_has_a_place_left_open():
    for kind in Kind:
        assert "<<" not in rule_text([kind], default_values(), Format.PROMETHEUS)


def test_a_place_without_a_value_is_a_fault():
    with pytest.raises(KeyError):
        fill("<<nothing>>", {})


def test_every_value_of_an_alert_is_used_by_it():
    for alert in alerts().values():
        text = "".join([*alert.expr.values(), *alert.description.values()])
        used = set(re.findall(r"<<(\w+)", text))
        used |= set(alert.severities) if "threshold" in used else set()
        assert alert.parameters.keys() - {"enabled", "for"} == used - {"sel", "on", "threshold", "for"}, alert.name


def test_every_series_of_ours_is_chosen_by_the_selector():
    texts = [expr for alert in alerts().values() for expr in alert.expr.values()]
    texts += [recording.expr for recording in (*recordings(), *compat())]

    for text in texts:
        assert not re.search(r"\b(hyperjobs_\w+|up)\b(?!\{<<sel>>)", text), text


@pytest.mark.parametrize("is_reserved", [True, False])
def test_an_alert_waits_for_a_metric_that_nobody_exports_yet(monkeypatch, is_reserved):
    entry = replace(catalogue()["drill_ok"], is_reserved=is_reserved)
    monkeypatch.setattr("hyperjobs.rules.render.catalogue", lambda: {**module.catalogue(), "drill_ok": entry})

    assert (("HyperJobsRestoreDrillFailed", "critical") not in rules(default_values())) is is_reserved
    assert ("HyperJobsBackupTooOld", "critical") in rules(default_values())


def test_the_operators_manifest_holds_the_same_groups(tmp_path):
    result = run("rules", "render", "--format", "operator")
    manifest = yaml.safe_load(result.stdout)
    run("rules", "render", "--format", "operator", "--kind", "all", "--out", str(tmp_path))
    names = {file.name: yaml.safe_load(file.read_text())["metadata"]["name"] for file in tmp_path.iterdir()}

    assert (manifest["apiVersion"], manifest["kind"]) == ("monitoring.coreos.com/v1", "PrometheusRule")
    assert manifest["metadata"]["namespace"] == "hypersdk"
    assert manifest["metadata"]["labels"]["role"] == "alert-rules"
    assert manifest["spec"]["groups"] == groups(Kind.ALERTS, default_values())
    assert names == {
        "hyperjobs.prometheusrule.yaml": "hyperjobs",
        "hyperjobs-recording.prometheusrule.yaml": "hyperjobs-recording",
        "compat-hypersdk.prometheusrule.yaml": "hyperjobs-compat",
    }


def test_on_standard_output_all_kinds_are_one_file():
    found = yaml.safe_load(run("rules", "render", "--kind", "all").stdout)

    assert len(found["groups"]) == len([group for kind in Kind for group in groups(kind, default_values())])


@pytest.mark.parametrize(
    ("directory", "code", "reason"),
    [("file", 1, "Not a directory"), ("/dev/full", 1, "Not a directory"), ("/proc/none", 1, "No such file")],
)
def test_a_directory_that_cannot_be_written_is_refused_in_one_line(tmp_path, directory, code, reason):
    (tmp_path / "file").write_text("")
    command = [sys.executable, "-m", "hyperjobs", "rules", "render", "--out", str(tmp_path / directory)]

    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    assert result.returncode == code
    [line] = result.stderr.splitlines()
    assert line.startswith(f"hyperjobs: {tmp_path / directory}/hyperjobs.rules.yml: cannot be written: {reason}")


@pytest.mark.tool("root")
def test_a_full_disk_keeps_its_exit_code_and_the_rules_that_were_there(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", small], capture_output=True, check=False, timeout=60
    )
    if mounted.returncode:
        give_up("no file system can be mounted here")
    try:
        (small / "hyperjobs.rules.yml").write_text("groups: []\n")
        command = [sys.executable, "-m", "hyperjobs", "rules", "render", "--out", str(small)]
        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

        assert (result.returncode, "No space left" in result.stderr) == (5, True)
        assert [(file.name, file.read_text()) for file in small.iterdir()] == [("hyperjobs.rules.yml", "groups: []\n")]
    finally:
        subprocess.run(["umount", small], check=True, timeout=60)


def test_the_program_prints_the_values_file():
    assert run("rules", "values").stdout == (SHIPPED / "values.yaml").read_text()
