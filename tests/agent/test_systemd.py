"""What systemd is told, on a real datagram socket."""

from __future__ import annotations

import os
import signal
import socket
import time

import pytest

from hyperjobs.agent.systemd import Notifier
from support.agents import logged, started
from support.processes import until


@pytest.fixture(params=["path", "abstract"])
def notified(request, tmp_path):
    """A bound socket as systemd makes it, and the NOTIFY_SOCKET that names it."""
    name = (
        f"@hyperjobs-{os.getpid()}-{time.monotonic_ns()}" if request.param == "abstract" else str(tmp_path / "notify")
    )
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind("\0" + name[1:] if name.startswith("@") else name)
        bound.settimeout(20)
        yield bound, name


def receive(bound):
    """The states of the next datagram."""
    return bound.recv(4096).decode().split("\n")


def test_states_arrive_as_one_datagram(notified):
    bound, name = notified
    Notifier({"NOTIFY_SOCKET": name}).send("READY=1", "STATUS=serving")

    assert receive(bound) == ["READY=1", "STATUS=serving"]


@pytest.mark.parametrize("name", ["", "/nowhere/notify", "@nobody-listens", "/" + "x" * 300])
def test_a_systemd_that_does_not_listen_is_no_error(name):
    Notifier({"NOTIFY_SOCKET": name}).send("READY=1")


@pytest.mark.parametrize(
    ("usec", "watchdog_s"), [("30000000", 30.0), ("1", 1e-6), ("0", None), ("", None), ("-5", None), ("soon", None)]
)
def test_the_watchdogs_time_is_read(usec, watchdog_s):
    assert Notifier({"WATCHDOG_USEC": usec}).watchdog_s == watchdog_s


def test_a_watchdog_meant_for_another_process_is_not_ours():
    assert Notifier({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}).watchdog_s is None
    assert Notifier({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": str(os.getpid())}).watchdog_s == 1


def test_no_socket_is_silence(notified):
    bound, _ = notified
    Notifier({}).send("READY=1")
    bound.settimeout(0)

    with pytest.raises(BlockingIOError):
        bound.recv(1)


def test_the_agent_says_ready_alive_reloading_and_stopping(notified, launch, store):
    bound, name = notified
    with launch(store, env={"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "200000"}) as process:
        ready, status = receive(bound)
        assert ready == "READY=1"
        assert status == f"STATUS=serving {store} on {started(process).removeprefix('http://')}"
        assert [receive(bound) for _ in range(3)] == [["WATCHDOG=1"]] * 3

        process.signal(signal.SIGHUP)
        reloading, since = until_not_watchdog(bound)
        assert reloading == "RELOADING=1"
        assert since.removeprefix("MONOTONIC_USEC=").isdigit()
        assert until_not_watchdog(bound) == ["READY=1"]

        process.signal(signal.SIGTERM)
        assert until_not_watchdog(bound) == ["STOPPING=1"]
        assert process.wait() == 0


def until_not_watchdog(bound):
    return until(lambda: next((s for s in [receive(bound)] if s != ["WATCHDOG=1"]), None), "another state")


def test_ready_is_said_also_without_a_store(notified, launch, tmp_path):
    bound, name = notified
    with launch(tmp_path / "none.db", env={"NOTIFY_SOCKET": name}) as process:
        assert receive(bound)[0] == "READY=1"
        assert process.stop() == 0


def test_an_agent_that_cannot_start_is_never_ready(notified, launch, store):
    bound, name = notified
    with launch(store, listen="192.0.2.1:1", env={"NOTIFY_SOCKET": name}) as process:
        assert process.wait() == 1
    bound.settimeout(0)

    with pytest.raises(BlockingIOError):
        bound.recv(1)
    assert not logged(process, "agent.started")
