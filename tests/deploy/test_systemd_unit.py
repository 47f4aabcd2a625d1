"""The unit: systemd takes it, rates it as confined, and the agent works under what it takes away."""

from __future__ import annotations

import json
import os
import pwd
import shlex
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.machines import machine
from support.processes import free_port, get, running, until
from support.scrapes import copy_fixture
from support.tools import give_up
from support.units import Unit

ROOT = Path(__file__).resolve().parents[2]
SYSTEMD = ROOT / "deploy" / "systemd"
SERVICE = SYSTEMD / "hyperjobs.service"
EXAMPLES = sorted((SYSTEMD / "hyperjobs.service.d").glob("*.conf.example"))
CONFINED = ROOT / "tests" / "support" / "confined.py"

pytestmark = pytest.mark.tool("systemd-analyze")


def analyze(*words):
    command = ["systemd-analyze", "--no-pager", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def installed(tmp_path):
    """The unit as it is installed, its program where this environment has it, and room for drop-ins."""
    text = SERVICE.read_text().replace("/opt/hyperjobs/bin/", f"{Path(sys.executable).parent}/")
    (tmp_path / "hyperjobs.service.d").mkdir()
    unit = tmp_path / "hyperjobs.service"
    unit.write_text(text)
    return unit


@pytest.mark.parametrize("example", [None, *EXAMPLES], ids=lambda path: path.name if path else "alone")
def test_systemd_takes_the_unit_alone_and_with_every_example(installed, example):
    if example:
        (installed.parent / "hyperjobs.service.d" / example.name.removesuffix(".example")).write_text(
            example.read_text()
        )

    verified = analyze("verify", "--man=no", installed)

    assert (verified.returncode, verified.stderr) == (0, "")


def test_a_slip_in_the_unit_would_be_found(installed):
    installed.write_text(installed.read_text().replace("WatchdogSec", "WatchDogSec"))

    assert "WatchDogSec" in analyze("verify", "--man=no", installed).stderr


@pytest.mark.parametrize("example", [None, *EXAMPLES], ids=lambda path: path.name if path else "alone")
def test_systemd_rates_its_exposure_at_no_more_than_1_5(installed, example):
    text = installed.read_text() + (example.read_text() if example else "")
    installed.write_text(text)

    rated = analyze("security", "--offline=true", "--threshold=15", installed)

    assert rated.returncode == 0, rated.stdout.splitlines()[-1]


@pytest.mark.tool("systemd-sysusers", "systemd-tmpfiles")
def test_the_user_its_groups_and_its_directories_are_made(tmp_path):
    if os.geteuid() != 0:
        give_up("only root makes users")
    (tmp_path / "etc").mkdir()
    for name, place in (("sysusers", "sysusers.d"), ("tmpfiles", "tmpfiles.d")):
        target = tmp_path / "usr" / "lib" / place / "hyperjobs.conf"
        target.parent.mkdir(parents=True)
        target.write_text((SYSTEMD / f"hyperjobs.{name}.conf").read_text())
    subprocess.run(["systemd-sysusers", f"--root={tmp_path}", "hyperjobs.conf"], check=True, capture_output=True)
    made = ["systemd-tmpfiles", f"--root={tmp_path}", "--create", "hyperjobs.conf"]
    subprocess.run(made, check=True, capture_output=True)

    name, _, uid, gid, _, home, shell = (tmp_path / "etc" / "passwd").read_text().strip().split(":")
    groups = {line.split(":")[0]: line.split(":")[3] for line in (tmp_path / "etc" / "group").read_text().splitlines()}
    backups = (tmp_path / "var" / "backups" / "hyperjobs").stat()
    assert (name, home, shell.rpartition("/")[2]) == ("hyperjobs", "/var/lib/hyperjobs", "nologin")
    assert groups == {"hyperjobs": "", "hypersdk": "hyperjobs"}
    assert (backups.st_uid, backups.st_gid, backups.st_mode & 0o7777) == (int(uid), int(gid), 0o700)
    assert (tmp_path / "etc" / "hyperjobs").stat().st_mode & 0o7777 == 0o755


def test_the_unit_says_to_systemd_what_the_agent_does():
    unit = Unit(SERVICE)

    assert unit.last("Type") == "notify"
    assert shlex.split(unit.last("ExecStart"))[1:] == ["run", "--config", "/etc/hyperjobs/hyperjobs.yaml"]
    assert unit.last("ExecReload") == "/bin/kill -HUP $MAINPID"
    assert int(unit.last("TimeoutStopSec")) > 2  # within which the agent ends


# --- and the agent itself, under it


@pytest.fixture
def notified():
    """A socket as systemd makes it, and its name."""
    name = f"@hyperjobs-unit-{os.getpid()}-{time.monotonic_ns()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind("\0" + name[1:])
        bound.settimeout(20)
        yield bound, name


@pytest.fixture
def host(tmp_path):
    """A machine on which all of deploy/systemd is installed, beside a store of hypersdk's."""
    with machine(tmp_path) as made:
        (made.root / "var" / "lib" / "hypersdk").mkdir()
        copy_fixture(made.root / "var" / "lib" / "hypersdk")
        made.do(
            f"mkdir /etc/hyperjobs; systemd-sysusers {SYSTEMD}/hyperjobs.sysusers.conf;"
            f"systemd-tmpfiles --create {SYSTEMD}/hyperjobs.tmpfiles.conf;"
            "useradd --system --gid hypersdk --no-create-home hypersdk; chown -R hypersdk:hypersdk /var/lib/hypersdk"
        )
        yield made


@contextmanager
def service(host, notified, *examples, options=""):
    """The agent as systemd would start it; its process, once it says that it is ready, and its address."""
    bound, name = notified
    url = f"http://127.0.0.1:{free_port()}"
    (host.root / "etc" / "hyperjobs" / "hyperjobs.yaml").write_text(
        f"store: {{path: /var/lib/hypersdk/jobs.db, {options}}}\n"
        f'web: {{listen: ["{url.removeprefix("http://")}"]}}\nmaintenance: {{reserve: 1MiB}}\n'
    )
    drop_ins = [SYSTEMD / "hyperjobs.service.d" / f"{example}.conf.example" for example in examples]
    words = host.inside("unshare", "--mount", "--ipc", sys.executable, CONFINED, SERVICE, *drop_ins)
    with running(words, env={"NOTIFY_SOCKET": name}, cwd=Path("/")) as process:
        process.until(lambda: "READY=1" in received(bound), "readiness")
        yield process, url


def received(bound):
    try:
        bound.settimeout(0.1)
        return bound.recv(4096).decode().split("\n")
    except TimeoutError:
        return []


def metrics(url):
    lines = get(f"{url}/metrics").text.splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")}


def write(host, user, job):
    """Save a job as another program of this user."""
    columns = "id,name,vm_name,vm_path,provider,output_dir,status,created_at,error,metadata,user"
    values = f"'{job}','n','vm','/vm','vsphere','/o','pending','2026-09-01 10:00:00+00:00','','null',''"
    sql = f"INSERT OR REPLACE INTO jobs({columns}) VALUES({values})"
    written = host.as_user(user, "sqlite3", "-cmd", ".timeout 10000", "/var/lib/hypersdk/jobs.db", sql)
    assert written.returncode == 0, written.stderr


SHARED = "chmod 2770 /var/lib/hypersdk; chmod 0660 /var/lib/hypersdk/jobs.db*"
WAYS = [("shared-group", SHARED), ("as-hypersdk", "chown hypersdk: /var/backups/hyperjobs")]


@pytest.mark.tool("nsenter", "unshare", "setpriv", "gcc", "sqlite3")
@pytest.mark.parametrize(("example", "prepared"), WAYS, ids=[way[0] for way in WAYS])
def test_the_confined_agent_keeps_its_ledger_and_takes_backups_while_the_daemons_user_writes(
    host, notified, example, prepared
):
    host.do(prepared)
    with service(host, notified, example) as (process, url):
        up = process.until(lambda: metrics(url).get("hyperjobs_ledger_ready"), "the ledger")
        before = metrics(url)['hyperjobs_jobs_created_total{provider="vsphere"}']
        write(host, "hypersdk", "beside-1")
        process.until(
            lambda: metrics(url)['hyperjobs_jobs_created_total{provider="vsphere"}'] == before + 1, "the new job"
        )
        taken = host.run("/opt/hyperjobs/bin/hyperjobs", "backup", "create", "--json")
        assert (up, metrics(url)["hyperjobs_store_up"]) == (1, 1)
        assert taken.returncode == 0, taken.stderr
        assert json.loads(taken.stdout)["state"] == "verified"
        assert metrics(url)['hyperjobs_backups{destination="local",state="verified"}'] == 1
        process.signal(signal.SIGTERM)
        assert process.wait() == 0
    # Whoever opened the store last, the other goes on: -wal and -shm are both's.
    write(host, "hypersdk", "beside-2")
    with service(host, notified, example) as (process, url):
        process.until(lambda: metrics(url).get("hyperjobs_ledger_ready"), "the ledger again")
        write(host, "hypersdk", "beside-3")
        assert process.stop() == 0
    assert host.as_user("hypersdk", "sqlite3", "/var/lib/hypersdk/jobs.db", "PRAGMA integrity_check").stdout == "ok\n"


@pytest.mark.tool("nsenter", "unshare", "setpriv", "gcc", "sqlite3")
def test_the_restrictions_are_in_force(host, notified):
    host.do(SHARED)
    with service(host, notified, "shared-group") as (process, _):
        pid = until(lambda: agents(process.pid), "the agent")
        status = dict(
            line.split(":\t") for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line
        )
        mounts = [line.split() for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines()]
        writable = {words[4] for words in mounts if "rw" in words[5].split(",")}

    assert (status["NoNewPrivs"], status["Seccomp"], status["Umask"]) == ("1", "2", "0007")
    assert {status[f"Cap{kind}"] for kind in ("Prm", "Eff", "Bnd", "Amb")} == {"0" * 16}
    assert "0" not in status["Uid"].split()
    kept = {"/var/lib/hyperjobs", "/var/lib/hypersdk", "/var/backups/hyperjobs", "/tmp", "/var/tmp"}  # noqa: S108
    hidden = {"/home", pwd.getpwuid(0).pw_dir, "/run/user"}
    assert {point for point in writable if not point.startswith(("/dev", "/proc", "/sys"))} - hidden == kept


def agents(pid):
    """The agent among this process and its children: nsenter and unshare became it."""
    is_agent = b"/opt/hyperjobs/bin/hyperjobs" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return pid if is_agent else None


@pytest.mark.tool("nsenter", "unshare", "setpriv", "gcc", "sqlite3")
def test_who_forgot_the_permissions_is_told_and_served_as_soon_as_they_are_right(host, notified):
    host.do("chmod 0755 /var/lib/hypersdk; chmod 0644 /var/lib/hypersdk/jobs.db*")
    with service(host, notified, "shared-group") as (process, url):
        process.until(lambda: "make the directory writable for hyperjobs" in process.output, "the remedy")
        found = metrics(url)
        host.do(SHARED)
        process.until(lambda: metrics(url).get("hyperjobs_ledger_ready") == 1, "the ledger")
        assert process.stop() == 0

    assert found["hyperjobs_store_up"] == 0
    assert found['hyperjobs_store_errors_total{reason="readonly"}'] >= 1


@pytest.mark.tool("nsenter", "unshare", "setpriv", "gcc", "sqlite3")
@pytest.mark.parametrize(("example", "prepared"), WAYS, ids=[way[0] for way in WAYS])
def test_a_store_that_is_made_or_restored_where_there_was_none_is_the_daemons_too(host, notified, example, prepared):
    host.do(prepared)
    with service(host, notified, example) as (process, url):
        process.until(lambda: metrics(url).get("hyperjobs_ledger_ready"), "the ledger")
        assert process.stop() == 0
    program = "/opt/hyperjobs/bin/hyperjobs"
    host.do(f"{program} backup create; rm /var/lib/hypersdk/jobs.db*; {program} restore --yes")
    write(host, "hypersdk", "after-restore")

    host.do("rm /var/lib/hypersdk/jobs.db*")
    with service(host, notified, example, options="create: true") as (process, _):
        write(host, "hypersdk", "after-creation")
        assert process.stop() == 0


@pytest.mark.tool("nsenter", "unshare", "setpriv")
@pytest.mark.parametrize("words", [["list"], ["healthcheck"], ["config", "show"]])
def test_a_user_without_a_name_and_a_home_gets_an_answer_and_no_surprise(host, words):
    """As whom a container often runs."""
    user = ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups", "env", "-i"]

    done = host.run(*user, "/opt/hyperjobs/bin/hyperjobs", *words)

    assert "unexpected" not in done.stderr
    assert done.returncode == {"list": 6, "healthcheck": 1, "config": 0}[words[0]]
