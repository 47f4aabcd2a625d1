"""A demo for the length of a block: a store with a past, its agent, a fleet that writes, a Prometheus that watches."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from demo.children import Children, DemoError, outside
from demo.place import LOGS, address, claimed
from demo.servers import HERE, alertmanager_command, blocks_command, program, prometheus_command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CONFIG: Final = HERE / "hyperjobs.yaml"
DAYS: Final = 14.0
_SAMPLES: Final = "samples.txt"
_PYTHON: Final[tuple[str | Path, ...]] = (sys.executable, "-m")
_BUSY: Final = 4
_TRIES: Final = 40
_TRY_AGAIN_S: Final = 0.5
_OURS: Final = {"PYTHONPATH": str(HERE.parent)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """One that is up.

    Attributes:
        agent: the agent's address, without a slash at the end.
        prometheus: that of Prometheus; ``None`` where it is not asked for or not installed.
        alertmanager: that of Alertmanager, likewise.
        inbox: the ``host:port`` of who is told.
        store: path of the store.
        directory: where everything is kept.
        environment: what ``hyperjobs`` needs beside ``--config`` to work on this demo.
        children: its processes: ``agent``, ``inbox``, ``fleet``, ``prometheus``, ``alertmanager``.
    """

    agent: str
    prometheus: str | None
    alertmanager: str | None
    inbox: str
    store: Path
    directory: Path
    environment: dict[str, str]
    children: Children

    def hyperjobs(self, *words: str) -> str:
        """What a command says on this demo's store; where the agent is at the same work, after that.

        Raises:
            DemoError: it failed.
        """
        for _ in range(_TRIES):
            done = subprocess.run(  # noqa: S603 - our own program
                [sys.executable, "-m", "hyperjobs", *words, "--config", str(CONFIG)],
                env={**outside(), **self.environment},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode != _BUSY:
                break
            time.sleep(_TRY_AGAIN_S)
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
    fresh: bool = False,
    port: int = 0,
    prometheus_port: int = 0,
    alertmanager_port: int = 0,
    scrape_interval_s: float = 5.0,
    say: Callable[[str], object] = lambda _line: None,
) -> Iterator[Demo]:
    """A demo that is up: the ledger counted, backups proven, the agent scraped.

    From a past of eight days on there were also a drill that passed, a prune that deleted, a vacuum that gave space back.

    Args:
        directory: for everything that it keeps.
        speed: so many times faster than in life go jobs and days.
        seed: the same one makes the same past, and a fleet that throws the same dice.
        with_prometheus: start Prometheus and Alertmanager, where they are installed.
        days: how long the past is.
        fresh: start anew, where another demo left its store; else that is gone on with.
        port: what the agent listens on; 0 is any free one, as for the others.
        prometheus_port: that of Prometheus.
        alertmanager_port: that of Alertmanager.
        scrape_interval_s: between two scrapes of Prometheus.
        say: told what is being done.

    Raises:
        DemoError: something did not start or did not stay; the message says what and why.
    """
    directory = directory.resolve()
    is_watched = with_prometheus and program("prometheus") is not None
    is_alerted = is_watched and program("alertmanager") is not None
    agent, inbox = address(port, "--port"), address(0, "the inbox")
    demo = Demo(
        agent=f"http://{agent}",
        prometheus=f"http://{address(prometheus_port, '--prometheus-port')}" if is_watched else None,
        alertmanager=f"http://{address(alertmanager_port, '--alertmanager-port')}" if is_alerted else None,
        inbox=inbox,
        store=directory / "jobs.db",
        directory=directory,
        environment=_environment(directory, agent, inbox),
        children=Children(directory / LOGS),
    )
    lived = directory / "lived"
    with claimed(directory, fresh=fresh or not lived.exists()), demo.children:
        if not lived.exists():
            say(f"living through the past {days:g} days of a fleet …")
            say(_live_through_the_past(demo, seed, days))
            lived.touch()
        _start_agent(demo)
        words = ["--speed", str(speed), "--seed", str(seed), "--day", str(days)]
        demo.children.start("fleet", [*_PYTHON, "demo.fleet", demo.store, *words], env=_OURS)
        demo.children.until(lambda: "ready" in demo.children.log("fleet").read_text(), "the fleet")
        _care_once(demo)
        _start_servers(demo, scrape_interval_s, say)
        yield demo


def fetch(url: str) -> str:
    """The text at an address; empty while nobody answers, or says no."""
    try:
        with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310 - our own http address
            text: str = response.read().decode()
            return text
    except OSError:
        return ""


def _live_through_the_past(demo: Demo, seed: int, days: float) -> str:
    """Make the store, its state and backups, and the samples of Prometheus; what was made."""
    for name in ("backups", "offsite"):
        (demo.directory / name).mkdir(exist_ok=True)
    command = [*_PYTHON, "demo.backfill", demo.store, "--seed", str(seed), "--days", str(days)]
    if demo.prometheus is not None:
        instance = demo.agent.removeprefix("http://")
        command += ["--samples", demo.directory / _SAMPLES, "--instance", instance]
    return demo.children.run("backfill", command, env=_OURS | demo.environment).strip()


def _start_agent(demo: Demo) -> None:
    demo.children.start("inbox", [*_PYTHON, "demo.inbox", demo.inbox], env=_OURS)
    demo.children.start("agent", [*_PYTHON, "hyperjobs", "run", "--config", CONFIG], env=demo.environment)
    page = f"{demo.agent}/metrics"
    demo.children.until(lambda: "hyperjobs_ledger_ready 1.0" in fetch(page), "the agent's first count")


def _care_once(demo: Demo) -> None:
    """What the schedule does in the minutes to come and the past has not, so that nobody has to wait for it."""
    demo.hyperjobs("checkpoint")
    demo.hyperjobs("backup", "create")
    oldest = min(path.name for path in (demo.directory / "backups").glob("*.db.zst"))
    demo.hyperjobs("backup", "pin", oldest, "--reason", "the oldest that there is")


def _start_servers(demo: Demo, interval_s: float, say: Callable[[str], object]) -> None:
    if demo.alertmanager is not None:
        command = alertmanager_command(demo.directory / "alertmanager", demo.alertmanager.removeprefix("http://"))
        demo.children.start("alertmanager", command)
    if demo.prometheus is None:
        return
    samples, tool = demo.directory / _SAMPLES, program("promtool")
    if samples.exists() and tool is not None:
        say("giving Prometheus what it would have scraped …")
        demo.children.run("promtool", blocks_command(tool, samples, demo.directory / "prometheus"))
    samples.unlink(missing_ok=True)
    command = prometheus_command(
        demo.directory / "prometheus",
        demo.prometheus.removeprefix("http://"),
        target=demo.agent.removeprefix("http://"),
        alertmanager=demo.alertmanager and demo.alertmanager.removeprefix("http://"),
        interval_s=interval_s,
    )
    demo.children.start("prometheus", command)
    up = "hyperjobs_ledger_ready == 1 and on(instance) up == 1"
    demo.children.until(lambda: demo.query(up), "Prometheus's first scrape")


def _environment(directory: Path, address: str, inbox: str) -> dict[str, str]:
    """The configuration's paths and addresses, as they are in this demo."""
    offsite = [{"name": "offsite", "directory": str(directory / "offsite")}]
    return {
        "HYPERJOBS_STORE__PATH": str(directory / "jobs.db"),
        "HYPERJOBS_STORE__STATE_DIR": str(directory / "state"),
        "HYPERJOBS_AUDIT__PATH": str(directory / "audit.jsonl"),
        "HYPERJOBS_MAINTENANCE__BACKUP__DIRECTORY": str(directory / "backups"),
        "HYPERJOBS_MAINTENANCE__BACKUP__DESTINATIONS": json.dumps(offsite),
        "HYPERJOBS_WEB__LISTEN": json.dumps([address]),
        "DEMO_INBOX": f"http://{inbox}/",
    }
