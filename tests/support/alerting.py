"""A real Alertmanager, configured as the shipped example is, and somebody who takes what it sends."""

from __future__ import annotations

import json
import re
import threading
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.processes import free_port, get, running
from support.prometheus import prometheus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.processes import Process
    from support.prometheus import Prometheus

EXAMPLE = Path(__file__).parents[2] / "deploy" / "alertmanager" / "alertmanager.yml"


class Receiver:
    """What came to each webhook, in its order; a thread of its own serves it on ``url``."""

    def __init__(self) -> None:
        self._came: list[tuple[str, dict[str, Any]]] = []
        came = self._came

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                came.append((self.path.strip("/"), json.loads(body)))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def alerts(self, name: str, status: str = "firing") -> list[tuple[str, dict[str, Any]]]:
        """(receiver, alert) of each alert of a name that came in a status, as it stands in the webhook's body."""
        return [
            (receiver, alert)
            for receiver, body in list(self._came)
            for alert in body["alerts"]
            if alert["labels"]["alertname"] == name and alert["status"] == status
        ]

    def names(self, receiver: str) -> set[str]:
        """The alerts that came to a receiver."""
        return {
            alert["labels"]["alertname"] for where, body in list(self._came) if where == receiver for alert in body["alerts"]
        }  # fmt: skip


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver for the length of a block."""
    receiver = Receiver()
    try:
        yield receiver
    finally:
        receiver.close()


class Alertmanager:
    """A running Alertmanager."""

    def __init__(self, process: Process, url: str) -> None:
        self.process = process
        self.url = url

    def post(self, *alerts: dict[str, str]) -> None:
        """Send alerts, each by its labels, as Prometheus does."""
        body = json.dumps([{"labels": labels} for labels in alerts]).encode()
        request = urllib.request.Request(  # noqa: S310 - our own http address
            f"{self.url}/api/v2/alerts", data=body, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - as above
            assert answer.status == 200

    def states(self) -> dict[frozenset[tuple[str, str]], str]:
        """Labels of each alert → ``active`` or ``suppressed``."""
        answer = get(f"{self.url}/api/v2/alerts")
        assert answer is not None
        assert answer.status == 200
        return {frozenset(each["labels"].items()): each["status"]["state"] for each in json.loads(answer.text)}


def example(receiver: str) -> str:
    """The shipped example, its webhooks sent to a receiver, and its waits cut short."""
    text = EXAMPLE.read_text().replace("http://127.0.0.1:5001", receiver)
    return re.sub(r"(group_wait|group_interval): \w+", lambda found: f"{found[1]}: 1s", text)


@contextmanager
def alertmanager(directory: Path, receiver: str) -> Iterator[Alertmanager]:
    """Debian's Alertmanager with the example's configuration, ready, for the length of a block."""
    config = directory / "alertmanager.yml"
    config.write_text(example(receiver))
    address = f"127.0.0.1:{free_port()}"
    command = [
        "prometheus-alertmanager",
        f"--config.file={config}",
        f"--storage.path={directory / 'alertmanager'}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
    ]
    with running(command) as process:
        server = Alertmanager(process, f"http://{address}")

        def is_ready() -> bool:
            answer = get(f"{server.url}/-/ready")
            return answer is not None and answer.status == 200

        process.until(is_ready, "readiness")
        yield server


_PROMETHEUS = """
global: {{scrape_interval: 1s, scrape_timeout: 900ms, evaluation_interval: 1s}}
rule_files: ["{rules}/*.yml"]
alerting: {{alertmanagers: [{{static_configs: [{{targets: ["{alertmanager}"]}}]}}]}}
scrape_configs: [{{job_name: hyperjobs, static_configs: [{{targets: ["{target}"]}}]}}]
"""


@contextmanager
def watching(target: str, rules: Path, alertmanager: str, directory: Path) -> Iterator[Prometheus]:
    """Debian's Prometheus with these rules, once it has seen the agent's jobs, for the length of a block."""
    names = {"target": target.removeprefix("http://"), "alertmanager": alertmanager.removeprefix("http://")}
    # What it sends before it has found the Alertmanager, in its first seconds, is lost; it would say it again in a minute.
    config = _PROMETHEUS.format(rules=rules, **names)
    with prometheus(config, directory, "--rules.alert.resend-delay=2s") as server:
        yield server
