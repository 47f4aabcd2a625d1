"""A demo for the length of a block: a store with a past, its agent, a fleet that writes, a Prometheus that watches."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from demo.children import Children, DemoError
from demo.servers import HERE, alertmanager_command, program, prometheus_command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CONFIG: Final = HERE / "hyperjobs.yaml"
DAYS: Final = 14.0
_FIRST_NIGHT: Final = (
    ("integrity",),
    ("backup", "create"),
    ("integrity", "--full"),
    ("drill",),
    ("prune", "--yes"),
    ("vacuum",),
    ("optimize",),
    ("checkpoint", "--truncate"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """One that is up.

    Attributes:
        agent: the agent's address, without a slash at the end.
        prometheus: that of Prometheus; ``None`` where it is not asked for or not installed.
        alertmanager: that of Alertmanager, likewise.
        store: path of the store.
        directory: where everything is kept.
        environment: what ``hyperjobs`` needs beside ``--config`` to work on this demo.
        children: its processes: ``agent``, ``fleet``, ``prometheus``, ``alertmanager``.
    """

    agent: str
    prometheus: str | None
    alertmanager: str | None
    store: Path
    directory: Path
    environment: dict[str, str]
    children: Children

    def hyperjobs(self, *words: str) -> str:
        """What a command says on this demo's store.

        Raises:
            DemoError: it failed.
        """
        done = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-m", "hyperjobs", *words, "--config", str(CONFIG)],
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise DemoError(f"hyperjobs {' '.join(words)}: exit code {done.returncode}\n{done.stderr or done.stdout}")
        return done.stdout

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The vector an expression has in Prometheus now; empty while there is none."""
        answer = fetch(f"{self.prometheus}/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
        found: list[dict[str, Any]] = json.loads(answer)["data"]["result"] if answer else []
        return found


@contextmanager
def living(  # noqa: PLR0913 - all but the directory have a default
    directory: Path,
    *,
    speed: float = 1.0,
    seed: int = 1,
    with_prometheus: bool = True,
    days: float = DAYS,
    port: int = 0,
    prometheus_port: int = 0,
    alertmanager_port: int = 0,
    scrape_interval_s: float = 5.0,
    say: Callable[[str], object] = lambda _line: None,
) -> Iterator[Demo]:
    """A demo that is up: the ledger counted, a backup proven, a drill passed, jobs pruned, space given back, scraped.

    Args:
        directory: for everything that it keeps; a store that is in it is gone on with.
        speed: so many times faster than in life go jobs and days.
        seed: the same one makes the same past, and a fleet that throws the same dice.
        with_prometheus: start Prometheus and Alertmanager, where they are installed.
        days: how long the past is.
        port: what the agent listens on; 0 is any free one, as for the others.
        prometheus_port: that of Prometheus.
        alertmanager_port: that of Alertmanager.
        scrape_interval_s: between two scrapes of Prometheus.
        say: told what is being done.

    Raises:
        DemoError: something did not start or did not stay; the message says what and why.
    """
    directory = directory.resolve()
    for name in ("", "backups", "offsite"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    store, address = directory / "jobs.db", _address(port)
    environment = _environment(directory, address)
    python: list[str | Path] = [sys.executable, "-m"]
    ours = {"PYTHONPATH": str(HERE.parent)}
    with Children(directory / "log") as children:
        if not store.exists():
            say(f"writing the past {days:g} days of a fleet …")
            command = [*python, "demo.backfill", store, "--seed", str(seed), "--days", str(days)]
            say(children.run("backfill", command, env=ours).strip())
        children.start("agent", [*python, "hyperjobs", "run", "--config", CONFIG], env=environment)
        url = f"http://{address}"
        children.until(lambda: "hyperjobs_ledger_ready 1.0" in fetch(f"{url}/metrics"), "the agent's first count")
        has_prometheus = with_prometheus and program("prometheus") is not None
        watched = _watched(has_prometheus, prometheus_port, alertmanager_port)
        demo = Demo(
            agent=url,
            prometheus=watched.get("prometheus"),
            alertmanager=watched.get("alertmanager"),
            store=store,
            directory=directory,
            environment=environment,
            children=children,
        )
        _start_servers(demo, scrape_interval_s)
        words = ["--speed", str(speed), "--seed", str(seed), "--day", str(days)]
        children.start("fleet", [*python, "demo.fleet", store, *words], env=ours)
        children.until(lambda: "ready" in children.log("fleet").read_text(), "the fleet")
        say("a first night of maintenance …")
        _first_night(demo)
        if demo.prometheus is not None:
            children.until(
                lambda: demo.query("hyperjobs_ledger_ready == 1 and on(instance) up == 1"), "Prometheus's first scrape"
            )
        yield demo


def fetch(url: str) -> str:
    """The text at an address; empty while nobody answers, or says no."""
    try:
        with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310 - our own http address
            text: str = response.read().decode()
            return text
    except OSError:
        return ""


def _first_night(demo: Demo) -> None:
    """What the schedule will do in the minutes to come, done once by hand so that nobody has to wait for it."""
    for words in _FIRST_NIGHT:
        demo.hyperjobs(*words)
        demo.children.check()
    newest = json.loads(demo.hyperjobs("backup", "list", "--json").splitlines()[0])
    demo.hyperjobs("backup", "pin", newest["name"], "--reason", "before the first prune")


def _start_servers(demo: Demo, interval_s: float) -> None:
    if demo.alertmanager is not None:
        command = alertmanager_command(demo.directory / "alertmanager", demo.alertmanager.removeprefix("http://"))
        demo.children.start("alertmanager", command)
    if demo.prometheus is not None:
        command = prometheus_command(
            demo.directory / "prometheus",
            demo.prometheus.removeprefix("http://"),
            target=demo.agent.removeprefix("http://"),
            alertmanager=demo.alertmanager and demo.alertmanager.removeprefix("http://"),
            interval_s=interval_s,
        )
        demo.children.start("prometheus", command)


def _watched(has_prometheus: bool, prometheus_port: int, alertmanager_port: int) -> dict[str, str]:  # noqa: FBT001 - one caller
    """The addresses of the servers that are to be started."""
    if not has_prometheus:
        return {}
    found = {"prometheus": f"http://{_address(prometheus_port)}"}
    if program("alertmanager") is not None:
        found["alertmanager"] = f"http://{_address(alertmanager_port)}"
    return found


def _environment(directory: Path, address: str) -> dict[str, str]:
    """The configuration's paths and address, as they are in this demo."""
    offsite = [{"name": "offsite", "directory": str(directory / "offsite")}]
    return {
        "HYPERJOBS_STORE__PATH": str(directory / "jobs.db"),
        "HYPERJOBS_STORE__STATE_DIR": str(directory / "state"),
        "HYPERJOBS_MAINTENANCE__BACKUP__DIRECTORY": str(directory / "backups"),
        "HYPERJOBS_MAINTENANCE__BACKUP__DESTINATIONS": json.dumps(offsite),
        "HYPERJOBS_WEB__LISTEN": json.dumps([address]),
    }


def _address(port: int) -> str:
    if port == 0:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
    return f"127.0.0.1:{port}"
