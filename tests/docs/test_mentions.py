"""Every command that the project tells somebody to run exists, with its options: in pages, alerts, files and error messages."""

from __future__ import annotations

import re

import click
import pytest

from support.command_lines import named_in, read, read_mention, spoken
from support.not_followed import bare
from support.pages import ROOT, command_lines, mentions, pages

AGENT = sorted((ROOT / "agent").rglob("*.py"))
OTHERS = [
    *sorted((ROOT / "agent").rglob("*.toml")),
    *sorted((ROOT / "agent").rglob("*.html")),
    *sorted((ROOT / "agent").rglob("*.js")),
    *sorted((ROOT / "config").glob("*.yaml")),
    *(path for path in sorted((ROOT / "deploy").rglob("*")) if path.is_file() and path.suffix not in {".md", ".png"}),
    *sorted((ROOT / "grafana").rglob("*.json")),
    ROOT / "demo" / "run.py",
]
STANDS_FOR_ANY = {"hyperjobs COMMAND --help"}


def told(text):
    """Each command in what a page sets as code; a line of a shell has one in each of its parts."""
    for part in re.split(r"\s\|\s", text):
        line = bare(re.sub(r"^(\.venv|/\S+)/bin/|…", "", part.strip()))
        if re.match(r"hyperjobs( |$)", line) and line not in STANDS_FOR_ANY:
            yield line


@pytest.mark.parametrize("page", pages())
def test_every_command_that_a_page_mentions_exists(page):
    for mention in mentions(page):
        for line in told(mention):
            read_mention(re.split(r"\s[>;&]", line)[0])


@pytest.mark.parametrize("page", pages())
def test_every_command_that_a_page_shows_is_read_to_its_last_word(page):
    for shown in command_lines(page):
        for line in told(shown.text.replace("\\\n", " ")):
            read(re.split(r"\s[>;&]", line)[0])


@pytest.mark.parametrize("path", AGENT, ids=lambda path: str(path.relative_to(ROOT / "agent")))
def test_every_command_that_the_program_tells_to_run_exists(path):
    for text in spoken(path.read_text(encoding="utf-8")):
        for line in named_in(text):
            read_mention(line)


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_in_a_file_that_is_shipped_exists(path):
    for line in named_in(path.read_text(encoding="utf-8", errors="replace")):
        read_mention(line)


def test_mentions_are_found():
    texts = [text for path in AGENT for text in spoken(path.read_text(encoding="utf-8"))]

    assert len([line for text in texts for line in named_in(text)]) > 100
    assert len([line for page in pages() for mention in mentions(page) for line in told(mention)]) > 100
    assert list(named_in("restart it, or run 'hyperjobs unfreeze --reason WHY', and look")) == [
        "hyperjobs unfreeze --reason WHY"
    ]
    assert list(named_in("hyperjobs looks after the store")) == []


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
def test_a_command_that_the_program_does_not_take_is_seen(line):
    with pytest.raises(click.UsageError):
        read(line)


@pytest.mark.parametrize("line", ["hyperjobs backup list --destination nas", "hyperjobs frozen", "hyperjobs config ak"])
def test_a_mention_of_what_does_not_exist_is_seen(line):
    with pytest.raises(click.UsageError):
        read_mention(line)
