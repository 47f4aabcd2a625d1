"""docs/operate.md tells every event that the agent logs, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from hyperjobs import errors

ROOT = Path(__file__).resolve().parents[2]
CALL = re.compile(r'log\.(debug|info|warning|error|exception)\(\s*"([a-z_]+\.[a-z_]+)"')
ROW = re.compile(r"^\| `([a-z_]+\.[a-z_]+)` \| (debug|info|warning|error) \|", re.MULTILINE)


def test_every_event_of_the_log_is_on_the_page_and_the_other_way_round() -> None:
    calls = {call for file in (ROOT / "agent").rglob("*.py") for call in CALL.findall(file.read_text())}
    logged = {event: {"exception": "error"}.get(level, level) for level, event in calls}

    assert logged == dict(ROW.findall((ROOT / "docs" / "operate.md").read_text()))


def test_every_exit_code_on_the_page_is_one_of_the_error_trees() -> None:
    codes = {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "exit_code")}
    section = (ROOT / "docs" / "operate.md").read_text().partition("## Exit codes")[2].partition("\n## ")[0]

    assert {int(code) for code in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)} <= codes | {0}
