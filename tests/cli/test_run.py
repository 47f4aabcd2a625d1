"""``run`` hands its flags to the agent, and the agent's end is its exit code."""

from __future__ import annotations

import signal
import socket
import sys

import pytest

from support.processes import free_port, get, running


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_flags_go_over_the_file_and_a_signal_ends_it_well(hj, tmp_path, stop):
    config = tmp_path / "hyperjobs.yaml"
    config.write_text("store: {path: /nowhere/jobs.db}\nweb: {listen: ['127.0.0.1:1']}\n")
    address = f"127.0.0.1:{free_port()}"
    words = ["run", "--config", str(config), "--store", str(hj.store), "--listen", address]
    environment = {"HYPERJOBS_STORE__STATE_DIR": str(tmp_path / "state")}

    with running([sys.executable, "-m", "hyperjobs", *words], env=environment) as process:
        page = process.until(lambda: get(f"http://{address}/metrics"), "metrics")
        process.signal(stop)
        code = process.wait()

    assert page.status == 200
    assert "hyperjobs_store_up 1" in page.text
    assert code == 0


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1:99999", ""])
def test_an_address_that_is_none_is_exit_2(hj, address):
    result = hj.run("run", "--listen", address)

    assert result.returncode == 2
    assert "--listen" in result.stderr
    assert "Traceback" not in result.stderr


def test_an_address_in_use_is_exit_1_and_one_line(hj, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        result = hj.run("run", "--listen", address, env={"HYPERJOBS_STORE__STATE_DIR": str(tmp_path / "state")})

    assert result.returncode == 1
    message = [line for line in result.stderr.splitlines() if line.startswith("hyperjobs: ")]
    assert len(message) == 1
    assert address in message[0]
    assert "Traceback" not in result.stderr
