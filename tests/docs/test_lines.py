"""Every command line that a page shows is run, in the page's order and in the world it speaks of, and ends as the page says.

What a page shows of the output is held to what the program wrote: to its form, for numbers and names are the world's own.
"""

from __future__ import annotations

import pytest

from support.following import follow
from support.not_followed import TABLE, bare, entry_of
from support.page_needs import CODES, met
from support.pages import command_lines, pages
from support.shown import differs

PAGES = [page for page in pages() if command_lines(page)]
ELSEWHERE = {
    "docs/commands.md": "test_lines_of_commands.py, for it takes as long as all others",
    "docs/disaster.md": "test_disaster.py, for each of its parts begins with another disaster",
}


@pytest.mark.parametrize("page", [page for page in PAGES if page not in ELSEWHERE])
def test_every_line_of_a_page_can_be_followed(here, page):
    with met(here, page):
        wrong = follow(here, command_lines(page))

    assert not wrong, "\n\n".join(wrong)


def test_every_entry_of_the_table_is_needed():
    lines = [bare(line.text) for page in PAGES for line in command_lines(page)]

    assert [entry.pattern for entry in TABLE if not any(entry_of(line) is entry for line in lines)] == []


def test_every_exit_code_that_is_expected_is_of_a_line_that_is_there():
    there = {(page, line.text) for page in PAGES for line in command_lines(page)}

    assert set(CODES) <= there


@pytest.mark.parametrize(
    "line", ["hyperjobs lst", "hyperjobs show no-such-job", "false | true; false", "nosuchprogram"]
)
def test_a_line_that_does_not_work_is_seen(here, line):
    assert here.run(line).code != 0


@pytest.mark.parametrize("line", ["rm -r /usr/share/hyperjobs/x", "cat '/boot/x/y'", "ls /home/alice/"])
def test_a_line_on_a_directory_of_this_machine_is_not_run(here, line):
    with pytest.raises(ValueError, match="not mapped"):
        here.run(line)


@pytest.mark.parametrize(
    ("shown", "wrote"),
    [
        ("ID  STATUS  VM", "ID  STATUS\na   ok"),
        ("the pages are whole; 5 jobs", "the pages are broken; 5 jobs"),
        ("backup  2h old", "backups  2h old"),
        ("a\tb\tc", "a\tb"),
    ],
)
def test_output_that_is_shown_otherwise_is_seen(shown, wrote):
    assert differs([shown], wrote) == shown
    assert differs([wrote], wrote) is None
