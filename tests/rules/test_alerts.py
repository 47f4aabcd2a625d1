"""Every alert fires, does not fire, and recovers, as Prometheus itself evaluates it."""

from __future__ import annotations

import re
from collections import defaultdict
from itertools import pairwise

import pytest

from hyperjobs.rules.definition import alerts
from hyperjobs.rules.render import Kind, groups
from hyperjobs.rules.values import default_values
from support.promtool import cases, holds


def rules_of(alert: str):
    """The rendered rules of one alert, those that wait for their metric also."""
    found = [
        rule
        for group in groups(Kind.ALERTS, default_values(), with_reserved=True)
        for rule in group["rules"]
        if rule["alert"] == alert
    ]
    assert found, alert
    return found


@pytest.mark.tool("promtool")
@pytest.mark.parametrize("case", cases(), ids=str)
def test_an_alert_keeps_its_rule(case, tmp_path):
    assert holds(case, rules_of(case.alert), tmp_path) == ""


def test_every_alert_is_seen_to_fire_with_each_severity_and_to_be_quiet_before_and_after():
    seen = defaultdict(set)
    for case in cases():
        told = [{words.split()[0] for words in found} for found in case.at.values()]
        seen[case.alert] |= {("fires", severity) for each in told for severity in each}
        if told[0] == set():
            seen[case.alert].add("quiet")
        if any(before and not after for before, after in pairwise(told)):
            seen[case.alert].add("recovers")

    for alert in alerts().values():
        always = alert.name == "HyperJobsAlive"
        wanted = {("fires", severity) for severity in alert.severities} | (set() if always else {"quiet", "recovers"})
        assert wanted <= seen[alert.name], alert.name
    assert seen.keys() == alerts().keys()


@pytest.mark.tool("promtool")
def test_a_test_that_does_not_hold_is_seen(tmp_path):
    """The judge itself: a case turned into its opposite is refused."""
    case = next(case for case in cases() if case.alert == "HyperJobsStoreUnreadable")
    wrong = type(case)(case.alert, case.rule, case.every, case.series, {"3m": []})

    assert "HyperJobsStoreUnreadable" in holds(wrong, rules_of(case.alert), tmp_path)


def test_every_severity_is_one_that_alertmanager_routes():
    for group in groups(Kind.ALERTS, default_values(), with_reserved=True):
        for rule in group["rules"]:
            assert rule["labels"]["severity"] in {"warning", "critical", "info"}
            assert rule["labels"]["component"] in {"jobs", "provider", "system"}
            assert rule["labels"]["service"] == "hyperjobs"


def test_a_summary_is_one_sentence_without_anything_that_varies():
    for alert in alerts().values():
        assert re.fullmatch(r"[A-Z][^{}<>.]*\.", alert.summary), alert.name


def test_every_alert_of_a_ratio_of_jobs_asks_for_enough_jobs():
    for alert in alerts().values():
        for expr in alert.expr.values():
            if "jobs_finished_total" in expr and "/" in expr:
                assert ">= <<min_jobs>>" in expr, alert.name
