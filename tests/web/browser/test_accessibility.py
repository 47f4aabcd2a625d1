"""The status page for who sees it badly, hears it, or has no pointer; measured in the browser, not read off the source."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest

from hyperjobs.testing import START, make_job

pytestmark = pytest.mark.tool("chromium")

HOUR = timedelta(hours=1)

# The contrast of each text with what is painted under it, as WCAG 2 counts it; large text may have less.
CONTRASTS = """() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = colour => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255];
  };
  const light = ([r, g, b]) => [r, g, b].map(c => (c /= 255) <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
  const ground = element => {
    for (let e = element; e; e = e.parentElement) {
      const colour = rgba(getComputedStyle(e).backgroundColor);
      if (colour[3] > .99) return colour;
    }
    return rgba('white');
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement, text = walker.currentNode.textContent.trim();
    if (!text || !element.checkVisibility() || element.closest('.unseen, script, style, svg')) continue;
    const style = getComputedStyle(element), [a, b] = [light(rgba(style.color)), light(ground(element))];
    const size = parseFloat(style.fontSize), isLarge = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    found.push({text: text.slice(0, 40), ratio: (Math.max(a, b) + .05) / (Math.min(a, b) + .05), needs: isLarge ? 3 : 4.5});
  }
  return found;
}"""

MARKS = """() => {
  const light = colour => colour.match(/[\\d.]+/g).slice(0, 3).map(Number)
    .map(c => (c /= 255) <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
  const card = light(getComputedStyle(document.querySelector('section[aria-labelledby=hours]')).backgroundColor);
  return ['completed', 'failed'].map(name => {
    const fill = light(getComputedStyle(document.querySelector(`figure path.${name}`)).stroke);
    return (Math.max(fill, card) + .05) / (Math.min(fill, card) + .05);
  });
}"""

FOCUS = """() => {
  const e = document.activeElement, style = getComputedStyle(e);
  return {tag: e.tagName, text: (e.textContent || '').trim().slice(0, 30), href: e.getAttribute('href') || '',
          outline: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2};
}"""


@pytest.fixture
def url(serve):
    """The page of a store with something in every part of it."""
    at = START - 3 * HOUR
    jobs = [
        make_job(status="failed", created_at=at, started_at=at, completed_at=at + HOUR, error=f"disk {n} is full")
        for n in range(4)
    ]
    jobs += [make_job(status="completed", created_at=at, started_at=at, completed_at=at + HOUR) for _ in range(9)]
    jobs += [make_job(status="running", created_at=at, started_at=at, progress=30.0)]
    served = serve(*jobs)
    served.turned.run("backup")
    served.turned.workshop.holds.pause(START + HOUR, "wave 7", START)
    served.turned.workshop.holds.distrust("jobs-1.db", "bad", START)
    return served.url


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground(url, show, scheme):
    shown = show(url, color_scheme=scheme)
    for details in shown.page.locator("details").all():
        details.locator("summary").click()
    found = shown.page.evaluate(CONTRASTS)

    assert len(found) > 80
    assert [each for each in found if each["ratio"] < each["needs"]] == []
    assert min(shown.page.evaluate(MARKS)) >= 3.0


def test_everything_that_can_be_done_can_be_done_by_keys_and_is_seen(url, show):
    shown = show(url)
    page = shown.page
    wanted = page.evaluate("document.querySelectorAll('a[href], summary, [tabindex=\"0\"]').length")
    seen = []
    for _ in range(wanted):
        page.keyboard.press("Tab")
        seen.append(page.evaluate(FOCUS))

    assert seen[0]["text"] == "Skip to the content"
    assert all(each["outline"] or each["tag"] == "BODY" for each in seen), seen
    assert {"/metrics", "/api/v1/status"} <= {each["href"] for each in seen}
    assert sum(each["tag"] == "SUMMARY" for each in seen) == page.locator("summary").count()
    assert len({(each["tag"], each["text"], each["href"]) for each in seen}) >= wanted - 1


def test_the_first_key_leads_past_the_head(url, show):
    page = show(url).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getBoundingClientRect().left >= 0")
    page.keyboard.press("Enter")

    assert page.evaluate("document.activeElement.id") == "main"


def test_the_parts_have_names_and_their_order_makes_sense(url, show):
    page = show(url).page

    assert page.evaluate("document.documentElement.lang") == "en"
    assert [page.locator(tag).count() for tag in ("header", "main", "footer", "nav[aria-label]", "h1")] == [1] * 5
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1])")
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    unnamed = page.evaluate(
        "[...document.querySelectorAll('[aria-labelledby]')].filter(e => e.getAttribute('aria-labelledby').split(' ')"
        ".some(id => !document.getElementById(id)?.textContent.trim())).length"
    )
    assert unnamed == 0
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))


def test_drawings_are_told_in_words_or_passed_over(url, show):
    page = show(url).page

    assert (
        page.evaluate(
            "[...document.querySelectorAll('svg')].filter(s => !s.closest('[aria-hidden=true]') &&"
            " !(s.getAttribute('role') === 'img' && s.querySelector('title') && s.querySelector('desc'))).length"
        )
        == 0
    )
    table = page.locator("table:has(caption)")
    assert table.locator("tbody tr").count() >= 7
    assert "13" not in table.inner_text().split("Wed 21 Jan")[0]
    assert page.locator("table:has(caption) tr", has_text="Wed 21 Jan").inner_text().split()[-3:] == ["9", "4", "0"]
    for progress in page.locator("progress").all():
        assert progress.get_attribute("aria-label")
    assert page.locator("th:not([scope])").count() == 0


def test_state_is_said_by_word_and_sign_and_not_by_colour_alone(url, show):
    page = show(url).page

    assert page.locator("h1 .tag").inner_text().lower() == "warning"
    assert page.locator(".state > svg").count() == 1
    assert page.locator(".notices li svg").count() == page.locator(".notices li").count()
    assert page.locator(".notices li .unseen").first.inner_text().strip()


def test_nothing_moves_for_who_wants_nothing_to_move(url, show):
    page = show(url, reduced_motion="reduce").page

    assert page.evaluate(
        "[...document.querySelectorAll('*')].every(e => getComputedStyle(e).transitionDuration === '0s'"
        " && getComputedStyle(e).animationName === 'none')"
    )


def test_text_can_be_twice_as_large_in_a_narrow_window(url, show):
    shown = show(url, width=640)
    shown.page.evaluate("document.documentElement.style.fontSize = '200%'")

    assert shown.overflow_px() <= 0
