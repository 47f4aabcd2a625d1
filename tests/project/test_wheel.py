"""What is shipped is whole, and it is what the tests run."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

import hyperjobs
from support.tools import give_up

ROOT = Path(__file__).parent.parent.parent
PACKAGE = ROOT / "agent" / "hyperjobs"
NOT_SHIPPED = {"__pycache__"}


def shipped_files() -> set[str]:
    """Every file of the package in the checkout, as the wheel should name it."""
    return {
        str(path.relative_to(PACKAGE.parent))
        for path in PACKAGE.rglob("*")
        if path.is_file() and not NOT_SHIPPED & set(path.parts)
    }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built by the locked backend and nothing else."""
    directory = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", str(ROOT)]
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(directory)]
    built = subprocess.run([*command, *options], capture_output=True, text=True, timeout=120, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return zipfile.ZipFile(next(directory.glob("hyperjobs-*.whl")))


@pytest.fixture
def _wheel() -> None:
    """``make test`` installs it; run in another way, the tests see the checkout."""
    if os.environ.get("HYPERJOBS_TEST_WHEEL") != "1":
        give_up("only `make test` installs the wheel")


@pytest.mark.usefixtures("_wheel")
def test_the_tests_run_the_installed_wheel_and_not_the_checkout() -> None:
    imported = Path(hyperjobs.__file__)

    assert imported.is_relative_to(sysconfig.get_path("purelib"))
    assert not imported.is_relative_to(PACKAGE)


@pytest.mark.usefixtures("_wheel")
def test_the_installed_package_is_the_checkout_of_now() -> None:
    installed = Path(hyperjobs.__file__).parent.parent

    stale = [
        name for name in shipped_files() if (installed / name).read_bytes() != (PACKAGE.parent / name).read_bytes()
    ]

    assert stale == []


def test_the_wheel_holds_every_file_of_the_package(wheel: zipfile.ZipFile) -> None:
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}

    assert held == shipped_files()


def test_the_wheel_says_that_it_is_typed_and_under_which_licence(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()

    assert "hyperjobs/py.typed" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert any(name.endswith(".sql") for name in names)


def test_the_version_of_the_wheel_is_that_of_the_package(wheel: zipfile.ZipFile) -> None:
    metadata = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))

    assert f"\nVersion: {hyperjobs.__version__}\n" in wheel.read(metadata).decode()
