"""A store on a network file system, as the command line and the agent meet it.

The system's own table of mounts is replaced for each process: with a real mount over ``/proc/self/mountinfo``.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from support.agents import launched, started
from support.backups import store_of
from support.disks import small_disk
from support.processes import get
from support.tools import give_up

_MASK = 'mount --bind "$0" /proc/$$/mountinfo && exec "$@"'
pytestmark = pytest.mark.tool("root", "unshare")

ALLOWED = {"HYPERJOBS_STORE__NETWORK_FILESYSTEM": "allow"}


@pytest.fixture
def store(tmp_path):
    with small_disk(tmp_path, 32 * 2**20) as place:
        yield store_of(place / "jobs.db")


@pytest.fixture
def masked(store, tmp_path):
    """Words before a command that let it see the store's disk as a mount of NFS."""
    table = tmp_path / "mountinfo"
    table.write_text(f"40 22 0:40 / {store.parent} rw,relatime - nfs4 server:/export rw\n")
    words = ["unshare", "--mount", "sh", "-c", _MASK, str(table)]
    tried = subprocess.run([*words, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        give_up(f"no mount can be put over the table of mounts here: {tried.stderr.strip()}")
    return words


def said(masked, *words, env=None):
    """Exit code and what the command line writes."""
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/nonexistent", **(env or {})}
    done = subprocess.run(
        [*masked, sys.executable, "-m", "hyperjobs", *words],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("command", [["list"], ["stats"]])
def test_a_reading_command_refuses_with_the_file_system_and_the_option(masked, store, command):
    code, out, err = said(masked, *command, "--store", str(store))

    assert (code, out) == (6, "")
    assert err.count("\n") == 1
    assert "network file system (nfs4)" in err
    assert "store.network_filesystem: allow" in err


def test_a_command_works_where_the_environment_or_the_file_allows_it(masked, store, tmp_path):
    file = tmp_path / "hyperjobs.yaml"
    file.write_text(f"store:\n  path: {store}\n  network_filesystem: allow\n")

    assert said(masked, "list", "--store", str(store), env=ALLOWED)[0] == 0
    assert said(masked, "list", "--config", str(file))[0] == 0
    file.write_text(f"store:\n  path: {store}\n  network_filesystem: refuse\n")
    assert said(masked, "list", "--config", str(file))[0] == 6


def samples(url):
    answer = get(f"{url}/metrics")
    assert answer is not None
    assert answer.status == 200
    lines = [line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}


def test_the_agent_stays_alive_and_says_why_it_serves_nothing(masked, store, tmp_path):
    reason = 'hyperjobs_store_errors_total{reason="network_filesystem"}'
    with launched(store, tmp_path / "state", prefix=masked) as process:
        url = started(process)

        found = process.until(lambda: (now := samples(url)).get(reason) and now, "the reason")

        assert found["hyperjobs_store_up"] == 0
        assert process.stop() == 0
    assert sorted(path.name for path in store.parent.iterdir()) == ["jobs.db", "jobs.db.hyperjobs.lock"]


def test_the_agent_serves_it_where_that_is_allowed(masked, store, tmp_path):
    with launched(store, tmp_path / "state", prefix=masked, env=ALLOWED) as process:
        url = started(process)
        process.until(lambda: samples(url)["hyperjobs_store_up"] == 1, "the store")


def test_backups_go_to_a_network_mount_and_are_drilled_there(masked, store, tmp_path):
    local = store_of(tmp_path / "local.db")
    directory = store.parent / "backups"
    setting = {"HYPERJOBS_STORE__STATE_DIR": str(tmp_path / "state")}

    code, out, err = said(masked, "backup", "create", "--store", str(local), "--dir", str(directory), env=setting)
    assert (code, err) == (0, "")
    code, out, err = said(masked, "drill", "--store", str(local), "--dir", str(directory), "--json", env=setting)

    assert (code, err) == (0, "")
    assert json.loads(out)["outcome"] == "ok"
