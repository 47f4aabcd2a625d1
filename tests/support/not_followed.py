"""The lines of the pages that no test runs as they stand, each with its reason and with what is held of it instead."""

from __future__ import annotations

import itertools
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from hyperjobs import __version__
from hyperjobs.rules.definition import alerts
from support.command_lines import read
from support.pages import ROOT, text_of
from support.tools import is_present

if TYPE_CHECKING:
    from collections.abc import Callable

FOREIGN_UNITS = {"prometheus": True, "prometheus-alertmanager": True, "grafana-server": False}
"""The units of others, and whether it is Debian that names them so."""


@dataclass(frozen=True, slots=True)
class NotFollowed:
    """Lines that are not run.

    Attributes:
        pattern: which ones, from their first letter on and without ``sudo``.
        reason: why not.
        check: what is asserted of such a line instead.
    """

    pattern: str
    reason: str
    check: Callable[[str], None]


def _make_would_do_something(line: str) -> None:
    """Make finds the target and knows the way to it."""
    asked = subprocess.run(
        ["make", "--dry-run", "ENGINE=true", *shlex.split(line, comments=True)[1:]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert asked.returncode == 0, asked.stderr
    assert asked.stdout.strip(), line


def _walkthrough_runs_it(line: str) -> None:
    """The long test of the pages follows a section that has the line."""
    followed = (ROOT / "tests/deploy/test_walkthrough.py").read_text()
    for page in ("docs/deploy.md", "docs/upgrade.md"):
        for section in re.split(r"^## ", text_of(page), flags=re.MULTILINE):
            if line in section and f'follow("{section.partition(chr(10))[0]}"' in followed:
                return
    raise AssertionError(line)


def _event_is_logged(line: str) -> None:
    """The unit is ours, and what is searched for is an event or a reason that the log has."""
    words = shlex.split(line)
    assert words[words.index("-u") + 1] == "hyperjobs"
    if "-g" in words:
        assert f"`{words[words.index('-g') + 1]}`" in text_of("docs/operate.md"), line


def _alert_exists(line: str) -> None:
    [name] = re.findall(r"alertname=(\w+)", line)
    assert name in alerts()
    if is_present("amtool"):
        asked = subprocess.run(
            [*shlex.split(line)[:3], "--help"], capture_output=True, text=True, check=False, timeout=60
        )
        assert asked.returncode == 0, asked.stderr


def _units_are_debians(line: str) -> None:
    for unit in shlex.split(line)[2:]:
        assert (
            not FOREIGN_UNITS[unit]
            or Path(f"/lib/systemd/system/{unit}.service").exists()
            or not is_present("promtool")
        )


def _unit_is_taken(_line: str) -> None:
    """What systemd would read again is a unit that it takes; tests/deploy asks it in full."""
    unit = (ROOT / "deploy/systemd/hyperjobs.service").read_text()
    assert re.search(r"^\[Service\]$", unit, re.MULTILINE)
    assert re.search(r"^ExecStart=\S+/hyperjobs run\b", unit, re.MULTILINE)


def _names_what_the_image_has(line: str) -> None:
    """The image is the one that `make image` makes, and its mounts are where the image keeps things."""
    words = shlex.split(line.replace("\\\n", " "))
    dockerfile = (ROOT / "deploy/docker/Dockerfile").read_text()
    if words[1] == "run":
        assert words[-1] == f"hyperjobs:{__version__}"
        for mount in (word for before, word in itertools.pairwise(words) if before == "-v"):
            assert mount.split(":")[1] in dockerfile + (ROOT / "deploy/docker/hyperjobs.yaml").read_text(), mount
    elif words[1] == "exec":
        read(" ".join(words[3:]))
    else:
        assert words[1:3] == ["compose", "up"]
        assert "services" in yaml.safe_load((ROOT / "deploy/compose/compose.yaml").read_text())


def _names_what_the_overlay_has(line: str) -> None:
    """The directory can be applied, and what is asked for by name is in it."""
    words = shlex.split(line)
    base = ROOT / "deploy/kubernetes"
    workload = yaml.safe_load((base / "base/statefulset.yaml").read_text())["metadata"]["name"]
    overlay = yaml.safe_load((base / "overlays/hypersdk-pvc/kustomization.yaml").read_text())
    if "-k" in words:
        directory = ROOT / words[words.index("-k") + 1]
        assert yaml.safe_load((directory / "kustomization.yaml").read_text())["kind"] == "Kustomization"
    if "-n" in words:
        assert words[words.index("-n") + 1] == overlay["namespace"]
    if "rollout" in words:
        assert f"statefulset/{workload}" in words
    if "exec" in words:
        assert f"{workload}-0" in words
        read(" ".join(words[words.index("--") + 1 :]))


def _names_our_user(line: str) -> None:
    declared = (ROOT / "deploy/systemd/hyperjobs.sysusers.conf").read_text()
    asked = shlex.split(line)[1]
    assert re.search(rf"^[ug] {asked} ", declared, re.MULTILINE), line


def _file_is_ours(line: str) -> None:
    words = shlex.split(line)
    assert words[-1] == "hyperjobs.conf"
    assert (ROOT / f"deploy/systemd/hyperjobs.{words[0].removeprefix('systemd-')}.conf").exists()


_LONG = "minutes, and an environment of its own; tests/deploy/test_walkthrough.py runs it for real"
_SYSTEM = "changes the machine; tests/deploy/test_walkthrough.py runs it for real on one that goes afterwards"

TABLE = (
    NotFollowed(r"make (test|wheels|image)\b", "takes minutes, and an engine for images", _make_would_do_something),
    NotFollowed(r"python3 -m venv /opt/", _LONG, _walkthrough_runs_it),
    NotFollowed(r"env PIP_NO_INDEX=1 PIP_FIND_LINKS=", _LONG, _walkthrough_runs_it),
    NotFollowed(r"systemd-(sysusers|tmpfiles) ", _SYSTEM, _file_is_ours),
    NotFollowed(r"chgrp hypersdk ", _SYSTEM, _names_our_user),
    NotFollowed(r"userdel ", _SYSTEM, _names_our_user),
    NotFollowed(r"systemctl daemon-reload$", "no systemd runs where tests do", _unit_is_taken),
    NotFollowed(
        r"systemctl \w+ (prometheus|grafana-server)", "units of others, on hosts of their own", _units_are_debians
    ),
    NotFollowed(r"journalctl ", "no journal where tests run", _event_is_logged),
    NotFollowed(r"amtool ", "asks an Alertmanager that has alerts", _alert_exists),
    NotFollowed(r"docker ", "takes an engine; tests/deploy builds and runs the image", _names_what_the_image_has),
    NotFollowed(
        r"kubectl ", "takes a cluster; tests/deploy builds and judges the overlays", _names_what_the_overlay_has
    ),
)


def bare(text: str) -> str:
    """A line without ``sudo``."""
    return re.sub(r"^sudo (-u \S+ )?", "", text)


def entry_of(text: str) -> NotFollowed | None:
    """The entry of a line that is not run; ``None`` for one that is."""
    return next((entry for entry in TABLE if re.match(entry.pattern, bare(text))), None)
