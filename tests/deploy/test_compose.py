"""The compose file: taken by docker-compose, confined, pinned, and naming only what is there."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from hyperjobs import __version__

COMPOSE = Path(__file__).resolve().parents[2] / "deploy" / "compose"
FILE = COMPOSE / "compose.yaml"
DOCUMENT = yaml.safe_load(FILE.read_text())
SERVICES = DOCUMENT["services"]
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")
FILLED = {
    "HYPERJOBS_HOSTNAME": "migrations-1",
    "HYPERJOBS_GID": "990",
    "GRAFANA_ADMIN_PASSWORD": "not-this-one",  # of no real Grafana
}


def config(*words, **environment):
    """`docker-compose config`, which checks the file against its schema and asks no daemon."""
    known = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    command = ["docker-compose", "--file", str(FILE), "config", *words]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=COMPOSE, env={**known, **environment}, check=False
    )


@pytest.mark.tool("docker-compose")
def test_compose_takes_the_file():
    checked = config("--quiet", **FILLED)

    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.tool("docker-compose")
@pytest.mark.parametrize("name", FILLED)
def test_compose_asks_for_what_only_the_host_knows(name):
    refused = config("--quiet", **{key: value for key, value in FILLED.items() if key != name})

    assert refused.returncode == 1
    assert ".env.example" in refused.stderr


def test_the_example_of_the_environment_names_every_variable():
    named = set(re.findall(r"^(\w+)=", (COMPOSE / ".env.example").read_text(), re.MULTILINE))

    assert named == {name for name, _, _ in VARIABLE.findall(FILE.read_text())} - {"HYPERJOBS_IMAGE"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_may_do_and_write_no_more_than_it_needs(name):
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "network_mode", "pid", "ipc", "cap_add", "devices"} & service.keys()
    assert "/var/run/docker.sock" not in str(service)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_a_pinned_image_a_health_check_and_comes_back(name):
    service = SERVICES[name]
    image = VARIABLE.sub(r"\3", service["image"])

    assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+", image)
    assert service["healthcheck"]["test"][0] == "CMD"
    assert service["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", SERVICES)
def test_a_port_is_opened_to_this_host_alone(name):
    assert all(re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port) for port in SERVICES[name]["ports"])


def mounts(name):
    """Source and target of each volume of a service, defaults filled in."""
    return [VARIABLE.sub(r"\3", text).split(":")[:2] for text in SERVICES[name]["volumes"]]


@pytest.mark.parametrize("name", SERVICES)
def test_every_file_that_is_mounted_is_there(name):
    missing = [source for source, _ in mounts(name) if source.startswith(".") and not (COMPOSE / source).exists()]

    assert missing == []


def test_every_named_volume_is_declared_and_used():
    used = {source for name in SERVICES for source, _ in mounts(name) if source[0] not in "./"}

    assert used == set(DOCUMENT["volumes"])


def test_the_agent_is_the_image_of_this_version_under_the_hosts_name():
    service = SERVICES["hyperjobs"]
    dockerfile = (COMPOSE.parent / "docker" / "Dockerfile").read_text()

    assert VARIABLE.sub(r"\3", service["image"]) == f"hyperjobs:{__version__}"
    assert service["hostname"].startswith("${HYPERJOBS_HOSTNAME:?")
    assert f"CMD {str(service['healthcheck']['test'][1:]).replace(chr(39), chr(34))}" in dockerfile
    assert {target for _, target in mounts("hyperjobs")} == {
        "/var/lib/hypersdk",
        "/var/lib/hyperjobs",
        "/var/backups/hyperjobs",
    }


@pytest.mark.tool("promtool")
def test_prometheus_takes_its_file_and_scrapes_the_agent_by_the_name_that_the_rules_select():
    file = COMPOSE / "prometheus.yml"
    checked = subprocess.run(["promtool", "check", "config", file], capture_output=True, text=True, check=False)
    [job] = yaml.safe_load(file.read_text())["scrape_configs"]

    assert checked.returncode == 0, checked.stderr
    assert job == {"job_name": "hyperjobs", "static_configs": [{"targets": ["hyperjobs:10985"]}]}
