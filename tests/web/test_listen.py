"""Addresses, and the errors that say what to do."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from hyperjobs.errors import HyperjobsError
from hyperjobs.web.listen import ListenError, bind_all, bound_address, parse_address
from support.tools import give_up
from support.web_client import split_address


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("127.0.0.1:10985", ("127.0.0.1", 10985)),
        ("[::1]:0", ("::1", 0)),
        (":65535", ("", 65535)),
        ("localhost:80", ("localhost", 80)),
    ],
)
def test_an_address_is_host_and_port(text, parsed):
    assert parse_address(text) == parsed


@pytest.mark.parametrize("text", ["", "10985", "127.0.0.1", "::1:80", "a:b", "a:-1", "a:65536", "a:٣", "a: 1"])
def test_what_is_no_address_is_refused_with_an_example(text):
    with pytest.raises(ListenError, match=r"127\.0\.0\.1:10985"):
        parse_address(text)


def test_an_address_in_use_is_one_line_with_a_remedy_and_exit_code_1():
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = bound_address(other)
        with pytest.raises(HyperjobsError) as failed:
            bind_all([taken])

    message = str(failed.value)
    assert message.startswith(f"{taken}: address in use; ")
    assert "web.listen" in message
    assert "\n" not in message
    assert failed.value.exit_code == 1


def test_all_addresses_are_bound_or_none():
    with socket.create_server(("127.0.0.1", 0)) as other, socket.create_server(("127.0.0.1", 0)) as spare:
        taken, first = bound_address(other), bound_address(spare)
        spare.close()
        with pytest.raises(ListenError, match="address in use"):
            bind_all([first, taken])

        (again,) = bind_all([first])
        again.close()


def test_an_address_of_another_machine_is_explained():
    with pytest.raises(ListenError, match="no such address"):
        bind_all(["192.0.2.1:0"])


def test_an_unknown_name_is_explained():
    with pytest.raises(ListenError, match="not known"):
        bind_all(["no-such-host.invalid:0"])


@pytest.mark.tool("root", "unshare")
def test_a_privileged_port_is_explained():
    code = "from hyperjobs.web.listen import bind_all\ntry: bind_all(['127.0.0.1:81'])\nexcept Exception as error: print(error)"
    command = [
        "unshare",
        "--net",
        "setpriv",
        "--reuid=65534",
        "--clear-groups",
        "--bounding-set=-all",
        "--inh-caps=-all",
    ]
    ended = subprocess.run(
        [*command, sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**os.environ}
    )
    if "privileged" not in ended.stdout and ended.stderr:
        give_up(f"no user to try it as: {ended.stderr[-200:]}")

    assert "privileged" in ended.stdout
    assert "CAP_NET_BIND_SERVICE" in ended.stdout


def test_an_address_without_a_host_takes_both_families():
    (listener,) = bind_all([":0"])
    with listener:
        _, port = split_address(bound_address(listener))
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        if listener.family == socket.AF_INET6:
            socket.create_connection(("::1", port), timeout=5).close()
