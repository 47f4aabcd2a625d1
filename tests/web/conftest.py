"""A server on a free port, and a certificate for it."""

from __future__ import annotations

import ssl
import subprocess
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from hyperjobs.web.connection import Limits
from hyperjobs.web.policy import Policy
from hyperjobs.web.server import Server
from support.web_client import make_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hyperjobs.web.app import App


@pytest.fixture
def start() -> Iterator[Callable[..., Server]]:
    """Starts servers on 127.0.0.1, or as asked, and stops them after the test."""
    with ExitStack() as servers:

        def start_one(
            app: App | None = None,
            *,
            listen: tuple[str, ...] = ("127.0.0.1:0",),
            tls: ssl.SSLContext | None = None,
            policy: Callable[[], Policy] | None = None,
            **limits: object,
        ) -> Server:
            server = Server(
                listen, app or make_app(), limits=Limits(**limits), policy=policy or (lambda: Policy(tls=tls))
            )
            return servers.enter_context(server)

        yield start_one


@pytest.fixture
def address(start: Callable[..., Server]) -> str:
    """Where a server with the plain app listens."""
    return start().addresses[0]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for localhost with its key, in one file."""
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    key, public = path.with_suffix(".key"), path.with_suffix(".crt")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    subprocess.run(
        [*command, "-days", "2", "-subj", "/CN=localhost", "-keyout", key, "-out", public],
        check=True,
        capture_output=True,
    )
    path.write_bytes(key.read_bytes() + public.read_bytes())
    return path


@pytest.fixture
def server_tls(certificate: Path) -> ssl.SSLContext:
    """The server's side of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def client_tls(certificate: Path) -> ssl.SSLContext:
    """The client's side, trusting that certificate alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(certificate)
    context.check_hostname = False
    return context
