"""Every command line and file of ours on docs/deploy.md exists."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from hyperjobs import __version__
from hyperjobs.cli.program import program

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "deploy.md").read_text()
BLOCKS = re.findall(r"^```console\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
LINES = [line[2:] for block in BLOCKS for line in block.replace("\\\n", " ").splitlines() if line.startswith("$ ")]
OURS = re.compile(r"(?:^|sudo |exec hyperjobs | -- )(hyperjobs(?: [^|<>]+)?)$")
NAMED = re.compile(r"`(hyperjobs [a-z][^`…]*)`")


def command_lines():
    """What is called as hyperjobs, in blocks and in the text."""
    return sorted({found[1] for line in LINES if (found := OURS.search(line))} | set(NAMED.findall(TEXT)))


@pytest.mark.parametrize("line", command_lines())
def test_a_command_line_of_ours_can_be_called(line):
    command, context = program, click.Context(program)
    words = shlex.split(line)[1:]
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        assert found is not None, words[0]
        command, words = found, words[1:]

    if words != ["--version"]:
        command.make_context(command.name, words, parent=context, resilient_parsing=False)


def test_the_command_lines_are_found():
    assert {"hyperjobs healthcheck --ready --store", "hyperjobs uninstall --yes"} <= set(command_lines())


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
