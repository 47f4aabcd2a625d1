"""TLS: served like plain HTTP, and a client that does not shake hands holds up nobody."""

from __future__ import annotations

import ssl
from contextlib import ExitStack

import pytest

from hyperjobs.web.message import Response
from support.web_client import connect, get, parse_answer, read_all


@pytest.fixture
def address(start, server_tls):
    return start(tls=server_tls, header_s=1.0).addresses[0]


def test_a_scrape_is_answered_over_tls(address, client_tls):
    answer = get(address, "/metrics", tls=client_tls)

    assert answer.status == 200
    assert int(answer.headers["content-length"]) == len(answer.body)


def test_clients_that_say_nothing_hold_up_nobody(address, client_tls):
    with ExitStack() as opened:
        silent = [opened.enter_context(connect(address)) for _ in range(20)]
        silent[0].sendall(b"\x16\x03\x01")

        assert get(address, "/metrics", tls=client_tls).status == 200
        assert [read_all(client) for client in silent] == [b""] * 20  # each closed at its deadline


def test_plain_http_on_a_tls_port_is_closed(address, client_tls):
    with connect(address) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"HTTP/1.1" not in read_all(client)

    assert get(address, "/-/healthy", tls=client_tls).status == 200


def test_a_client_that_refuses_the_certificate_does_no_harm(address, client_tls):
    with connect(address) as client, pytest.raises(ssl.SSLCertVerificationError):
        ssl.create_default_context().wrap_socket(client, server_hostname="localhost")

    assert get(address, "/-/healthy", tls=client_tls).status == 200


def test_the_end_of_the_answer_is_said_by_tls_too(address, client_tls):
    with connect(address) as plain, client_tls.wrap_socket(plain, suppress_ragged_eofs=False) as client:
        client.sendall(b"GET /-/healthy HTTP/1.0\r\n\r\n")

        assert parse_answer(read_all(client)).status == 200


def test_a_large_answer_arrives_whole_over_tls(start, server_tls, client_tls):
    class Large:
        def __call__(self, _request):
            return Response(200, bytes(range(256)) * 20_000)

        def is_instant(self, _request):
            return False

    address = start(Large(), tls=server_tls).addresses[0]

    assert get(address, "/", tls=client_tls).body == bytes(range(256)) * 20_000
