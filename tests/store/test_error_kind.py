"""Errors that differ in an id, a number, a host, a path or a size are of one kind; others are not."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperjobs.store.error_kind import kind_of

KINDS = [
    (
        "Failed to connect to vcenter01.corp.local:443: dial tcp 10.0.0.5:443: i/o timeout after 30s",
        "Failed to connect to <host>: dial tcp <host>: i/o timeout after <time>",
    ),
    ("export of vm-1234 failed: HTTP 503 Service Unavailable", "export of <id> failed: HTTP 503 Service Unavailable"),
    ("disk web-01-disk2.vmdk: read 12.5 GiB of 40 GiB", "disk <file>: read <size> of <size>"),
    ("checksum mismatch at 0xdeadbeef", "checksum mismatch at <id>"),
    (
        "no space left on device: /exports/web-01/disk.vmdk (needs 40960 MB)",
        "no space left on device: <path> (needs <size>)",
    ),
    ("task 52e0a1b2-1234-4c3d-9e8f-aabbccddeeff timed out", "task <id> timed out"),
    ("[datastore1] web-01/web-01.vmdk: locked", "<path>: locked"),
    ('VM "web-01" not found', 'VM "<name>" not found'),
    ("user admin@vsphere.local denied", "user <user> denied"),
    ("[fe80::1]:22 refused, fe80::1 also", "<host> refused, <host> also"),
    ("2026-01-01T10:00:00Z: retry 3/5", "<time>: retry <n>/<n>"),
    (r"cannot open C:\exports\a.vmdk", "cannot open <path>"),
    ("GET https://vc/sdk?x=1 failed", "GET <url> failed"),
    ("  two\nlines\t\x00and\u202emore  ", "two lines and more"),
    ("", ""),
]


@pytest.mark.parametrize(("message", "kind"), KINDS)
def test_what_differs_from_job_to_job_is_taken_out(message, kind):
    assert kind_of(message) == kind


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("HTTP 503 from the server", "HTTP 404 from the server"),
        ("exit status 137", "exit status 1"),
        ("x509: certificate signed by unknown authority", "x509: certificate has expired"),
        ("disk full", "disk busy"),
    ],
)
def test_what_an_error_is_about_stays(one, other):
    assert kind_of(one) != kind_of(other)


@given(
    st.text(st.sampled_from("abcdefghij0123456789"), min_size=1, max_size=12),
    st.integers(0, 10**9),
    st.ip_addresses().map(str),
    st.lists(st.text(st.sampled_from("abcXYZ019._-"), min_size=1, max_size=8), min_size=2, max_size=4),
    st.sampled_from(["B", "MB", "GiB"]),
)
def test_two_messages_of_one_form_are_of_one_kind(word, number, host, parts, unit):
    def message(word, number, host, path, unit):
        return f"job job-1{word} on {host}: wrote {number} {unit} to {path}: attempt {number}: lost"

    path = "/" + "/".join(parts)
    assert kind_of(message(word, number, host, path, unit)) == kind_of(message("x", 7, "10.1.2.3", "/a/b", "KiB"))


@given(st.text(max_size=400))
def test_a_kind_is_short_one_line_and_the_same_each_time(message):
    kind = kind_of(message)

    assert len(kind) <= 200
    assert not kind or kind.isprintable()
    assert kind == kind_of.__wrapped__(message)


@pytest.mark.parametrize("piece", ["a", "1", "/", "a-", "1.", "'", "[", "a.", ":", "0f", "\\", "<", "a@", "1:", "-1_"])
def test_no_message_takes_long_however_it_is_made(piece):
    started = time.process_time()
    kind_of.__wrapped__(piece * 500_000)

    assert time.process_time() - started < 0.1
