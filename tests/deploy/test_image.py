"""The image, really built from the Dockerfile and run: read-only root, user 65532, volumes, health check, SIGTERM."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.processes import free_port, get, running
from support.scrapes import copy_fixture
from support.tools import give_up

ROOT = Path(__file__).resolve().parents[2]
BASE = f"localhost/python:{sys.version_info.major}.{sys.version_info.minor}"
IMAGE = "localhost/hyperjobs:test"
UID = 65532

pytestmark = [
    pytest.mark.long,
    pytest.mark.tool("root", "buildah", "debootstrap", "unshare", "setpriv"),
]


def done(*words, env=None):
    """What a program wrote; it must succeed."""
    command = [str(word) for word in words]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=env, timeout=900, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Where buildah keeps its images: away from the machine's own, without any driver that needs the kernel's help."""
    place = tmp_path_factory.mktemp("containers")
    conf = place / "storage.conf"
    conf.write_text(f'[storage]\ndriver = "vfs"\ngraphroot = "{place}/graph"\nrunroot = "{place}/run"\n')
    return {**os.environ, "CONTAINERS_STORAGE_CONF": str(conf), "BUILDAH_ISOLATION": "chroot"}


@pytest.fixture(scope="module")
def image(environment, tmp_path_factory, wheels_alone):
    """`make image` on a minimal Debian; what the image says of itself."""
    rootfs = tmp_path_factory.mktemp("base") / "rootfs"
    done("debootstrap", "--variant=minbase", "--include=python3,python3-venv", "bookworm", rootfs)
    version = done("chroot", rootfs, "python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])").strip()
    if version != BASE.rpartition(":")[2]:
        give_up(f"the wheels are for {BASE}, and Debian's Python is {version}")
    base = done("buildah", "from", "scratch", env=environment).strip()
    done("buildah", "add", base, rootfs, "/", env=environment)
    done("buildah", "commit", "--rm", base, BASE, env=environment)
    settings = [f"VENV={sys.prefix}", "ENGINE=buildah", f"IMAGE={IMAGE}", f"BASE_IMAGE={BASE}"]
    with wheels_alone():
        done("make", "image", *settings, env=environment)
    return json.loads(done("buildah", "inspect", "--type=image", IMAGE, env=environment))["Docker"]["config"]


@pytest.fixture(scope="module")
def container(image, environment):
    """What the image says of itself, and a container of it that is not started: its name and its root."""
    name = done("buildah", "from", "--pull-never", IMAGE, env=environment).strip()
    yield image, name, done("buildah", "mount", name, env=environment).strip()
    done("buildah", "rm", name, env=environment)


@dataclass(frozen=True)
class Volumes:
    """How an engine hands over volumes.

    Attributes:
        uid: the user and group that the process runs as.
        backups: where the volume for backups is mounted.
        owner: of a new volume.
        mode: of a new volume.
    """

    uid: int
    backups: str
    owner: int
    mode: int

    def make(self, directory):
        """A store of hypersdk's and empty volumes, by the path they are mounted at."""
        points = ["/var/lib/hypersdk", "/var/lib/hyperjobs", self.backups]
        places = {point: directory / point.replace("/", "-")[1:] for point in points}
        for place in places.values():
            place.mkdir()
            os.chown(place, self.owner, self.uid)
            place.chmod(self.mode)
        store = copy_fixture(places["/var/lib/hypersdk"])
        os.chown(store, self.uid, self.uid)
        return places


DOCKER = Volumes(uid=UID, backups="/var/backups/hyperjobs", owner=UID, mode=0o700)
KUBERNETES = Volumes(uid=1000, backups="/var/backups", owner=0, mode=0o2770)  # fsGroup, as deploy/kubernetes has it


@contextmanager
def started(image, root, uid, volumes, **settings):
    """The image's process as process 1 of namespaces of its own, on a root that is read-only."""
    env = [*image["Env"], *(f"{name}={value}" for name, value in settings.items())]
    words = [*image["Entrypoint"], *image["Cmd"]]
    script = [
        f"mount --bind {root} {root}",
        *(f"mkdir -p {root}{point}; mount --bind {source} {root}{point}" for point, source in volumes.items()),
        f"mount -o remount,bind,ro {root}",
        f"mount -t proc proc {root}/proc",
        f"exec setpriv --no-new-privs chroot --userspec={uid}:{uid} {root} env -i {shlex.join([*env, *words])}",
    ]
    command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-euc", "\n".join(script)]
    with running(command) as process:
        try:
            yield process
        finally:
            for child in children(process.pid):  # a change of user took the wish to die with its parent away
                os.kill(child, signal.SIGKILL)


def test_the_image_says_what_it_is_and_runs_as_its_own_user(container, environment):
    image, name, root = container

    assert image["User"] == f"{UID}:{UID}"
    assert image["StopSignal"] == "SIGTERM"
    assert list(image["ExposedPorts"]) == ["10985/tcp"]
    assert set(image["Volumes"]) == {"/var/lib/hyperjobs", "/var/backups/hyperjobs"}
    assert image["Healthcheck"]["Test"] == ["CMD", "hyperjobs", "healthcheck"]
    assert image["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert len(image["Labels"]["org.opencontainers.image.revision"]) == 40
    assert done("buildah", "run", name, "--", "id", "-u", env=environment).strip() == str(UID)
    assert done("buildah", "run", name, "--", "hyperjobs", "--version", env=environment).startswith("hyperjobs ")
    assert not list(Path(root, "opt/hyperjobs/lib").rglob("pip"))


@pytest.mark.parametrize("engine", [DOCKER, KUBERNETES], ids=["docker", "kubernetes"])
def test_it_serves_checks_backs_up_and_ends_with_nothing_to_write_to_but_its_volumes(container, engine, tmp_path):
    image, _, root = container
    uid, volumes = engine.uid, engine.make(tmp_path)
    port = free_port()
    settings = {"HYPERJOBS_WEB__LISTEN": f'["127.0.0.1:{port}"]'}
    url = f"http://127.0.0.1:{port}"
    with started(image, root, uid, volumes, **settings) as process:

        def inside(*words):
            """Another process in the container, as `docker exec` and the health check start it."""
            target = children(process.pid)[0]
            env = [*image["Env"], *(f"{name}={value}" for name, value in settings.items())]
            enter = ["nsenter", f"--target={target}", "--mount", "--pid", "--root", "--wd"]
            as_user = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "env", "-i", *env, *words]
            return subprocess.run([*enter, *as_user], capture_output=True, text=True, timeout=60, check=False)

        process.until(lambda: "hyperjobs_ledger_ready 1.0" in text(f"{url}/metrics"), "the ledger")
        assert "hyperjobs_store_up 1.0" in text(f"{url}/metrics")
        healthy = inside(*image["Healthcheck"]["Test"][1:])
        assert (healthy.returncode, healthy.stdout, healthy.stderr) == (0, f"{url}: alive\n", "")
        assert inside("hyperjobs", "healthcheck", "--ready", "--store").returncode == 0
        assert len(inside("hyperjobs", "list", "--limit", "2").stdout.splitlines()) == 2
        taken = inside("hyperjobs", "backup", "create")
        assert taken.returncode == 0, taken.stderr
        compacted = inside("hyperjobs", "vacuum", "--mode=full", "--force")
        assert compacted.returncode == 0, compacted.stderr
        refused = inside("sh", "-c", "for at in / /etc /tmp /var/tmp /opt/hyperjobs; do touch $at/x && echo $at; done")
        assert refused.stdout == ""
        status = Path(f"/proc/{children(process.pid)[0]}/status").read_text()
        assert f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}" in status
        assert "CapEff:\t0000000000000000" in status

        os.kill(children(process.pid)[0], signal.SIGTERM)
        assert process.wait() == 0
    assert len(list(volumes[engine.backups].rglob("*.db.zst"))) == 1


def children(pid):
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:  # it has ended
        return []


def text(url):
    answer = get(url)
    return answer.text if answer else ""
