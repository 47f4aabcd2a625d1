"""A values file is read as a whole: what it does not say stays, and what makes no sense is refused by file and line."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from hyperjobs.errors import ConfigError
from hyperjobs.rules.definition import alerts, common
from hyperjobs.rules.values import default_values, load_values, values_file

SHIPPED = Path(__file__).parents[2] / "deploy" / "prometheus" / "values.yaml"


def load(tmp_path, text):
    """The values of a file with this text."""
    file = tmp_path / "values.yaml"
    file.write_text(text)
    return load_values(file)


def test_the_shipped_file_is_what_the_code_says():
    assert SHIPPED.read_text() == values_file(), (
        "write it anew with: hyperjobs rules values > deploy/prometheus/values.yaml"
    )


def test_the_shipped_file_reads_back_as_the_defaults():
    assert load_values(SHIPPED) == default_values()


def test_the_shipped_file_names_every_value_of_every_alert():
    text = values_file()

    for alert in alerts().values():
        section = text.partition(f"  {alert.name}:\n")[2].partition("\n\n")[0]
        assert [line for line in section.splitlines() if not line.lstrip().startswith("#")] == [
            f"    {name}: {parameter.yaml}" for name, parameter in alert.parameters.items()
        ]
    for parameter in common().values():
        assert f"# {parameter.help}"[:80] in text


def test_what_a_file_does_not_say_stays(tmp_path):
    values = load(tmp_path, "alerts:\n  HyperJobsBacklogAge:\n    warning: 30m\n")

    assert values.alerts["HyperJobsBacklogAge"]["warning"] == timedelta(minutes=30)
    assert values.alerts["HyperJobsBacklogAge"]["critical"] == timedelta(days=1)
    assert values.alerts["HyperJobsStalled"] == default_values().alerts["HyperJobsStalled"]
    assert values.common == default_values().common


@pytest.mark.parametrize("text", ["", "# nothing\n", "alerts:\n", "alerts:\n  HyperJobsDown:\n", "{}\n"])
def test_a_file_that_says_nothing_is_fine(tmp_path, text):
    assert load(tmp_path, text) == default_values()


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("selektor: 'job=\"x\"'\n", 1, "selektor: is no value of it; did you mean selector?"),
        ("alerts:\n  HyperJobDown: {for: 1m}\n", 2, "alerts.HyperJobDown: is no alert; did you mean HyperJobsDown?"),
        ("alerts:\n  HyperJobsDown:\n    fore: 1m\n", 3, "alerts.HyperJobsDown.fore: is no value of it; did you mean for?"),
        ("alerts:\n  HyperJobsDown: {for: 5}\n", 2, "alerts.HyperJobsDown.for: has no unit"),
        ("alerts:\n  HyperJobsDown: {for: 500ms}\n", 2, "must be whole seconds"),
        ("alerts:\n  HyperJobsDown: {for: -5m}\n", 2, "is negative"),
        ("alerts:\n  HyperJobsDown: {for: [1m]}\n", 2, "is a list"),
        ("alerts:\n  HyperJobsDown: {enabled: no}\n", 2, "must be true or false"),
        ("alerts:\n  HyperJobsDown: off\n", 2, "must be a mapping of values"),
        ("alerts: [HyperJobsDown]\n", 1, "must be a mapping of alerts"),
        ("alerts:\n  HyperJobsFailureBurst: {window: 0s}\n", 2, "must be more than 0s"),
        ("alerts:\n  HyperJobsFailureBurst: {window: 4000d}\n", 2, "is longer than 3650d"),
        ("alerts:\n  HyperJobsFailureBurst: {jobs: 0}\n", 2, "must be at least 1"),
        ("alerts:\n  HyperJobsFailureBurst: {jobs: 2.5}\n", 2, "must be a whole number"),
        ("alerts:\n  HyperJobsHighFailureRatio:\n    warning: 20\n", 3, "must be between 0 and 1"),
        ("alerts:\n  HyperJobsHighFailureRatio:\n    warning: 0\n", 3, "must be between 0 and 1"),
        ("alerts:\n  HyperJobsHighFailureRatio:\n    warning: 1\n", 3, "must be between 0 and 1"),
        ("alerts:\n  HyperJobsHighFailureRatio:\n    warning: 0.6\n", 3, "critical: must be more than warning (0.6) (got 0.5)"),
        ("alerts:\n  HyperJobsBacklogAge: {critical: 2h}\n", 2, "critical: must be more than warning (2h) (got 2h)"),
        ("alerts:\n  HyperJobsTaskOverdue: {warning: 1}\n", 2, "must be more than 1"),
        ("alerts:\n  HyperJobsTaskOverdue: {warning: much}\n", 2, "must be a number"),
        ("alerts:\n  HyperJobsWalGrowing: {bytes: 64}\n", 2, "must be a size with its unit"),
        ("alerts:\n  HyperJobsTwoLeaders: {group: store-group}\n", 2, "is no name of a label"),
        ("selector: job=hyperjobs\n", 1, "must be label matchers"),
        ("selector: 'job=\"a\"} or {x=\"b\"'\n", 1, "must be label matchers"),
        ("selector: ''\n", 1, "is empty"),
        ("match_labels: []\n", 1, "must be a list of labels"),
        ("match_labels: [job, job]\n", 1, "names a label twice"),
        ("labels: {severity: page}\n", 1, "names severity, which every alert has already"),
        ("labels: {a-b: c}\n", 1, "which is no name of a label"),
        ("labels: [team]\n", 1, "must be a mapping"),
        ("runbook_url: docs/runbooks.md\n", 1, "must be an address"),
        ("service: hyperjobs\nservice: other\n", 2, "is written twice; the first is on line 1"),
        ("[a, b]\n", 1, "must be a mapping of values"),
        ("alerts: &a {}\n", 1, "has the anchor &a"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_by_its_line(tmp_path, text, line, message):
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, text)

    assert str(refused.value).startswith(f"{tmp_path / 'values.yaml'}:{line}: ")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
    assert refused.value.exit_code == 2


def test_everything_that_is_wrong_is_said_at_once(tmp_path):
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, "service: ' x'\nalerts:\n  HyperJobsDown: {for: soon}\n  HyperJobsNone: {}\n")

    assert [line.split(":")[1] for line in str(refused.value).splitlines()] == ["1", "3", "4"]


def test_a_file_that_cannot_be_read_is_said(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_values(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="cannot be read: it is a directory"):
        load_values(tmp_path)
