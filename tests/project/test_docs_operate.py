"""docs/operate.md tells every event that the agent logs, and no other."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CALL = re.compile(r'log\.(?:debug|info|warning|error|exception)\(\s*"([a-z_]+\.[a-z_]+)"')
ROW = re.compile(r"^\| `([a-z_]+\.[a-z_]+)` \| (?:debug|info|warning|error) \|", re.MULTILINE)


def test_every_event_of_the_log_is_on_the_page_and_the_other_way_round() -> None:
    logged = {event for file in (ROOT / "agent").rglob("*.py") for event in CALL.findall(file.read_text())}

    assert logged == set(ROW.findall((ROOT / "docs" / "operate.md").read_text()))
