"""The real agent behind TLS and a password: real clients get in as they should, and others as they should not."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import bcrypt
import pytest

from support.agents import launched, logged, started
from support.certificates import Authority
from support.processes import free_port, get, running
from support.scrapes import copy_fixture

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.processes import Process

PASSWORD = "canary-Jabberwock-71"  # noqa: S105 - of an agent that lives as long as a test
GUESS = "canary-Bandersnatch-93"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A store, and a web configuration that asks for a client's certificate and a password."""
    servers, clients = Authority(tmp_path / "servers"), Authority(tmp_path / "clients")
    server, client = servers.issue("server"), clients.issue("prometheus", sans="DNS:prometheus.example.net")
    for name, file in {
        "server.crt": server.crt,
        "server.key": server.key,
        "ca.crt": servers.crt,
        "clients.crt": clients.crt,
        "client.crt": client.crt,
        "client.key": client.key,
    }.items():
        shutil.copy(file, tmp_path / name)
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(10)).decode()
    (tmp_path / "web.yaml").write_text(
        "tls_server_config: {cert_file: server.crt, key_file: server.key, client_ca_file: clients.crt,\n"
        "  client_auth_type: RequireAndVerifyClientCert, client_allowed_sans: [prometheus.example.net]}\n"
        f"basic_auth_users: {{prometheus: {hashed}}}\n"
    )
    copy_fixture(tmp_path)
    return tmp_path


@pytest.fixture
def served(home: Path) -> Iterator[tuple[Process, str]]:
    """The agent, and its port."""
    env = {"HYPERJOBS_WEB__CONFIG_FILE": str(home / "web.yaml"), "HYPERJOBS_LOG__LEVEL": "debug"}
    with launched(home / "jobs.db", home / "state", env=env) as process:
        yield process, started(process).rpartition(":")[2]


def curl(home: Path, port: str, *words: str) -> tuple[int, str]:
    """Exit code of curl, and the status of the answer."""
    command = ["curl", "-s", "-o", home / "body", "-w", "%{http_code}", "--cacert", home / "ca.crt", *words]
    done = subprocess.run(
        [*command, f"https://localhost:{port}/metrics"], capture_output=True, text=True, check=False, timeout=30
    )
    return done.returncode, done.stdout


@pytest.mark.tool("curl")
def test_curl_gets_in_with_certificate_and_password_and_in_no_other_way(home, served):
    process, port = served
    certificate = ["--cert", str(home / "client.crt"), "--key", str(home / "client.key")]

    assert curl(home, port, *certificate, "-u", f"prometheus:{PASSWORD}") == (0, "200")
    assert "hyperjobs_store_up 1" in (home / "body").read_text()
    for credentials in (
        [],
        ["-u", f"prometheus:{GUESS}"],
        ["-u", f"nobody:{PASSWORD}"],
        ["-H", "Authorization: Basic %%%"],
    ):
        assert curl(home, port, *certificate, *credentials) == (0, "401")
        assert "canary" not in (home / "body").read_text()
    assert curl(home, port, "-u", f"prometheus:{PASSWORD}")[1] == "000"
    assert curl(home, port, *certificate, "--tls-max", "1.1", "--ciphers", "ALL:@SECLEVEL=0")[1] == "000"

    assert process.stop() == 0
    assert "canary" not in process.output  # at the debug level


@pytest.mark.tool("prometheus")
def test_prometheus_scrapes_it_and_follows_a_rotated_certificate(home, served):
    process, port = served
    scraping = {
        "job_name": "hyperjobs",
        "scheme": "https",
        "static_configs": [{"targets": [f"localhost:{port}"]}],
        "tls_config": {
            name: str(home / file)
            for name, file in {"ca_file": "ca.crt", "cert_file": "client.crt", "key_file": "client.key"}.items()
        },
        "basic_auth": {"username": "prometheus", "password": PASSWORD},
    }
    config = {"global": {"scrape_interval": "1s", "scrape_timeout": "900ms"}, "scrape_configs": [scraping]}
    (home / "prometheus.json").write_text(json.dumps(config))
    address = f"127.0.0.1:{free_port()}"
    command = ["prometheus", f"--config.file={home / 'prometheus.json'}", f"--storage.tsdb.path={home / 'tsdb'}"]

    with running([*command, f"--web.listen-address={address}"]) as prometheus:

        def last(field: str) -> object:
            answer = get(f"http://{address}/api/v1/targets")
            targets = json.loads(answer.text)["data"]["activeTargets"] if answer and answer.status == 200 else []
            return targets[0][field] if targets else None

        prometheus.until(lambda: last("health") == "up", "a scrape", timeout_s=60)
        rotated = Authority(home / "other").issue("rotated")
        shutil.copy(home / "other" / "authority.crt", home / "ca.crt")
        for name in ("crt", "key"):
            shutil.copy(getattr(rotated, name), home / f"next.{name}")
            os.replace(home / f"next.{name}", home / f"server.{name}")  # noqa: PTH105
        process.until(lambda: logged(process, "web.config_reloaded"), "the new certificate")
        seen = last("lastScrape")
        prometheus.until(lambda: last("lastScrape") != seen and last("health") == "up", "another", timeout_s=30)


def test_a_web_configuration_that_is_wrong_is_exit_2_and_starts_nothing(home, tmp_path):
    (home / "web.yaml").write_text("tls_server_config:\n  cert_file: server.crt\n  key_fil: x\n")

    with launched(
        home / "jobs.db", tmp_path / "none", env={"HYPERJOBS_WEB__CONFIG_FILE": str(home / "web.yaml")}
    ) as process:
        assert process.wait() == 2

    lines = [line for line in process.output.splitlines() if not line.startswith("{")]
    assert lines[0].startswith(f"hyperjobs: {home / 'web.yaml'}:2: tls_server_config.key_file: is missing")
    assert lines[1].startswith(f"hyperjobs: {home / 'web.yaml'}:3: tls_server_config.key_fil: ")
    assert not (tmp_path / "none").exists()
    assert not (home / "jobs.db.hyperjobs.lock").exists()


def test_a_web_configuration_that_goes_wrong_is_a_metric(home, served):
    process, port = served
    context = ssl.create_default_context(cafile=home / "ca.crt")
    context.load_cert_chain(home / "client.crt", home / "client.key")

    def value() -> float:
        opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))
        manager = urllib.request.HTTPPasswordMgrWithPriorAuth()
        url = f"https://localhost:{port}/metrics"
        manager.add_password(None, url, "prometheus", PASSWORD, is_authenticated=True)
        opener.add_handler(urllib.request.HTTPBasicAuthHandler(manager))
        with opener.open(url, timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return float(
            next(line for line in lines if line.startswith("hyperjobs_config_last_reload_successful")).split()[1]
        )

    assert value() == 1
    before = (home / "web.yaml").read_text()
    (home / "web.yaml").write_text("")
    assert value() == 0
    assert [line["level"] for line in logged(process, "web.config_refused")] == ["error"]
    (home / "web.yaml").write_text(before)
    assert value() == 1
