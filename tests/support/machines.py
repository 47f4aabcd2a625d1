"""A machine to install on: this one, with /etc, /opt, /var/lib and /var/backups of its own that go with the test."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from support.processes import running
from support.tools import give_up

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from support.processes import Process

PLACES = ("opt", "usr/local/bin", "var/lib", "var/backups", "var/cache", "srv", "etc")


class Machine:
    """Commands run in it see its own directories; everything else is this machine's.

    Attributes:
        root: where its directories are, seen from outside.
    """

    def __init__(self, holder: Process, root: Path) -> None:
        self._holder = holder
        self.root = root

    def inside(self, *words: str | Path) -> list[str]:
        """The words that run a command in it."""
        return ["nsenter", f"--target={self._holder.pid}", "--mount", *map(str, words)]

    def run(self, *words: str | Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command in it as root, and wait."""
        environment = {**os.environ, **(env or {})}
        return subprocess.run(
            self.inside(*words), capture_output=True, text=True, timeout=300, env=environment, cwd="/", check=False
        )

    def do(self, script: str) -> str:
        """Run a shell script in it as root, which must succeed; what it wrote."""
        return self.do_in(Path("/"), "sh", "-euc", script)

    def do_in(self, directory: Path, *words: str | Path) -> str:
        """Run a command in a directory of this machine as root, which must succeed; what it wrote."""
        done = self.run("env", "-C", directory, *words)
        assert done.returncode == 0, f"{words[-1]}\n{done.stdout}{done.stderr}"
        return done.stdout

    def as_user(self, user: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command in it as this user with all of its groups."""
        return self.run("setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", *words)


@contextmanager
def machine(directory: Path, *, is_installed: bool = True) -> Iterator[Machine]:
    """A machine for the length of a block, with the program under /opt/hyperjobs, or for somebody to install it on."""
    if os.geteuid() != 0:
        give_up("needs root, to mount and to change users")
    root = directory / "machine"
    for place in PLACES:
        (root / place).mkdir(parents=True)
    shutil.copytree("/etc", root / "etc", symlinks=True, dirs_exist_ok=True, ignore=_no_plain_file)
    (root / "opt" / "python").mkdir()
    sources = {**{f"/{place}": root / place for place in PLACES}, "/opt/python": Path(sys.base_prefix)}
    if is_installed:
        packages = _program(root / "opt" / "hyperjobs")
        sources[f"/{packages.relative_to(root)}"] = Path(sysconfig.get_path("purelib"))
    mounts = [f"mount --bind '{source}' '{point}'" for point, source in sources.items()]
    # A Python whose library is shared is linked to it where it was, which the loader has to be told.
    (root / "etc" / "ld.so.conf").write_text("/opt/python/lib\ninclude /etc/ld.so.conf.d/*.conf\n")
    script = " && ".join([*mounts, "ldconfig -X", "echo mounted", "exec sleep infinity"])
    with running(["unshare", "--mount", "--propagation=private", "sh", "-c", script]) as holder:
        holder.until(lambda: "mounted" in holder.output, "mounts")
        yield Machine(holder, root)


def _program(place: Path) -> Path:
    """An environment as `python3 -m venv` makes it, and the directory for packages in it, left empty.

    Its Python is this one, under /opt/python: where it is here, another user may not come.
    """
    packages = place / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    packages.mkdir(parents=True)
    (place / "bin").mkdir()
    base = Path("/opt/python/bin") / f"python{sys.version_info.major}.{sys.version_info.minor}"
    (place / "pyvenv.cfg").write_text(f"home = {base.parent}\ninclude-system-site-packages = false\n")
    (place / "bin" / "python").symlink_to(base)
    program = place / "bin" / "hyperjobs"
    program.write_text("#!/opt/hyperjobs/bin/python\nimport sys\nfrom hyperjobs.cli import main\nsys.exit(main())\n")
    program.chmod(0o755)
    return packages


def _no_plain_file(directory: str, names: list[str]) -> set[str]:
    """Sockets and FIFOs, which cannot be copied."""
    paths = [Path(directory, name) for name in names]
    return {path.name for path in paths if not (path.is_symlink() or path.is_dir() or path.is_file())}
