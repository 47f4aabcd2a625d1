"""What docs/deploy.md names of ours is there, and what is there it names."""

from __future__ import annotations

import re
from pathlib import Path

from hyperjobs import __version__

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "deploy.md").read_text()
BLOCKS = re.findall(r"^```console\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
LINES = [line[2:] for block in BLOCKS for line in block.replace("\\\n", " ").splitlines() if line.startswith("$ ")]


def test_every_make_target_exists():
    targets = set(re.findall(r"^\.PHONY: (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE))

    named = re.findall(r"^make ([a-z]+)", "\n".join([*LINES, *re.findall(r"`([^`]+)`", TEXT)]), re.MULTILINE)

    assert {"image", "wheels"} <= set(named) <= targets


def test_every_file_of_ours_exists():
    named = {path.rstrip("/") for path in re.findall(r"\b(?:deploy|grafana|config|requirements)/[\w./-]*\w", TEXT)}
    examples = {f"deploy/systemd/hyperjobs.service.d/{name}" for name in re.findall(r"`([\w-]+\.conf\.example)`", TEXT)}

    assert [path for path in named | examples if not (ROOT / path).exists()] == []


def test_every_unit_example_and_overlay_is_told_of():
    examples = {path.name for path in (ROOT / "deploy" / "systemd" / "hyperjobs.service.d").iterdir()}
    overlays = {f"deploy/kubernetes/overlays/{path.name}" for path in (ROOT / "deploy/kubernetes/overlays").iterdir()}

    assert [name for name in examples | overlays if name not in TEXT] == []


def test_the_image_is_of_this_version():
    assert set(re.findall(r"hyperjobs:(\d[\w.]*)$", TEXT, re.MULTILINE)) == {__version__}
