"""docs/runbooks.md has a heading for each alert and no other, and says of each what one wants to know."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hyperjobs.metrics.catalogue import catalogue
from hyperjobs.rules.contract.known import Owner, series
from hyperjobs.rules.definition import alerts, recordings
from hyperjobs.rules.render import Kind, groups
from hyperjobs.rules.values import default_values

DOCS = Path(__file__).parents[2] / "docs"
PARTS = ["Means", "Impact", "Run", "Look also at", "Silence"]


def sections():
    """Alert → its part of the page."""
    found = re.split(r"^## ", (DOCS / "runbooks.md").read_text(), flags=re.MULTILINE)[1:]
    return {heading: text for heading, _, text in (part.partition("\n") for part in found)}


PAGES = ("runbooks.md", "alerts.md")


def test_every_alert_has_a_heading_and_every_heading_an_alert():
    headings = re.findall(r"^## (.+)$", (DOCS / "runbooks.md").read_text(), re.MULTILINE)

    assert sorted(headings) == sorted(alerts())


@pytest.mark.parametrize("alert", alerts())
def test_a_runbook_says_all_that_one_wants_to_know(alert):
    text = sections()[alert]

    assert re.findall(r"^\*\*(.+?)\*\*", text, re.MULTILINE) == PARTS
    assert "```console\n$ " in text


def test_the_link_of_every_alert_ends_at_its_heading():
    anchors = {heading.lower(): heading for heading in sections()}

    for group in groups(Kind.ALERTS, default_values(), with_reserved=True):
        for rule in group["rules"]:
            page, anchor = rule["annotations"]["runbook_url"].split("#")
            assert page.endswith("/runbooks.md")
            assert anchors[anchor] == rule["alert"]


def test_every_event_that_is_looked_for_is_one_that_the_agent_logs():
    known = (DOCS / "operate.md").read_text()
    words = re.findall(r"journalctl .*-g (\S+)", (DOCS / "runbooks.md").read_text())

    assert words
    for word in words:
        assert f"`{word}`" in known, word


def test_every_metric_that_is_named_is_exported_or_recorded():
    recorded = frozenset(recording.record for recording in recordings())
    for page in PAGES:
        named = re.findall(r"`((?:\w+:)?hyperjobs[:_]\w[\w:]*)", (DOCS / page).read_text())
        for name in named:
            known = name in {entry.name for entry in catalogue().values()}
            assert known or series(name, recorded).owner is Owner.RECORDED, name
