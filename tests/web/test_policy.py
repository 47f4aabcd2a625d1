"""What a request has to pass, and the headers that an operator wants."""

from __future__ import annotations

import base64
import contextlib
import threading
import time

import bcrypt
import pytest

from hyperjobs.secret import Secret
from hyperjobs.testing import FakeClock
from hyperjobs.web.policy import Policy, TokenBucket
from support.web_client import ask, connect, eventually, get, parse_answer, read_all

USERS = {"alice": Secret(bcrypt.hashpw(b"wonderland", bcrypt.gensalt(4)).decode())}
RIGHT = "Authorization: Basic " + base64.b64encode(b"alice:wonderland").decode()
WRONG = "Authorization: Basic " + base64.b64encode(b"alice:canary-hunter2").decode()


@pytest.mark.parametrize("path", ["/", "/metrics", "/-/healthy", "/-/ready", "/-/reload", "/nowhere"])
def test_nothing_is_answered_without_a_password_the_probes_and_missing_pages_too(start, path):
    address = start(policy=lambda: Policy(users=USERS)).addresses[0]

    for headers in ((), (WRONG,), ("Authorization: Bearer x",)):
        answer = get(address, path, *headers)
        assert answer.status == 401
        assert answer.headers["www-authenticate"].startswith("Basic ")
        assert b"hunter2" not in answer.body
    assert get(address, path, RIGHT).status in {200, 404, 405}


def test_head_and_other_methods_are_asked_for_a_password_too(start):
    address = start(policy=lambda: Policy(users=USERS)).addresses[0]

    assert [get(address, "/metrics", method=method).status for method in ("HEAD", "POST", "TRACE")] == [401] * 3


def test_a_password_is_asked_for_each_request_of_a_connection(start):
    address = start(policy=lambda: Policy(users=USERS)).addresses[0]

    with connect(address) as client:
        client.sendall(f"GET /-/healthy HTTP/1.1\r\nHost: x\r\n{RIGHT}\r\n\r\n".encode())
        client.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        both = read_all(client)

    assert both.count(b"HTTP/1.1 200") == 1
    assert both.index(b"HTTP/1.1 200") < both.index(b"HTTP/1.1 401")


def test_who_asks_too_often_is_told_so_before_any_password_is_computed(start):
    clock = FakeClock()
    bucket = TokenBucket(1.0, 2, clock)
    address = start(policy=lambda: Policy(users=USERS, limiter=bucket)).addresses[0]

    assert [get(address, "/metrics", RIGHT).status for _ in range(4)] == [200, 200, 429, 429]
    clock.advance(1.0)
    assert [get(address, "/metrics", RIGHT).status for _ in range(2)] == [200, 429]


def test_a_bucket_holds_no_more_than_its_burst():
    clock = FakeClock()
    bucket = TokenBucket(0.5, 3, clock)
    clock.advance(1000)

    assert [bucket.allows() for _ in range(4)] == [True, True, True, False]
    clock.advance(0.4)
    assert not bucket.allows()
    clock.advance(0.1)
    assert bucket.allows()


def test_the_operators_headers_are_in_every_answer_and_over_our_own(start):
    headers = (("X-Frame-Options", "sameorigin"), ("Strict-Transport-Security", "max-age=1"))
    address = start(policy=lambda: Policy(headers=headers, users=USERS)).addresses[0]

    refused = ask(address, b"NO HTTP\r\n\r\n")
    for answer in (get(address, "/metrics", RIGHT), get(address, "/metrics"), refused):
        assert answer.headers["x-frame-options"] == "sameorigin"
        assert answer.headers["strict-transport-security"] == "max-age=1"
        assert answer.headers["x-content-type-options"] == "nosniff"
    with connect(address) as client:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert read_all(client).count(b"X-Frame-Options") == 1


def test_a_connection_opened_by_other_rules_ends_with_its_next_answer(start, server_tls, client_tls):
    now = [Policy()]
    address = start(policy=lambda: now[0]).addresses[0]

    with connect(address) as client:
        client.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
        assert parse_answer(client.recv(65536)).headers["connection"] == "keep-alive"
        now[0] = Policy(tls=server_tls)
        client.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
        assert parse_answer(read_all(client)).headers["connection"] == "close"
    assert get(address, "/-/healthy", tls=client_tls).status == 200


def test_a_crowd_that_guesses_or_shakes_no_hands_does_not_keep_a_known_client_waiting(start, server_tls, client_tls):
    policy = Policy(tls=server_tls, users={"alice": Secret(bcrypt.hashpw(b"wonderland", bcrypt.gensalt(10)).decode())})
    threads = threading.active_count()
    server = start(policy=lambda: policy, connections=64)
    address = server.addresses[0]
    assert get(address, "/metrics", RIGHT, tls=client_tls).status == 200
    stopping = threading.Event()
    guessed: list[int] = []

    def guess(number: int) -> None:
        for turn in range(1000):
            if stopping.is_set():
                return
            wrong = base64.b64encode(f"user{number}:{turn}".encode()).decode()
            with contextlib.suppress(OSError, IndexError):  # evicted by the others
                guessed.append(get(address, "/metrics", f"Authorization: Basic {wrong}", tls=client_tls).status)

    with contextlib.ExitStack() as opened:
        crowd = [threading.Thread(target=guess, args=(number,)) for number in range(6)]
        for thread in crowd:
            thread.start()
        silent = [opened.enter_context(connect(address)) for _ in range(500)]
        assert len(silent) == 500
        took = []
        for _ in range(10):
            began = time.monotonic()
            assert get(address, "/metrics", RIGHT, tls=client_tls).status == 200
            took.append(time.monotonic() - began)
        stopping.set()
        for thread in crowd:
            thread.join(20)

    assert guessed
    assert set(guessed) <= {401, 503}
    assert sorted(took)[5] < 0.25  # some milliseconds where the machine has time for it
    server.stop()
    assert eventually(lambda: threading.active_count() <= threads)
