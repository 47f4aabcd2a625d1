"""The landing page: its parts, and that nothing in them is markup."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

from hyperjobs.web.page import landing_page


class Page(HTMLParser):
    """Collects the tags, links and texts of a page, and checks that its tags close in order."""

    VOID = frozenset({"meta", "link"})

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.links, self.text = [], [], [], ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name == "href"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def landing(store_label="/var/lib/hypersdk/jobs.db"):
    return landing_page(version="1.2.3", store_label=store_label, is_ready=True)


def test_the_page_names_the_agent_and_links_its_pages():
    page = Page(landing().body.decode())

    assert not page.open
    assert {"/metrics", "/-/healthy", "/-/ready"} <= set(page.links)
    assert all(text in page.text for text in ("hyperjobs", "1.2.3", "/var/lib/hypersdk/jobs.db", "running"))


def test_a_hostile_store_path_is_only_text():
    hostile = "</code><script>alert(1)</script>\"'&$version \udcff"
    page = Page(landing(hostile).body.decode())

    assert "script" not in page.tags
    assert "<script>alert(1)</script>\"'&$version ?" in page.text


def test_the_policy_allows_the_pages_own_style_and_nothing_else():
    answer = landing()
    style = re.search(r"<style>(.*)</style>", answer.body.decode(), re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()

    policy = dict(answer.headers)["Content-Security-Policy"]
    assert f"style-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy


def test_the_page_is_a_few_kilobytes_and_needs_no_other_host():
    body = landing().body.decode()

    assert len(body) < 4096
    assert "//" not in re.sub(r"data:,", "", body)
