"""The server over real sockets: answers, refusals, limits, and what is left when clients are gone."""

from __future__ import annotations

import re
import select
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hyperjobs.web.listen import ListenError
from hyperjobs.web.message import Response
from hyperjobs.web.server import Server
from support.processes import running
from support.web_client import PATIENCE_S, ask, connect, eventually, families, get, make_app, parse_answer, read_all

FEW_DESCRIPTORS = """
import resource, signal
from support.web_client import make_app
from hyperjobs.web.server import Server
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
with Server(["127.0.0.1:0"], make_app()) as server:
    print("at", *server.addresses, flush=True)
    signal.pause()
"""


def descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def is_closed(client):
    """Whether the server has closed, whatever it sent before."""
    client.settimeout(0)
    try:
        while client.recv(65536):
            pass
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def test_a_scrape_is_answered_with_its_length_and_security_headers(address):
    answer = get(address, "/metrics")

    assert answer.status == 200
    assert b"hyperjobs_store_up 1.0\n" in answer.body
    assert int(answer.headers["content-length"]) == len(answer.body)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "server" not in answer.headers


def test_head_answers_the_headers_of_get_without_its_body(address):
    head, full = get(address, "/metrics", method="HEAD"), get(address, "/metrics")

    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(full.body))


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"POST /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 405),
        (b"TRACE /metrics HTTP/1.1\r\nHost: x\r\nMarker: zebra\r\nConnection: close\r\n\r\n", 405),
        (b"GET /zebra HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
        (b"GET /%0d%0aZebra:%20zebra HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
        (b"GET /-/healthy HTTP/1.0\r\n\r\n", 200),
        (b"GET /metrics?name[]=%0d%0aZebra: HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 200),
        (b"GET /" + b"zebra" * 1000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET /" + b"zebra" * 100_000, 414),
        (b"GET / HTTP/1.1\r\n" + b"".join(b"Zebra-%d: 1\r\n" % n for n in range(300)) + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\nZebra: " + b"z" * 100_000 + b"\r\n\r\n", 431),
        (b"\x00\xff\xfe" * 100, 400),
        (bytes(range(128, 256)), 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"zebra\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nZebra\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nzebra", 413),
        (b"POST /-/reload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 413),
        (b"POST /-/reload HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 403),
    ],
)
def test_a_hostile_request_gets_its_status_and_nothing_of_itself_back(address, raw, status):
    answer = ask(address, raw)

    assert answer.status == status
    assert b"zebra" not in (str(answer.headers).encode() + answer.body).lower()
    assert get(address, "/-/healthy").status == 200


def test_a_request_that_ends_in_its_head_is_told_so(address):
    with connect(address) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHos")
        client.shutdown(socket.SHUT_WR)

        assert parse_answer(read_all(client)).status == 400


def test_requests_follow_one_another_on_one_connection(address):
    with connect(address) as client:
        client.sendall(b"GET /-/ready HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        received = read_all(client)

    assert received.count(b"HTTP/1.1 200 OK") == 4
    assert received.count(b"Connection: keep-alive") == 3


def test_twenty_scrapes_at_once_are_all_answered_by_one_collection_at_a_time(start):
    lock, running, most = threading.Lock(), [0], [0]

    def collect(_deadline):
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        threading.Event().wait(0.02)  # work that leaves others the time to come
        with lock:
            running[0] -= 1
        return families()

    address = start(make_app(collect=collect)).addresses[0]
    accepts = [
        "Accept: application/openmetrics-text;version=1.0.0",
        "Accept: text/plain",
        "Accept-Encoding: gzip",
        "X: y",
    ]
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda n: get(address, "/metrics", accepts[n % 4]), range(20)))

    assert [answer.status for answer in answers] == [200] * 20
    assert most == [1]


def test_a_crowd_of_idle_and_slow_clients_does_not_keep_a_scrape_from_its_answer(start):
    threads, files = threading.active_count(), descriptors()
    server = start(connections=64, header_s=1.0)
    address = server.addresses[0]
    busy_threads = threading.active_count()
    clients = [connect(address) for _ in range(400)]
    ours = len(clients)
    for n, client in enumerate(clients):
        if n % 2:
            client.settimeout(0.1)
            try:
                client.sendall(b"GET /metrics HTTP/1.1\r\nX: ")
            except OSError:
                continue  # evicted already

    answers = [get(address, "/metrics").status for _ in range(10)]

    assert answers == [200] * 10
    assert threading.active_count() == busy_threads
    assert descriptors() <= files + ours + 64 + 10
    assert eventually(lambda: all(is_closed(client) for client in clients))
    for client in clients:
        client.close()
    server.stop()
    assert eventually(lambda: descriptors() == files)
    assert threading.active_count() == threads


def test_the_probes_answer_while_every_worker_hangs(start):
    begun, may_end = threading.Event(), threading.Event()

    def collect(_deadline):
        begun.set()
        may_end.wait(PATIENCE_S)
        return families()

    address = start(make_app(collect=collect), workers=2).addresses[0]
    with ThreadPoolExecutor(8) as pool:
        scrapes = [pool.submit(get, address, "/metrics") for _ in range(8)]
        assert begun.wait(PATIENCE_S)

        assert get(address, "/-/healthy").status == 200
        may_end.set()
        assert [scrape.result(PATIENCE_S).status for scrape in scrapes] == [200] * 8


def test_an_evicted_connection_is_the_one_that_kept_its_request_longest(start):
    address = start(connections=2).addresses[0]
    with connect(address) as oldest, connect(address) as younger:
        assert get(address, "/-/healthy").status == 200

        assert eventually(lambda: is_closed(oldest))
        younger.sendall(b"GET /-/healthy HTTP/1.0\r\n\r\n")
        assert parse_answer(read_all(younger)).status == 200


def test_a_head_that_drips_past_its_deadline_is_answered_408(start):
    address = start(header_s=0.2).addresses[0]
    with connect(address) as client:
        client.sendall(b"GET / HTTP/1.1\r\n")

        assert parse_answer(read_all(client)).status == 408


def test_a_silent_connection_is_closed_without_a_word(start):
    address = start(header_s=0.1).addresses[0]
    with connect(address) as client:
        assert read_all(client) == b""


def test_an_idle_connection_is_closed_after_its_time(start):
    address = start(idle_s=0.1).addresses[0]
    with connect(address) as client:
        client.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")

        assert read_all(client).startswith(b"HTTP/1.1 200")


def test_an_answer_that_takes_too_long_is_a_503(start):
    may_end = threading.Event()
    app = make_app(collect=lambda _deadline: may_end.wait(PATIENCE_S) and families())
    address = start(app, request_s=0.2).addresses[0]

    assert get(address, "/metrics").status == 503
    may_end.set()


def test_a_client_that_does_not_read_its_answer_is_closed(start):
    class Endless:
        def __call__(self, _request):
            return Response(200, b"x" * 50_000_000)

        def is_instant(self, _request):
            return False

    address = start(Endless(), request_s=0.3).addresses[0]
    with connect(address) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        poller = select.poll()
        poller.register(client, select.POLLHUP)

        assert poller.poll(PATIENCE_S * 1000)  # reset, though not a byte was read here


def test_stop_is_quick_with_slow_clients_and_a_hanging_collection(start):
    begun, may_end = threading.Event(), threading.Event()

    def collect(_deadline):
        begun.set()
        may_end.wait(PATIENCE_S)
        return families()

    server = start(make_app(collect=collect))
    address = server.addresses[0]
    clients = [connect(address) for _ in range(50)]
    for client in clients:
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n")
    clients[0].sendall(b"\r\n")
    assert begun.wait(PATIENCE_S)

    begun_at = time.monotonic()
    server.stop(1.0)
    took_s = time.monotonic() - begun_at

    may_end.set()
    assert took_s < 2.0
    assert not server.is_serving
    assert all(is_closed(client) for client in clients)
    for client in clients:
        client.close()
    with pytest.raises(ConnectionRefusedError):
        connect(address)


def test_stop_lets_an_answer_under_way_be_sent(start):
    begun, may_end = threading.Event(), threading.Event()

    def collect(_deadline):
        begun.set()
        may_end.wait(PATIENCE_S)
        return families()

    server = start(make_app(collect=collect))
    with ThreadPoolExecutor(2) as pool:
        scrape = pool.submit(get, server.addresses[0], "/metrics")
        assert begun.wait(PATIENCE_S)
        stopping = pool.submit(server.stop, PATIENCE_S)
        may_end.set()

        assert scrape.result(PATIENCE_S).status == 200
        stopping.result(PATIENCE_S)


def test_stop_may_come_twice_and_before_the_start():
    server = Server(["127.0.0.1:0"], make_app())
    server.stop()
    with server:
        assert server.is_serving
        server.stop()
        server.stop()
    assert not server.is_serving


def test_a_server_whose_address_is_in_use_starts_nothing(start):
    taken = start().addresses[0]
    threads, files = threading.active_count(), descriptors()

    with pytest.raises(ListenError, match="address in use"):
        Server(["127.0.0.1:0", taken], make_app()).start()

    assert threading.active_count() == threads
    assert descriptors() == files


def test_a_process_without_a_free_descriptor_still_answers():
    with running(
        [sys.executable, "-c", FEW_DESCRIPTORS], env={"PYTHONPATH": str(Path(__file__).parents[1])}
    ) as process:
        address = process.until(lambda: re.search(r"at (\S+)", process.output), "its address")[1]
        clients = [connect(address) for _ in range(100)]

        assert get(address, "/metrics").status == 200
        for client in clients:
            client.close()


@pytest.mark.tool("ipv6")
def test_several_addresses_of_both_families_are_served(start):
    server = start(listen=("127.0.0.1:0", "[::1]:0"))

    assert [get(address, "/-/healthy").status for address in server.addresses] == [200, 200]
    assert server.addresses[1].startswith("[::1]:")


def test_an_application_that_raises_ends_its_connection_and_not_the_server(start):
    class Broken:
        def __call__(self, _request):
            raise RuntimeError("broken")

        def is_instant(self, request):
            return request.path == "/instant"

    server = start(Broken())
    for path in ("/instant", "/other"):
        with connect(server.addresses[0]) as client:
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert read_all(client) == b""

    assert server.is_serving
