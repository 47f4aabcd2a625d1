"""docs/deploy.md and docs/upgrade.md, followed to the letter: installed, started, upgraded and uninstalled on a machine that goes afterwards."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.machines import machine
from support.processes import free_port, get, running
from support.scrapes import copy_fixture

ROOT = Path(__file__).resolve().parents[2]
CONFINED = ROOT / "tests" / "support" / "confined.py"
DROP_IN = "/etc/systemd/system/hyperjobs.service.d/shared-group.conf"

# What has to be otherwise here: root needs no sudo, and no systemd runs. The wheels are made before.
PRELUDE = """
sudo() { "$@"; }
systemctl() { echo "systemctl $*"; }
make() { echo "make $*"; }
set -eu
"""


def script(section, pattern=".", page="deploy.md"):
    """The commands of a section, those of its blocks that the pattern is found in."""
    text = (ROOT / "docs" / page).read_text().partition(f"## {section}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line.removeprefix("$ ") for block in blocks if re.search(pattern, block) for line in block.splitlines()]
    return "\n".join(lines)


@pytest.fixture
def wheels(wheels_alone):
    """Where `make wheels` put them, for as long as the test takes."""
    with wheels_alone():
        command = ["make", "wheels", f"VENV={sys.prefix}"]
        made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert made.returncode == 0, made.stdout + made.stderr
        yield ROOT / "dist" / "wheels"


@pytest.mark.long
@pytest.mark.tool("nsenter", "unshare", "setpriv", "gcc", "sqlite3", "systemd-sysusers", "systemd-tmpfiles")
def test_a_stranger_who_follows_the_page_gets_an_agent_and_gets_rid_of_it_again(tmp_path, wheels):
    assert (wheels / "requirements.txt").exists()
    url = f"http://127.0.0.1:{free_port()}"
    with machine(tmp_path, is_installed=False) as host:
        store = host.root / "var" / "lib" / "hypersdk" / "jobs.db"
        store.parent.mkdir()
        copy_fixture(store.parent)
        before = schema(store)

        def follow(section, pattern=".", page="deploy.md", **changes):
            """Run a section's commands in a shell as a person would, in the checkout; what they wrote."""
            text = script(section, pattern, page)
            for old, new in changes.items():
                assert old in text
                text = text.replace(old, new)
            path = "/usr/local/bin:/opt/python/bin:/usr/sbin:/usr/bin:/sbin:/bin"
            clean = ["env", "-i", f"PATH={path}", "LANG=C.UTF-8", f"HOME={tmp_path}", "bash", "-c"]
            return host.do_in(ROOT, *clean, PRELUDE + text)

        assert follow("The program").splitlines()[-1].startswith("hyperjobs ")
        assert follow("Completion and manual pages").splitlines()[-1].endswith(" pages")
        follow("Its user and directories")
        follow("Who may write the store")
        listen = f'web: {{listen: ["{url.removeprefix("http://")}"]}}\nstore:'
        follow("systemd", "tee", **{"store:": listen})
        follow("systemd", r"service\.d/shared-group")
        # `systemctl status` and the health check come once it runs
        host.do(f"install -m 0644 {ROOT}/deploy/systemd/hyperjobs.service /etc/systemd/system/hyperjobs.service")
        agent = host.inside(
            "unshare", "--mount", "--ipc", sys.executable, CONFINED, "/etc/systemd/system/hyperjobs.service", DROP_IN
        )
        with running(agent, cwd=Path("/")) as process:
            process.until(lambda: get(f"{url}/-/ready"), "readiness")
            process.until(lambda: "hyperjobs_ledger_ready 1.0" in get(f"{url}/metrics").text, "the ledger")
            assert "reads its store" in follow("systemd", "enable --now")
            assert "verified" in follow("systemd", "backup create")
            assert "reads its store" in follow("hyperjobs", page="upgrade.md")
            assert process.stop() == 0
        follow("Uninstall")

        assert schema(store) == before
        left = {str(path.relative_to(host.root)) for path in host.root.rglob("*hyperjobs*")}
        passwd = (host.root / "etc" / "passwd").read_text()
    assert "hyperjobs:" not in passwd
    # What the page names, and nothing else.
    kept = ("var/lib/hyperjobs", "var/backups/hyperjobs")
    assert {path for path in left if not path.startswith(kept)} == {"var/lib/hypersdk/jobs.db.hyperjobs.lock"}


def schema(store):
    listed = subprocess.run(
        ["sqlite3", store, "SELECT sql FROM sqlite_schema ORDER BY 1"], capture_output=True, text=True, check=True
    )
    return listed.stdout
