"""Every link of a page leads somewhere, to the heading it names; every page is in the index, and can be come by."""

from __future__ import annotations

import pytest

from support.pages import ROOT, anchors, links, pages, text_of

INDEX = "docs/README.md"


def ends(page):
    """Where the links of a page lead: path from the root of the project, and heading."""
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = ((ROOT / page).parent / path).resolve() if path else ROOT / page
        yield link, target, anchor


@pytest.mark.parametrize("page", pages())
def test_every_link_of_a_page_leads_to_a_file_and_a_heading(page):
    broken = []
    for link, target, anchor in ends(page):
        if (
            not target.exists()
            or not target.is_relative_to(ROOT)
            or (anchor and anchor not in anchors(str(target.relative_to(ROOT))))
        ):
            broken.append(link)

    assert broken == []


def test_the_index_has_every_page_once():
    listed = [target for _, target, anchor in ends(INDEX) if target.parent == ROOT / "docs" and not anchor]
    there = {path for path in (ROOT / "docs").glob("*.md") if path != ROOT / INDEX}

    assert set(listed) >= there
    assert [path.name for path in there if listed.count(path) != 1] == []


def test_the_first_page_leads_to_the_index():
    assert ROOT / INDEX in {target for _, target, _ in ends("README.md")}


@pytest.mark.parametrize("page", pages())
def test_a_page_begins_with_its_title_and_has_no_heading_twice(page):
    text = text_of(page)

    assert text.startswith("# ")
    assert not any(name.endswith("-1") and name[:-2] in anchors(page) for name in anchors(page)), page
