"""docs/notifications.md and the code say the same; so do the files that the pages show."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hyperjobs.config import load_config
from hyperjobs.config.notify import Channel
from hyperjobs.notify.channel import Words
from hyperjobs.notify.event import KINDS, Event

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "notifications.md").read_text()


def test_the_page_lists_every_event_as_it_is():
    rows = [
        f"| `{name}` | {kind.severity} | {'yes' if kind.is_told else 'no'} | {kind.meaning} |"
        for name, kind in KINDS.items()
    ]
    table = re.search(r"<!-- events -->\n\n\|[^\n]*\n\|[^\n]*\n(.*?)\n\n<!-- /events -->", PAGE, re.DOTALL)

    assert table is not None
    assert table[1].splitlines() == rows


def test_the_page_describes_every_option_of_a_channel_and_no_other():
    cells = re.findall(r"^\| (`[a-z_]+`(?:, `[a-z_]+`)*) \| [^|\n]* \| [^|\n]* \|$", PAGE, re.MULTILINE)

    assert {name for cell in cells for name in re.findall(r"[a-z_]+", cell)} == set(Channel.model_fields)


def test_the_json_on_the_page_is_what_is_sent():
    [shown] = re.findall(r"```json\n(.*)\n```", PAGE)
    at = datetime(2026, 9, 10, 1, 30, 7, tzinfo=UTC)
    event = Event(name="backup.failed", subject="task:backup", at=at, task="backup", reason="no_space")

    assert json.loads(shown) == Words(host="db1").fields(event)


@pytest.mark.parametrize("page", ["notifications.md", "security.md"])
def test_the_files_shown_are_right(tmp_path, page):
    shown = [
        text
        for text in re.findall(r"```yaml\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)
        if "scrape_configs" not in text
    ]

    assert shown
    for text in shown:
        (tmp_path / "hyperjobs.yaml").write_text(text)
        load_config(tmp_path / "hyperjobs.yaml", environ={})
