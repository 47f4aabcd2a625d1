"""The health check of a container, against the real agent."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from support.agents import launched, started
from support.imports import loaded
from support.processes import free_port, get


@pytest.fixture
def running(hj, tmp_path):
    """The agent on the store of five jobs, and its address."""
    with launched(hj.store, tmp_path / "state") as process:
        yield process, started(process)


def config(hj, text):
    file = hj.home / "hyperjobs.yaml"
    file.write_text(text)
    return {"HYPERJOBS_CONFIG": str(file)}


def listening(url):
    return f'web: {{listen: ["{url.removeprefix("http://")}"]}}\n'


def test_a_running_agent_is_well_in_one_line(hj, running):
    url = running[1]

    assert_said(hj.run("healthcheck", "--url", url), f"{url}: alive\n")
    assert_said(hj.run("healthcheck", "--url", url, "--ready"), f"{url}: ready\n")
    assert_said(hj.run("healthcheck", "--url", url, "--ready", "--store"), f"{url}: ready, reads its store\n")


def test_it_is_no_scrape_of_the_agent(hj, running):
    url = running[1]

    for _ in range(2):
        assert hj.run("healthcheck", "--url", url, "--store").returncode == 0
    first = get(f"{url}/metrics").text
    second = get(f"{url}/metrics").text

    assert "\nhyperjobs_last_scrape_timestamp_seconds " not in first
    assert "\nhyperjobs_last_scrape_timestamp_seconds " in second


def assert_said(done, line):
    assert (done.returncode, done.stdout, done.stderr) == (0, line, "")


def test_the_address_is_the_configurations_and_the_environments_before_it(hj, running):
    url = running[1]
    elsewhere = config(hj, 'web: {listen: ["127.0.0.1:1"]}\n')

    assert hj.run("healthcheck", env=config(hj, listening(url))).returncode == 0
    for value in (url.removeprefix("http://"), json.dumps([url.removeprefix("http://")])):
        assert hj.run("healthcheck", env={**elsewhere, "HYPERJOBS_WEB__LISTEN": value}).returncode == 0
    wildcard = url.removeprefix("http://").replace("127.0.0.1", "0.0.0.0")  # noqa: S104 - as a container listens
    assert hj.run("healthcheck", env={"HYPERJOBS_WEB__LISTEN": f'["192.0.2.1:1", "{wildcard}"]'}).returncode == 0
    assert hj.run("healthcheck", "--config", str(hj.home / "none.yaml")).returncode == 2


def test_a_store_that_cannot_be_read_fails_only_who_asks_for_it(hj, tmp_path):
    with launched(tmp_path / "none.db", tmp_path / "state") as process:
        url = started(process)

        assert hj.run("healthcheck", "--url", url, "--ready").returncode == 0
        failed = hj.run("healthcheck", "--url", url, "--store")

    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr == (
        f"hyperjobs: {url}: cannot read its store; its log and hyperjobs_store_errors_total say why\n"
    )


def test_no_agent_is_exit_1_with_the_address_and_the_reason(hj):
    port = free_port()

    failed = hj.run("healthcheck", "--url", f"http://127.0.0.1:{port}")

    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr == f"hyperjobs: 127.0.0.1:{port}: connection refused; is the agent running?\n"


def test_a_server_that_is_no_agent_is_not_well(hj, tmp_path):
    command = [sys.executable, "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(tmp_path)]
    with subprocess.Popen(
        [*command],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as other:
        url = other.stdout.readline().partition("(")[2].partition("/)")[0]
        failed = hj.run("healthcheck", "--url", url)
        other.terminate()

    assert failed.returncode == 1
    assert failed.stderr == f"hyperjobs: {url}/-/healthy: answered 404\n"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--url", "127.0.0.1:10985"], "is not like http://"),
        (["--url", "ftp://127.0.0.1"], "is not like http://"),
        (["--url", "http://user:secret@127.0.0.1"], "is not like http://"),
        (["--url", "http://127.0.0.1:99999"], "is no address"),
        (["--timeout", "0"], "is not a number from 0.1 to 600"),
        (["--key", "key.pem"], "--key goes with --cert"),
    ],
)
def test_what_cannot_be_asked_is_refused(hj, words, reason):
    refused = hj.run("healthcheck", *words)

    assert refused.returncode == 2
    assert reason in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_a_port_that_the_system_chose_is_not_guessed(hj):
    refused = hj.run("healthcheck", env={"HYPERJOBS_WEB__LISTEN": '["127.0.0.1:0"]'})

    assert refused.returncode == 2
    assert "name the agent's address with --url" in refused.stderr


@pytest.mark.parametrize("value", ['["127.0.0.1:1', "[127.0.0.1:1]]", "[a: b]", "nowhere", "[[]]"])
def test_a_listen_address_that_cannot_be_read_is_one_line(hj, value):
    refused = hj.run("healthcheck", env={"HYPERJOBS_WEB__LISTEN": value})

    assert refused.returncode == 2
    assert refused.stderr.startswith("hyperjobs: HYPERJOBS_WEB__LISTEN: ")
    assert len(refused.stderr.splitlines()) == 1


def test_a_missing_certificate_or_password_file_is_named(hj, tmp_path):
    missing = str(tmp_path / "none")

    for words in (["--login", missing], ["--url", "https://127.0.0.1:1", "--ca", missing]):
        failed = hj.run("healthcheck", *words)
        assert failed.returncode == 1
        assert failed.stderr.startswith("hyperjobs: ")
        assert "No such file" in failed.stderr


def test_it_loads_nothing_but_what_asking_takes(hj, running):
    found = loaded("healthcheck", env=hj.env(config(hj, f"store: {{path: {hj.store}}}\n" + listening(running[1]))))

    assert "hyperjobs.web.probe" in found
    assert not found & {
        "apscheduler",
        "apsw",
        "asyncio",
        "bcrypt",
        "jinja2",
        "prometheus_client",
        "pydantic",
        "structlog",
    }
