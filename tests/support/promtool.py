"""Rules held against made-up series, by promtool: a short table of cases becomes a test file of its own form."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CASES = Path(__file__).parents[1] / "rules" / "cases"
TARGET = {"job": "hyperjobs", "instance": "a"}
"""The labels of a series, and of an alert, that a case does not name."""

_SERIES = re.compile(r"(\w+)(?:\{(.*)\})?")


@dataclass(frozen=True)
class Case:
    """One rule of one alert's, as ``cases/*.yaml`` have it."""

    alert: str
    rule: str
    every: str
    series: dict[str, str]
    at: dict[str, list[str]]

    def __str__(self) -> str:
        return f"{self.alert}: {self.rule}"


def cases() -> list[Case]:
    """Every case of every alert."""
    return [
        Case(alert, entry["rule"], entry.get("every", "1m"), entry["series"], entry["at"])
        for file in sorted(CASES.glob("*.yaml"))
        for alert, entries in yaml.load(file.read_text(), Loader=yaml.BaseLoader).items()  # noqa: S506 - texts only: 0x40 is no number here
        for entry in entries
    ]


def holds(case: Case, rules: list[dict[str, Any]], directory: Path) -> str:
    """What promtool has against the case; empty when it holds. ``rules`` are those of the alert."""
    # Prometheus compares the annotations too, which are texts for people and have a test of their own.
    bare = [{key: value for key, value in rule.items() if key != "annotations"} for rule in rules]
    test = {
        "interval": case.every,
        "input_series": [{"series": _labelled(name), "values": values} for name, values in case.series.items()],
        "alert_rule_test": [
            {"eval_time": at, "alertname": case.alert, "exp_alerts": [_expected(words, bare) for words in alerts]}
            for at, alerts in case.at.items()
        ],
    }
    return run([{"name": "rules", "rules": bare}], [test], case.every, directory)


def run(groups: list[dict[str, Any]], tests: list[dict[str, Any]], every: str, directory: Path) -> str:
    """What ``promtool test rules`` says against tests of some groups; empty when nothing."""
    (directory / "rules.json").write_text(json.dumps({"groups": groups}))  # JSON is YAML
    file = directory / "test.json"
    file.write_text(json.dumps({"rule_files": ["rules.json"], "evaluation_interval": every, "tests": tests}))
    done = subprocess.run(
        ["promtool", "test", "rules", file], capture_output=True, text=True, check=False, timeout=60, cwd=directory
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def _labelled(name: str) -> str:
    metric, labels = _SERIES.fullmatch(name).groups()
    own = dict(re.findall(r'(\w+)="([^"]*)"', labels or ""))
    return f"{metric}{{{','.join(f'{key}={json.dumps(value)}' for key, value in (TARGET | own).items())}}}"


def _expected(words: str, rules: list[dict[str, Any]]) -> dict[str, Any]:
    """An alert by ``severity label=value …``; a label with nothing behind it is not there."""
    severity, *labels = words.split()
    own = TARGET | dict(label.split("=", 1) for label in labels)
    given = next(rule["labels"] for rule in rules if rule["labels"]["severity"] == severity)
    return {"exp_labels": {**given, **{key: value for key, value in own.items() if value}}}
