"""docs/metrics.md and the catalogue say the same; ``HYPERJOBS_UPDATE_GOLDEN=1`` writes the page's tables anew."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from hyperjobs.metrics.catalogue import PREFIX, catalogue
from hyperjobs.store.ledger.buckets import DEFAULT_BUCKETS

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def table(entries) -> str:
    """A table of metrics, in the catalogue's order."""
    lines = ["| Metric | Type | Labels | Meaning |", "|---|---|---|---|"]
    for entry in entries:
        labels = ", ".join(f"`{label}`" for label in entry.labels) or "none"
        lines.append(f"| `{entry.name}` | {entry.type} | {labels} | {entry.help} |")
    return "\n".join(lines)


def tables() -> dict[str, str]:
    """Marker of the page → the text between it and its end."""
    entries = catalogue().values()
    groups = dict.fromkeys(entry.group for entry in entries)
    found = {
        group: table(entry for entry in entries if entry.group == group and not entry.is_reserved)
        for group in groups
        if any(entry.group == group and not entry.is_reserved for entry in entries)
    }
    reserved = [entry for entry in entries if entry.is_reserved]
    return {**found, "reserved": table(reserved)} if reserved else found


def block(name: str, text: str) -> str:
    """A table between its markers."""
    return f"<!-- {name} -->\n\n{text}\n\n<!-- /{name} -->"


@pytest.mark.parametrize("name", tables())
def test_the_pages_tables_are_the_catalogue(name):
    page = PAGE.read_text()
    if os.environ.get("HYPERJOBS_UPDATE_GOLDEN"):
        old = re.compile(f"<!-- {name} -->.*?<!-- /{name} -->", re.DOTALL)
        page = old.sub(lambda _: block(name, tables()[name]), page)
        PAGE.write_text(page)

    assert block(name, tables()[name]) in page


def test_every_metric_that_the_page_names_is_in_the_catalogue():
    named = set(re.findall(rf"\b{PREFIX}\w+", PAGE.read_text()))
    samples = {
        f"{entry.name}{suffix}"
        for entry in catalogue().values()
        if entry.type == "histogram"
        for suffix in ("_bucket", "_sum", "_count")
    }

    assert named <= {entry.name for entry in catalogue().values()} | samples


def examples() -> list[str]:
    """Each query of the page."""
    return re.findall(r"```promql\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.mark.tool("promtool")
def test_prometheus_takes_every_example(tmp_path):
    rules = [{"record": f"example:{number}", "expr": example} for number, example in enumerate(examples())]
    file = tmp_path / "rules.json"  # JSON is YAML
    file.write_text(json.dumps({"groups": [{"name": "examples", "rules": rules}]}))

    checked = subprocess.run(
        ["promtool", "check", "rules", file], capture_output=True, text=True, check=False, timeout=60
    )

    assert (checked.returncode, checked.stderr) == (0, "")


def test_an_example_uses_nothing_reserved():
    reserved = {entry.name for entry in catalogue().values() if entry.is_reserved}

    assert examples()
    assert not set(re.findall(rf"\b{PREFIX}\w+", "".join(examples()))) & reserved


def test_the_page_names_the_buckets():
    assert ", ".join(map(str, DEFAULT_BUCKETS)) in PAGE.read_text().replace("\n", " ")
