"""The client of health checks, against the real server in plain HTTP and TLS."""

from __future__ import annotations

import socket
import ssl
import time

import pytest

from hyperjobs.web.probe import ProbeError, Target, ask, on_this_machine
from support.web_client import PATIENCE_S, make_app, split_address


def target(address, *schemes, **more):
    host, port = split_address(address)
    return Target(host, port, schemes or ("http", "https"), **more)


def answer(where, path="/-/healthy", *, within_s=PATIENCE_S):
    return ask(where, path, deadline=time.monotonic() + within_s)


@pytest.fixture
def tls_address(start, server_tls):
    return start(tls=server_tls).addresses[0]


@pytest.mark.parametrize("schemes", [("http",), ("http", "https"), ("https", "http")])
def test_a_plain_server_is_found_whatever_is_tried_first(address, schemes):
    said = answer(target(address, *schemes))

    assert (said.status, said.url) == (200, f"http://{address}")


@pytest.mark.parametrize("schemes", [("https",), ("http", "https"), ("https", "http")])
def test_a_tls_server_is_found_whatever_is_tried_first(tls_address, schemes):
    said = answer(target(tls_address, *schemes))

    assert (said.status, said.url) == (200, f"https://{tls_address}")


@pytest.mark.parametrize(("scheme", "is_tls"), [("http", True), ("https", False)])
def test_a_protocol_that_was_named_is_kept_to(start, server_tls, scheme, is_tls):
    address = start(tls=server_tls if is_tls else None).addresses[0]

    with pytest.raises(ProbeError):
        answer(target(address, scheme))


def test_the_whole_body_comes(start):
    body = answer(target(start().addresses[0], "http"), "/metrics").body

    assert b"hyperjobs_store_up 1.0" in body


def test_a_status_that_is_no_success_is_an_answer_too(start):
    address = start(make_app(is_ready=lambda: False)).addresses[0]

    assert answer(target(address, "http"), "/-/ready").status == 503


def test_a_certificate_on_a_loopback_address_is_not_judged_unless_asked(tls_address, certificate, tmp_path):
    other = tmp_path / "other.pem"
    other.write_text(ssl.DER_cert_to_PEM_cert(next(iter(ssl.create_default_context().get_ca_certs(binary_form=True)))))

    with pytest.raises(ProbeError, match="its certificate is not trusted"):
        answer(target(tls_address, "https", ca_file=str(other)))
    with pytest.raises(ProbeError, match="its certificate is not trusted: IP address mismatch"):
        answer(target(tls_address, "https", ca_file=str(certificate)))
    named = Target("localhost", split_address(tls_address)[1], ("https",), ca_file=str(certificate))
    assert answer(named).status == 200


def test_a_server_that_wants_a_certificate_lives_and_takes_one(start, certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.load_verify_locations(certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    address = start(tls=context).addresses[0]

    with pytest.raises(ProbeError) as refused:
        answer(target(address, "https"))

    assert refused.value.is_alive
    assert answer(target(address, "https", cert_file=str(certificate))).status == 200


def test_nobody_at_the_address_is_said(start):
    server = start()
    server.stop()

    with pytest.raises(ProbeError, match="connection refused"):
        answer(target(server.addresses[0]))


@pytest.mark.parametrize("schemes", [("http",), ("https",), ("http", "https")])
def test_a_server_that_says_nothing_is_waited_for_no_longer_than_asked(schemes):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        with pytest.raises(ProbeError, match="no answer in time"):
            answer(Target(*silent.getsockname(), schemes), within_s=0.3)

    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    ("listen", "asked"),
    [
        ([("0.0.0.0", 1)], ("127.0.0.1", 1)),  # noqa: S104 - read, not bound
        ([("", 1)], ("127.0.0.1", 1)),
        ([("::", 1)], ("::1", 1)),
        ([("192.0.2.1", 1), ("127.0.0.1", 2)], ("127.0.0.1", 2)),
        ([("192.0.2.1", 1), ("::", 2)], ("::1", 2)),
        ([("192.0.2.1", 1), ("192.0.2.2", 2)], ("192.0.2.1", 1)),
    ],
)
def test_of_several_addresses_the_one_on_this_machine_is_asked(listen, asked):
    assert on_this_machine(listen) == asked
