"""The image's recipe: linted, whole, and on the same terms as the unit."""

from __future__ import annotations

import fnmatch
import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from hyperjobs.config import load_config
from support.tools import path_of

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"
MADE = "dist/"  # by `make wheels`, which `make image` runs first


def instructions():
    """Each instruction and its words, continuation lines joined and comments left out."""
    text = "\n".join(line for line in DOCKERFILE.read_text().splitlines() if not line.startswith("#"))
    joined = text.replace("\\\n", " ")
    return [tuple(line.split(None, 1)) for line in joined.splitlines() if line.strip()]


def values(name):
    return [words for instruction, words in instructions() if instruction == name]


def copied():
    """What is taken from the checkout."""
    words = [line.split() for line in values("COPY") if "--from=" not in line]
    return [word for line in words for word in line[:-1] if not word.startswith("--")]


@pytest.mark.tool("hadolint")
def test_hadolint_finds_nothing():
    linted = subprocess.run(
        [path_of("hadolint"), "--failure-threshold=style", DOCKERFILE], capture_output=True, text=True, check=False
    )

    assert (linted.returncode, linted.stdout) == (0, "")


def test_everything_that_is_copied_is_there_and_not_ignored():
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] not in {"#", ""}]
    let_in = [rule.removeprefix("!") for rule in rules if rule.startswith("!")]

    assert rules[0] == "*"
    assert copied() == let_in
    assert [path for path in copied() if not path.startswith(MADE) and not (ROOT / path).exists()] == []
    assert [path for path in copied() if any(fnmatch.fnmatch(path, rule) for rule in rules[1:])] == []


def test_it_runs_as_a_user_of_fixed_number_and_ends_on_sigterm():
    assert values("USER") == ["65532:65532"]
    assert values("STOPSIGNAL") == ["SIGTERM"]
    assert json.loads(values("ENTRYPOINT")[0]) == ["hyperjobs"]
    assert json.loads(values("CMD")[0]) == ["run"]
    assert json.loads(values("HEALTHCHECK")[0].partition("CMD ")[2]) == ["hyperjobs", "healthcheck"]


def test_state_and_backups_are_volumes_where_the_agent_puts_them():
    environment = dict(word.split("=", 1) for word in shlex.split(values("ENV")[0]))
    config = load_config(ROOT / "deploy" / "docker" / "hyperjobs.yaml", environ=environment, require_store=True)

    assert set(json.loads(values("VOLUME")[0])) == {
        str(config.store.state_dir),
        str(config.maintenance.backup.directory),
    }
    assert [str(address.port) for address in config.web.addresses] == values("EXPOSE")


def test_the_base_is_pinned_to_a_python_that_the_project_takes():
    [default] = re.findall(r"^ARG BASE_IMAGE=(\S+)$", DOCKERFILE.read_text(), re.MULTILINE)

    assert re.fullmatch(r"docker\.io/library/python:3\.1[1-9]-slim-[a-z]+", default)


def test_every_wheel_is_held_against_its_hash_and_nothing_is_fetched():
    [install] = [line for line in values("RUN") if "pip install" in line]

    assert "PIP_NO_INDEX=1" in install
    assert "--require-hashes" in install
