"""``config check``, ``show`` and ``schema``."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def config(hj, tmp_path):
    file = tmp_path / "hyperjobs.yaml"
    file.write_text(f"store:\n  path: {hj.store}\n")
    return file


def test_check_says_which_store_the_agent_would_look_after(hj, config):
    result = hj.run_bare("config", "check", "--config", str(config))

    assert result.returncode == 0, result.stderr
    assert result.stdout == f"ok: the agent would look after {hj.store}\n"


def test_check_names_every_mistake_with_its_line(hj, config):
    config.write_text("store:\n  pth: /x\nlog:\n  level: loud\n")

    result = hj.run_bare("config", "check", "--config", str(config))

    assert result.returncode == 2
    *_, first, second = result.stderr.splitlines()
    assert first.startswith(f"hyperjobs: {config}:2: store.pth")
    assert second.startswith(f"hyperjobs: {config}:4: log.level")
    assert result.stdout == ""


def test_check_needs_a_store(hj, config):
    config.write_text("log: {level: info}\n")

    result = hj.run_bare("config", "check", "--config", str(config))

    assert result.returncode == 2
    assert "store" in result.stderr


def test_show_gives_a_configuration_that_check_accepts(hj, config, tmp_path):
    shown = tmp_path / "shown.yaml"
    shown.write_text(hj.run_bare("config", "show", "--config", str(config)).stdout)

    assert hj.run_bare("config", "check", "--config", str(shown)).returncode == 0


def test_show_has_the_environment_over_the_file(hj, config):
    result = hj.run_bare("config", "show", "--config", str(config), env=hj.env({"HYPERJOBS_LOG__LEVEL": "debug"}))

    assert result.returncode == 0, result.stderr
    assert "level: debug" in result.stdout


def test_schema_is_json_schema(hj):
    schema = json.loads(hj.run_bare("config", "schema").stdout)

    assert "store" in schema["properties"]


def test_a_missing_file_is_exit_2(hj, tmp_path):
    for words in (["config", "check"], ["config", "show"], ["run"]):
        result = hj.run_bare(*words, "--config", str(tmp_path / "none.yaml"))

        assert result.returncode == 2
        assert "none.yaml" in result.stderr
        assert len(result.stderr.splitlines()) == 1


def test_the_agent_needs_a_store(hj):
    result = hj.run_bare("run")

    assert result.returncode == 2
    assert "--store" in result.stderr
