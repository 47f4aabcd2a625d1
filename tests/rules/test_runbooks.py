"""docs/runbooks.md has a heading for each alert and no other, and every command in it is one of the program's."""

from __future__ import annotations

import contextlib
import re
import shlex
from pathlib import Path

import click
import pytest

from hyperjobs.cli.program import program
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


def lines():
    """Every command line of the program's that a reader may copy."""
    found = [re.findall(r"^\$ (hyperjobs .*)$", (DOCS / page).read_text(), re.MULTILINE) for page in PAGES]
    return sorted({line for each in found for line in each})


def mentions():
    """Every command that a sentence names; it need not be complete."""
    found = [re.findall(r"`(hyperjobs [^`…]+)…?`", (DOCS / page).read_text()) for page in PAGES]
    return sorted({line for each in found for line in each})


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


def test_every_anchor_of_the_page_exists():
    for page, anchor in re.findall(r"\]\(([\w./-]*)#([\w-]+)\)", (DOCS / "runbooks.md").read_text()):
        headings = re.findall(r"^#+ (.+)$", (DOCS / (page or "runbooks.md")).read_text(), re.MULTILINE)
        assert anchor in {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def parsed(line):
    """Read a command line as the program does, and run nothing.

    Raises:
        click.UsageError: the program does not have this command, option or value.
    """
    group, context, words = program, click.Context(program, info_name="hyperjobs"), shlex.split(line)[1:]
    while isinstance(group, click.Group) and words and not words[0].startswith("-") and words[0] in _names(group):
        group = group.get_command(context, words.pop(0))
    if isinstance(group, click.Group) and (
        not group.invoke_without_command or (words and not words[0].startswith("-"))
    ):
        raise click.UsageError(f"{line}: no such command")
    group.make_context(group.name, words)


def _names(group):
    return group.list_commands(click.Context(group))


@pytest.mark.parametrize("line", lines())
def test_every_command_is_one_that_the_program_takes(line):
    parsed(line)


@pytest.mark.parametrize("line", mentions())
def test_every_command_that_is_mentioned_is_one_of_the_programs(line):
    with contextlib.suppress(click.MissingParameter):
        parsed(line)


@pytest.mark.parametrize(
    "line",
    [
        "hyperjobs backup lst",
        "hyperjobs runs --since 1d",
        "hyperjobs pause",
        "hyperjobs frozen",
        "hyperjobs backup",
        "hyperjobs stats --by week",
    ],
)
def test_a_command_that_it_does_not_take_is_seen(line):
    with pytest.raises(click.UsageError):
        parsed(line)


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
