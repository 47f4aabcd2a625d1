"""``notify test`` sends a message by each channel and says what came of it."""

from __future__ import annotations

import json

import pytest

from support.processes import free_port
from support.receivers import http_receiver


@pytest.fixture
def receiver():
    with http_receiver() as running:
        yield running


@pytest.fixture
def config(tmp_path, receiver):
    file = tmp_path / "hyperjobs.yaml"
    hook = {"name": "ops", "type": "webhook", "url": f"{receiver.url}/canary"}
    dead = {"name": "dead", "type": "webhook", "url": f"http://localhost:{free_port()}/canary"}
    file.write_text(json.dumps({"notifications": [hook, dead, hook | {"name": "off", "enabled": "false"}]}))
    return str(file)


def test_every_channel_is_tried_and_one_that_fails_is_exit_1(hj, config, receiver):
    result = hj.run_bare("notify", "test", "--config", config)

    assert result.returncode == 1
    assert result.stdout == "ops: sent\ndead: not sent: localhost: Connection refused\n"
    assert result.stderr == ""
    assert receiver.events() == ["test"]


def test_one_channel_can_be_named(hj, config):
    result = hj.run_bare("notify", "test", "ops", "--config", config)

    assert (result.returncode, result.stdout) == (0, "ops: sent\n")


def test_json_says_the_same(hj, config):
    result = hj.run_bare("notify", "test", "--json", "--config", config)

    assert [json.loads(line) for line in result.stdout.splitlines()] == [
        {"channel": "ops", "sent": True, "error": None},
        {"channel": "dead", "sent": False, "error": "localhost: Connection refused"},
    ]


@pytest.mark.parametrize("name", ["off", "nobody"])
def test_a_channel_that_is_not_there_or_not_enabled_is_exit_2(hj, config, name):
    result = hj.run_bare("notify", "test", name, "--config", config)

    assert result.returncode == 2
    assert result.stderr == f"hyperjobs: {name}: there is no such channel that is enabled; there are: ops, dead\n"


def test_without_a_channel_there_is_nothing_to_test(hj, tmp_path):
    (tmp_path / "empty.yaml").write_text("log: {level: info}\n")

    result = hj.run_bare("notify", "test", "--config", str(tmp_path / "empty.yaml"))

    assert (result.returncode, "docs/notifications.md" in result.stderr) == (2, True)


def test_config_check_finds_a_secret_that_is_not_there(hj, tmp_path):
    hook = {"name": "ops", "type": "webhook", "url_file": str(tmp_path / "missing")}
    (tmp_path / "h.yaml").write_text(json.dumps({"store": {"path": str(hj.store)}, "notifications": [hook]}))

    result = hj.run_bare("config", "check", "--config", str(tmp_path / "h.yaml"))

    assert result.returncode == 2
    assert result.stderr.startswith("hyperjobs: notifications: ops: ")
