"""A real S3 server on loopback, and a relay before it that can lose, cut, hold and refuse.

The server is rclone's: an object is a plain file under its directory, so a test can look at it, and harm it. It
ignores conditions (``If-None-Match``) and checks ``Content-MD5``.
"""

from __future__ import annotations

import contextlib
import http.client
import socketserver
import threading
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

import boto3

from hyperjobs.maintenance.backup.destination.access import Access
from hyperjobs.maintenance.backup.destination.s3 import S3Destination
from hyperjobs.secret import Secret
from support import tools
from support.processes import free_port, get, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from support.processes import Process

KEY = "test-key"
SECRET = "never-shown-Wq7Zr"  # noqa: S105 - of a server that lives as long as a test
DEADLINE_S = 30


@dataclass
class Server:
    """A running S3 server.

    Attributes:
        url: its address, without a slash at the end.
        root: the directory it serves: a bucket is a directory in it.
        process: the program.
    """

    url: str
    root: Path
    process: Process

    def make_bucket(self, name: str) -> Path:
        """A new bucket; the directory that its objects are files in."""
        path = self.root / name
        path.mkdir()
        return path


@contextlib.contextmanager
def s3_server(root: Path, *, port: int | None = None, options: Sequence[str | Path] = ()) -> Iterator[Server]:
    """A server for the length of a block; it has the keys :data:`KEY` and :data:`SECRET`."""
    root.mkdir(exist_ok=True)
    port = port or free_port()
    scheme = "https" if options else "http"
    command = [tools.path_of("rclone"), "--config", "", "serve", "s3", "--addr", f"127.0.0.1:{port}"]
    # What a test does to the files behind its back is to be seen at once; with 0 it would spin.
    command += ["--auth-key", f"{KEY},{SECRET}", "--vfs-cache-mode", "off", "--dir-cache-time", "1ms", *options, root]
    with running(command, env={"RCLONE_CONFIG": ""}) as process:
        if options:
            process.until(lambda: "Starting s3 server" in process.output or "serve s3" in process.output, "a start")
        else:
            process.until(lambda: get(f"http://127.0.0.1:{port}/"), "an answer of the S3 server")
        yield Server(f"{scheme}://localhost:{port}" if options else f"{scheme}://127.0.0.1:{port}", root, process)


def destination(url: str, bucket: str = "bucket", prefix: str = "store", **changes: Any) -> S3Destination:
    """The destination of a bucket, with short waits and small parts unless ``changes`` say otherwise."""
    part_bytes = changes.pop("part_bytes", 16 * 1024)
    values = {"access_key": KEY, "secret_key": SECRET, "timeout_s": 5.0, "attempts": 2, "bucket": bucket}
    values |= changes
    keys = {name: Secret(values.pop(name)) for name in ("access_key", "secret_key")}
    access = Access(endpoint=url, **keys, **values)
    return S3Destination("offsite", access, prefix=prefix, part_bytes=part_bytes)


def unfinished(server: Server, bucket: str = "bucket") -> list[str]:
    """The keys of the multipart uploads that were begun and neither completed nor aborted."""
    driver = boto3.session.Session().client(
        "s3", endpoint_url=server.url, region_name="us-east-1", aws_access_key_id=KEY, aws_secret_access_key=SECRET
    )
    try:
        return [entry["Key"] for entry in driver.list_multipart_uploads(Bucket=bucket).get("Uploads", [])]
    except driver.exceptions.NoSuchUpload:  # what this server says of a bucket that has none, now and then
        return []


class Fate(Enum):
    """What happens to a request besides being passed on."""

    CUT = "the connection is closed before the server hears of it"
    LOSE = "the server does it, and its answer is lost"
    HALF = "half of the answer's body arrives, then the connection is closed"
    HOLD = "the server hears of it when the test lets go"
    HOLD_CUT = "the connection is closed when the test lets go"
    HOLD_ANSWER = "the server does it, and its answer waits until the test lets go"


@dataclass(frozen=True)
class Asked:
    """A request, as a rule sees it."""

    number: int
    method: str
    key: str
    query: dict[str, list[str]]
    headers: dict[str, str]


@dataclass(frozen=True)
class Refusal:
    """An answer in the server's stead."""

    status: int
    code: str
    message: str = ""


@dataclass
class Relay:
    """A server that passes requests on to another, as its rule says.

    Attributes:
        rule: what is to happen to a request; ``None`` passes it on.
        asked: every request so far.
        is_holding: set once a request is held.
        let_go: to be set by the test.
    """

    upstream: str
    rule: Callable[[Asked], Fate | Refusal | None] = lambda _asked: None
    asked: list[Asked] = field(default_factory=list)
    is_holding: threading.Event = field(default_factory=threading.Event)
    let_go: threading.Event = field(default_factory=threading.Event)
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def hold(self) -> None:
        """Wait until the test lets go."""
        self.is_holding.set()
        assert self.let_go.wait(DEADLINE_S)


@contextlib.contextmanager
def relay_to(server: Server) -> Iterator[Relay]:
    """A relay for the length of a block."""
    relay = Relay(server.url)

    class Handler(_Handler):
        pass

    Handler.relay = relay
    with _Quiet(("127.0.0.1", 0), Handler) as listening:
        relay.url = f"http://127.0.0.1:{listening.server_address[1]}"
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield relay
        finally:
            relay.let_go.set()
            listening.shutdown()
            thread.join()


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients of these tests vanish on purpose."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # it answers "Expect: 100-continue", which clients else wait a second for
    relay: Relay

    def _pass_on(self) -> None:
        self.close_connection = True
        address = urlsplit(self.path)
        with self.relay.lock:
            asked = Asked(
                len(self.relay.asked),
                self.command,
                unquote(address.path),
                parse_qs(address.query, keep_blank_values=True),
                {name.lower(): value for name, value in self.headers.items()},
            )
            self.relay.asked.append(asked)
        fate = self.relay.rule(asked)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if fate in {Fate.HOLD, Fate.HOLD_CUT}:
            self.relay.hold()
        if isinstance(fate, Refusal):
            text = f"<Error><Code>{fate.code}</Code><Message>{fate.message}</Message></Error>".encode()
            self._answer(fate.status, [("Content-Type", "application/xml")], text, len(text))
        elif fate not in {Fate.CUT, Fate.HOLD_CUT}:
            self._forward(fate, body)

    def _forward(self, fate: Fate | None, body: bytes) -> None:
        upstream = http.client.HTTPConnection(self.relay.upstream.removeprefix("http://"), timeout=DEADLINE_S)
        with contextlib.closing(upstream):
            headers = {name: value for name, value in self.headers.items() if name.lower() != "expect"}
            upstream.request(self.command, self.path, body, headers)
            answer = upstream.getresponse()
            text = answer.read()
            if fate is Fate.HOLD_ANSWER:
                self.relay.hold()
            if fate is not Fate.LOSE:
                told = [
                    (name, value)
                    for name, value in answer.getheaders()
                    if name.lower() not in {"content-length", "connection", "transfer-encoding"}
                ]
                length = int(answer.headers.get("Content-Length") or 0) if self.command == "HEAD" else len(text)
                self._answer(answer.status, told, text[: len(text) // 2] if fate is Fate.HALF else text, length)

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes, length: int) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass_on  # noqa: N815 - the names the standard library calls

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def nobody() -> str:
    """The address of a port that nobody listens on."""
    return f"http://127.0.0.1:{free_port()}"


@contextlib.contextmanager
def silent() -> Iterator[str]:
    """The address of a server that takes connections and never says a word."""
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as listening:
        yield f"http://127.0.0.1:{listening.server_address[1]}"
