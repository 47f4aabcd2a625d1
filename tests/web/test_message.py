"""Reading request heads and writing answers: strict, and never an exception of another kind."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperjobs.web.message import (
    MAX_HEADER_LINES,
    MAX_TARGET_BYTES,
    RefusedRequestError,
    Response,
    check_start,
    encode,
    parse_head,
    plain,
)


def head(*lines: str) -> bytes:
    return "\r\n".join(lines).encode("latin-1")


def refusal(raw: bytes) -> int:
    with pytest.raises(RefusedRequestError) as refused:
        parse_head(raw)
    return refused.value.status


def test_a_request_is_read_into_its_parts():
    request = parse_head(head("GET /metrics?name[]=a&b HTTP/1.1", "Host: x", "X-Some:  a value\t"), received_at=5.0)

    assert (request.method, request.path, request.query) == ("GET", "/metrics", "name[]=a&b")
    assert request.headers == {"host": "x", "x-some": "a value"}
    assert request.received_at == 5.0


def test_repeated_headers_are_joined():
    assert parse_head(head("GET / HTTP/1.1", "Host: x", "Accept: a", "accept: b")).headers["accept"] == "a, b"


def test_an_absolute_address_is_read_as_its_path():
    assert parse_head(head("GET http://other/metrics HTTP/1.1", "Host: x")).path == "/metrics"


@pytest.mark.parametrize(
    ("line", "header", "keeps"),
    [
        ("GET / HTTP/1.1", "Accept: x", True),
        ("GET / HTTP/1.1", "Connection: foo, Close", False),
        ("GET / HTTP/1.0", "Connection: keep-alive", False),
    ],
)
def test_a_connection_is_kept_by_the_rule_of_its_version(line, header, keeps):
    assert parse_head(head(line, "Host: x", header)).keep_alive is keeps


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"", 400),
        (b"\x16\x03\x01\x02", 400),
        (head("GET /"), 400),
        (head("get / HTTP/1.1", "Host: x"), 400),
        (head("GET  / HTTP/1.1", "Host: x"), 400),
        (head("GET * HTTP/1.1", "Host: x"), 400),
        (head("GET metrics HTTP/1.1", "Host: x"), 400),
        (head("GET / HTTP/1.1"), 400),
        (head("GET / HTTP/1.1", "Host: x", "Host: y"), 400),
        (head("GET / HTTP/1.1", "Host: x", " folded"), 400),
        (head("GET / HTTP/1.1", "Host: x", "Name : v"), 400),
        (head("GET / HTTP/1.1", "Host: x", "Name"), 400),
        (head("GET / HTTP/1.1", "Host: x", "Name: a\nInjected: b"), 400),
        (head("GET / HTTP/1.1", "Host: x", "Name: a\x00"), 400),
        (head("GET / HTTP/2.0", "Host: x"), 505),
        (head("POST / HTTP/1.1", "Host: x", "Content-Length: 1"), 413),
        (head("POST / HTTP/1.1", "Host: x", "Content-Length: +0"), 413),
        (head("POST / HTTP/1.1", "Host: x", "Transfer-Encoding: chunked"), 413),
        (head("POST / HTTP/1.1", "Host: x", "Content-Length: 0", "Content-Length: 0"), 400),
    ],
)
def test_what_is_no_request_is_refused(raw, status):
    assert refusal(raw) == status


def test_an_empty_body_is_no_body():
    assert parse_head(head("POST /-/reload HTTP/1.1", "Host: x", "Content-Length: 0")).method == "POST"


def test_the_address_may_be_as_long_as_the_limit_and_no_longer():
    assert parse_head(head(f"GET /{'a' * (MAX_TARGET_BYTES - 1)} HTTP/1.1", "Host: x"))
    assert refusal(head(f"GET /{'a' * MAX_TARGET_BYTES} HTTP/1.1", "Host: x")) == 414


def test_there_may_be_as_many_headers_as_the_limit_and_no_more():
    lines = [f"X-{n}: 1" for n in range(MAX_HEADER_LINES)]

    assert parse_head(head("GET / HTTP/1.1", "Host: x", *lines[1:]))
    assert refusal(head("GET / HTTP/1.1", "Host: x", *lines)) == 431


@given(st.binary() | st.binary().map(lambda tail: b"GET / HTTP/1.1\r\nHost: x\r\n" + tail))
def test_no_bytes_raise_anything_but_a_refusal(raw):
    with suppress(RefusedRequestError):
        parse_head(raw)
    with suppress(RefusedRequestError):
        check_start(raw, limit_bytes=64)


@pytest.mark.parametrize("start", [b"G", b"GET", b"GET /", b"GET / HTTP/1.1\r\nHost", b"OPTIONS"])
def test_a_beginning_that_may_become_a_request_is_waited_for(start):
    check_start(start, limit_bytes=64)


@pytest.mark.parametrize(
    ("start", "status"),
    [
        (b"\x80", 400),
        (b"SSH-2.0-x", 400),
        (b"GET / HTTP/1.1\r\nA: \0", 400),
        (b"GET /" + b"a" * 5000, 414),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * 8192, 431),
    ],
)
def test_a_beginning_that_cannot_become_a_request_is_refused_at_once(start, status):
    with pytest.raises(RefusedRequestError) as refused:
        check_start(start, limit_bytes=8192)
    assert refused.value.status == status


def test_an_answer_to_head_says_the_length_and_has_no_body():
    raw = encode(plain(200, "text"), head_only=True, keep_alive=False)

    assert raw.endswith(b"\r\n\r\n")
    assert b"\r\nContent-Length: 5\r\n" in raw


def test_a_header_value_with_a_line_break_is_a_programming_error():
    with pytest.raises(ValueError, match="line break"):
        Response(200, b"", headers=(("X", "a\r\nInjected: b"),))


def test_every_answer_forbids_framing_sniffing_and_caching():
    raw = encode(plain(404, "x"), head_only=False, keep_alive=True).decode()

    assert "X-Content-Type-Options: nosniff" in raw
    assert "X-Frame-Options: DENY" in raw
    assert "Cache-Control: no-store" in raw
    assert raw.count("Content-Security-Policy: default-src 'none'") == 1
