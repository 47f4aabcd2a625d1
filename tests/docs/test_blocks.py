"""What the pages show besides command lines is right too: configurations load, rules and scrapes are taken, programs run."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess

import pytest
import yaml

from hyperjobs.config import load_config
from hyperjobs.rules.values import load_values
from support.pages import blocks, pages
from support.tools import require

YAML = [pytest.param(block, id=f"{block.page}:{block.line}") for page in pages() for block in blocks(page, "yaml")]
JSON = [pytest.param(block, id=f"{block.page}:{block.line}") for page in pages() for block in blocks(page, "json")]
PYTHON = [
    pytest.param(block, id=f"{block.page}:{block.line}")
    for page in pages()
    if page != "docs/library.md"  # whose blocks are one program, which a test of its own runs
    for block in blocks(page, "python")
]


@pytest.mark.parametrize("block", YAML)
def test_a_file_that_a_page_shows_is_one_that_its_program_takes(block, tmp_path):
    file = tmp_path / "file.yaml"
    file.write_text(block.text)
    top = set(yaml.safe_load(block.text))

    if top & {"alerts", "runbook_url"}:
        load_values(file)
    elif "scrape_configs" in top:
        require("promtool")
        # that files of keys are there is the reader's business
        command = ["promtool", "check", "config", "--syntax-only", file]
        checked = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert checked.returncode == 0, checked.stdout + checked.stderr
    else:
        load_config(file, environ={})


@pytest.mark.parametrize("block", JSON)
def test_json_that_a_page_shows_is_json(block):
    for line in [block.text] if block.text.startswith("{\n") else block.text.replace("…", "").splitlines():
        json.loads(line)


@pytest.mark.parametrize("block", PYTHON)
def test_a_program_that_a_page_shows_runs(block, here):
    written = io.StringIO()
    with contextlib.redirect_stdout(written):
        exec(compile(here.here(block.text), block.page, "exec"), {})  # noqa: S102 - the page is ours

    assert "job-3 vsphere NFC lease" in written.getvalue()
