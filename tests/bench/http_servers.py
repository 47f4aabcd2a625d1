"""Compares HTTP servers as the home of /metrics, each in a process of its own.

Usage: ``python tests/bench/http_servers.py [NAME …]`` in an environment that has the candidates
(``pip install cheroot waitress uvicorn h11 pyOpenSSL``); one that is not installed is reported as such. Prints a
table in Markdown. Every candidate gets the same collection (50 ms, a few families) and, where it has settings for
them, the same limits as ours. What is measured, in this order, always from the outside:

* import: milliseconds of CPU and MB resident that it adds to an interpreter that has prometheus_client;
* 20 at once: how many of 20 concurrent scrapes got 200, and how many collections ran side by side at most;
* crowd: with 200 idle and 200 dripping clients (a byte each half second), the slowest of ten scrapes; threads and
  descriptors of the process meanwhile; how many of the 400 are still connected 15 s later;
* silent TLS: a scrape over TLS while one client has connected and says nothing;
* stop: SIGTERM to exit while the crowd is connected.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COLLECTION_S = 0.05
CROWD = 200
SCRAPE_TIMEOUT_S = 5.0
MEASURED_AFTER_S = 15.0
SOURCES = Path(__file__).parents[2] / "agent"

# --- the candidates, run in a child process ---------------------------------------------------------------------


class Collection:
    """A collection that takes its time and counts how many run side by side."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0
        self._most = 0

    def collect(self) -> list[object]:
        """Two families; ``bench_most_at_once`` is the record so far."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415 - import cost is measured

        with self._lock:
            self._running += 1
            self._most = max(self._most, self._running)
        time.sleep(COLLECTION_S)
        with self._lock:
            self._running -= 1
        counter = CounterMetricFamily("bench_jobs", "Jobs.", labels=["provider", "status"])
        for n in range(200):
            counter.add_metric([f"provider-{n % 20}", f"status-{n // 20}"], n)
        return [counter, GaugeMetricFamily("bench_most_at_once", "Collections side by side.", value=self._most)]


def _wsgi_app() -> Callable[..., object]:
    from prometheus_client import CollectorRegistry, make_wsgi_app  # noqa: PLC0415

    registry = CollectorRegistry()
    registry.register(Collection())
    return make_wsgi_app(registry)


def _wait_for_term() -> None:
    done = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: done.set())
    done.wait()


def serve_hyperjobs(port: int, certificate: str | None) -> None:
    """Our own server."""
    from hyperjobs.web.app import App  # noqa: PLC0415
    from hyperjobs.web.policy import Policy  # noqa: PLC0415
    from hyperjobs.web.server import Server  # noqa: PLC0415

    tls = None
    if certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
    collection = Collection()
    app = App(collect=lambda _: collection.collect(), is_ready=lambda: True, version="0", store_label="bench")
    with Server([f"127.0.0.1:{port}"], app, policy=lambda: Policy(tls=tls)):
        _wait_for_term()


def serve_prometheus_client(port: int, certificate: str | None) -> None:
    """The server that comes with prometheus_client."""
    from prometheus_client import CollectorRegistry, start_http_server  # noqa: PLC0415

    registry = CollectorRegistry()
    registry.register(Collection())
    server, thread = start_http_server(port, "127.0.0.1", registry, certfile=certificate, keyfile=certificate)
    _wait_for_term()
    server.shutdown()
    thread.join()


def serve_cheroot(port: int, certificate: str | None) -> None:
    """CherryPy's server."""
    from cheroot.ssl.builtin import BuiltinSSLAdapter  # noqa: PLC0415
    from cheroot.wsgi import Server  # noqa: PLC0415

    server = Server(("127.0.0.1", port), _wsgi_app(), numthreads=4, max=4, timeout=5, shutdown_timeout=1)
    if certificate:
        server.ssl_adapter = BuiltinSSLAdapter(certificate, certificate)
    thread = threading.Thread(target=server.safe_start)
    thread.start()
    _wait_for_term()
    server.stop()
    thread.join()


def serve_waitress(port: int, certificate: str | None) -> None:
    """Pylons' server; it has no TLS."""
    from waitress.server import create_server  # noqa: PLC0415

    if certificate:
        raise SystemExit(3)
    server = create_server(
        _wsgi_app(), host="127.0.0.1", port=port, threads=4, connection_limit=256, channel_timeout=5, cleanup_interval=1
    )
    threading.Thread(target=server.run, daemon=True).start()
    _wait_for_term()
    server.close()


def serve_uvicorn(port: int, certificate: str | None) -> None:
    """The ASGI server, with h11."""
    import asyncio  # noqa: PLC0415

    import uvicorn  # noqa: PLC0415
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest  # noqa: PLC0415

    registry = CollectorRegistry()
    registry.register(Collection())

    async def app(scope: dict[str, object], _receive: object, send: Callable[..., object]) -> None:
        if scope["type"] != "http":
            return
        body = await asyncio.to_thread(generate_latest, registry)
        headers = [(b"content-type", CONTENT_TYPE_LATEST.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    uvicorn.run(
        app,
        host="127.0.0.1",
        port=port,
        http="h11",
        loop="asyncio",
        log_level="critical",
        lifespan="off",
        timeout_keep_alive=5,
        timeout_graceful_shutdown=1,
        ssl_certfile=certificate,
        ssl_keyfile=certificate,
    )


@dataclass(frozen=True)
class Candidate:
    """A server: what to install, what it costs to import, how to start it."""

    name: str
    module: str
    imports: str
    serve: Callable[[int, str | None], None]


CANDIDATES = (
    Candidate("hyperjobs", "hyperjobs", "hyperjobs.web.server", serve_hyperjobs),
    Candidate("prometheus_client", "prometheus_client", "prometheus_client", serve_prometheus_client),
    Candidate("cheroot", "cheroot", "cheroot.wsgi, cheroot.ssl.builtin", serve_cheroot),
    Candidate("waitress", "waitress", "waitress.server", serve_waitress),
    Candidate("uvicorn", "uvicorn", "uvicorn, uvicorn.protocols.http.h11_impl", serve_uvicorn),
)

# --- the measuring side -----------------------------------------------------------------------------------------


@dataclass
class Result:
    """One row of the table; every cell is text."""

    name: str
    cells: dict[str, str] = field(default_factory=dict)


def environment() -> dict[str, str]:
    """The child's environment: ours is importable whether installed or not."""
    path = os.pathsep.join(filter(None, [str(SOURCES), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path}


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(candidate: Candidate, certificate: str | None = None) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The candidate's process and its port, once it accepts connections."""
    port = free_port()
    command = [sys.executable, __file__, "--serve", candidate.name, "--port", str(port)]
    if certificate:
        command += ["--certificate", certificate]
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, env=environment(), stdout=output, stderr=output)
        try:
            until = time.monotonic() + 10
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    if process.poll() is not None or time.monotonic() > until:
                        output.seek(0)
                        raise RuntimeError(output.read().decode()[-500:]) from None
                    time.sleep(0.02)
            yield process, port
        finally:
            process.kill()
            process.wait()


def scrape(port: int, *, tls: bool = False) -> tuple[int, float, str]:
    """Status (0: none), seconds and body of one scrape."""
    context = ssl._create_unverified_context() if tls else None  # noqa: S323 - a certificate of our own
    begun = time.perf_counter()
    try:
        url = f"http{'s' if tls else ''}://127.0.0.1:{port}/metrics"
        with urllib.request.urlopen(url, timeout=SCRAPE_TIMEOUT_S, context=context) as answer:  # noqa: S310 - loopback
            body = answer.read().decode()
            return answer.status, time.perf_counter() - begun, body
    except OSError:
        return 0, time.perf_counter() - begun, ""


class Crowd:
    """Clients that connect and say nothing, and clients that send a byte each half second."""

    def __init__(self, port: int) -> None:
        self._stop = threading.Event()
        # Side by side: a server that stops accepting must not hold up the measurement by a timeout a client.
        with ThreadPoolExecutor(100) as pool:
            self.clients = [client for client in pool.map(self._connect, [port] * 2 * CROWD) if client]
        self._slow = self.clients[::2]
        self._drip = threading.Thread(target=self._send)
        self._drip.start()

    @staticmethod
    def _connect(port: int) -> socket.socket | None:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=2)
        except OSError:
            return None

    def _send(self) -> None:
        text = b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: " + b"a" * 100_000
        for n in range(len(text)):
            for client in self._slow:
                with contextlib.suppress(OSError):
                    client.send(text[n : n + 1], socket.MSG_DONTWAIT)
            if self._stop.wait(0.5):
                return

    def connected(self) -> int:
        """How many the server has not closed."""
        return sum(not self._is_closed(client) for client in self.clients)

    @staticmethod
    def _is_closed(client: socket.socket) -> bool:
        client.setblocking(False)  # noqa: FBT003 - the socket's own signature
        try:
            while data := client.recv(65536):
                del data
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def leave(self) -> None:
        """Closes all of them."""
        self._stop.set()
        self._drip.join()
        for client in self.clients:
            client.close()


def resources(pid: int) -> tuple[int, int, float]:
    """Threads, descriptors and resident MB of a process."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    facts = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return int(facts["Threads"]), len(os.listdir(f"/proc/{pid}/fd")), int(facts["VmRSS"].split()[0]) / 1024  # noqa: PTH208


def measure_import(candidate: Candidate) -> str:
    """CPU milliseconds and MB over an interpreter that has imported prometheus_client; the median of five."""
    code = f"""
import prometheus_client, time
rss = lambda: int(open('/proc/self/statm').read().split()[1]) * 4 / 1024
cpu, mb = time.process_time(), rss()
import {candidate.imports}
print(time.process_time() - cpu, rss() - mb)"""
    runs = []
    for _ in range(5):
        answer = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, check=True)
        runs.append([float(part) for part in answer.stdout.split()])
    cpu, mb = sorted(runs)[2]
    return f"{cpu * 1000:.0f} ms, {mb:.1f} MB"


def measure_at_once(port: int) -> str:
    """How many of 20 scrapes at once got 200, and how many collections ran side by side."""
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: scrape(port), range(20)))
    good = sum(status == 200 for status, _, _ in answers)
    record = [line for line in scrape(port)[2].splitlines() if line.startswith("bench_most_at_once")]
    return f"{good}/20, {float(record[0].split()[1]):.0f}" if record else f"{good}/20"


def slowest(times: list[tuple[int, float, str]]) -> str:
    """The slowest of some scrapes, or how many of them failed."""
    failed = sum(status != 200 for status, _, _ in times)
    return f"{failed} of {len(times)} FAILED" if failed else f"{max(t for _, t, _ in times) * 1000:.0f} ms"


def measure(candidate: Candidate, certificate: str) -> Result:
    """The candidate's row."""
    result = Result(candidate.name)
    cells = result.cells
    if importlib.util.find_spec(candidate.module) is None and candidate.name != "hyperjobs":
        cells["import"] = "not installed"
        return result
    cells["import"] = measure_import(candidate)
    with running(candidate) as (process, port):
        cells["20 at once: 200s, collections"] = measure_at_once(port)
        base = resources(process.pid)
        crowd = Crowd(port)
        begun = time.monotonic()
        cells["scrape in crowd"] = slowest([scrape(port) for _ in range(10)])
        threads, descriptors, resident = resources(process.pid)
        cells["threads, fds, RSS: base"] = f"{base[0]}, {base[1]}, {base[2]:.0f} MB"
        cells["… in crowd"] = f"{threads}, {descriptors}, {resident:.0f} MB"
        time.sleep(max(0.0, MEASURED_AFTER_S - (time.monotonic() - begun)))
        cells["of 400 left after 15 s"] = str(crowd.connected())
        crowd.leave()
    cells["silent TLS client"] = measure_tls(candidate, certificate)
    cells["stop in crowd"] = measure_stop(candidate)
    return result


def measure_tls(candidate: Candidate, certificate: str) -> str:
    """The slowest of three TLS scrapes beside a client that does not shake hands."""
    try:
        with running(candidate, certificate) as (_, port), socket.create_connection(("127.0.0.1", port)):
            time.sleep(0.2)
            return slowest([scrape(port, tls=True) for _ in range(3)])
    except RuntimeError as error:
        return "no TLS" if not str(error) else f"error: {error}"


def measure_stop(candidate: Candidate) -> str:
    """Seconds from SIGTERM to exit with the crowd connected; the most it is waited for is 10."""
    with running(candidate) as (process, port):
        crowd = Crowd(port)
        time.sleep(1)
        begun = time.perf_counter()
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
            return f"{time.perf_counter() - begun:.2f} s"
        except subprocess.TimeoutExpired:
            return "> 10 s"
        finally:
            crowd.leave()


def make_certificate(directory: str) -> str:
    """A self-signed certificate and its key in one file."""
    path = Path(directory) / "server.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout {0}.key -out {0}.crt"
    subprocess.run(command.format(path).split(), check=True, capture_output=True)
    path.write_bytes(Path(f"{path}.key").read_bytes() + Path(f"{path}.crt").read_bytes())
    return str(path)


def print_table(results: list[Result]) -> None:
    """The results in Markdown, a column a candidate."""
    rows = list(dict.fromkeys(key for result in results for key in result.cells))
    print("| | " + " | ".join(result.name for result in results) + " |")  # noqa: T201 - the output
    print("|---" * (len(results) + 1) + "|")  # noqa: T201
    for row in rows:
        print(f"| {row} | " + " | ".join(result.cells.get(row, "") for result in results) + " |")  # noqa: T201


def main() -> None:
    """Measures the named candidates, or all; with ``--serve`` it is one of them."""
    parser = argparse.ArgumentParser(description="Compare HTTP servers for /metrics.")
    parser.add_argument("names", nargs="*", help="candidates; default all")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--certificate", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    known = {candidate.name: candidate for candidate in CANDIDATES}
    if arguments.serve:
        known[arguments.serve].serve(arguments.port, arguments.certificate)
        return
    with tempfile.TemporaryDirectory() as directory:
        certificate = make_certificate(directory)
        print_table([measure(known[name], certificate) for name in arguments.names or known])


if __name__ == "__main__":
    main()
