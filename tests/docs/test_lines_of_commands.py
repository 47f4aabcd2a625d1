"""Every command line of the reference is run, as those of the other pages are; on its own, for there are many."""

from __future__ import annotations

from support.following import follow
from support.page_needs import met
from support.pages import command_lines

PAGE = "docs/commands.md"


def test_every_line_of_the_reference_can_be_followed(here):
    with met(here, PAGE):
        wrong = follow(here, command_lines(PAGE))

    assert not wrong, "\n\n".join(wrong)
