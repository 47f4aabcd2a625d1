"""A start works or fails as a whole, with one line and its exit code."""

from __future__ import annotations

import os
import socket

import apsw
import pytest

from support.agents import events, logged, started, unprivileged
from support.holders import held
from support.processes import get, until
from support.tools import give_up


def failure(process):
    """Exit code and the one line that a failed start writes for people."""
    code = process.wait()
    assert "Traceback" not in process.output
    lines = [line for line in process.output.splitlines() if not line.startswith("{")]
    assert len(lines) == 1, process.output
    return code, lines[0]


def test_a_port_in_use_is_exit_1_and_leaves_the_store_to_the_next(launch, store):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = "{}:{}".format(*other.getsockname())
        with launch(store, listen=address) as process:
            code, line = failure(process)

    assert code == 1
    assert f"{address}: address in use" in line
    assert not logged(process, "agent.started")
    with launch(store) as process:
        started(process)


def test_one_bad_address_of_two_is_exit_1_and_the_good_one_is_free_again(launch, store):
    with socket.socket() as other, socket.socket() as probe:
        for one in (other, probe):
            one.bind(("127.0.0.1", 0))
        other.listen()
        good, bad = ("{}:{}".format(*one.getsockname()) for one in (probe, other))
        probe.close()
        with launch(store, listen=good, env={"HYPERJOBS_WEB__LISTEN": "[]"}) as process:
            started(process)
            process.stop()
        both = f'["{good}", "{bad}"]'
        with launch(store, listen=bad, env={"HYPERJOBS_WEB__LISTEN": both}) as process:
            assert failure(process)[0] == 1


@pytest.mark.parametrize(
    ("address", "code", "words"),
    [
        ("192.0.2.1:9999", 1, "no such address"),
        ("127.0.0.1:70000", 2, "127.0.0.1:70000"),
        ("nonsense", 2, "nonsense"),
    ],
)
def test_an_address_that_cannot_be_is_said_so(launch, store, address, code, words):
    with launch(store, listen=address) as process:
        found, line = failure(process)

    assert (found, words in line) == (code, True)


def test_a_privileged_port_is_exit_1_with_the_remedy(launch, store):
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start") as file:  # noqa: PTH123 - a kernel setting
        if int(file.read()) == 0:
            give_up("no port is privileged here")
    with launch(store, listen="127.0.0.1:1", prefix=unprivileged()) as process:
        code, line = failure(process)

    assert (code, "privileged" in line) == (1, True)


@pytest.mark.parametrize("kind", ["not writable", "a file", "below a file"])
def test_a_state_dir_that_cannot_be_written_is_exit_6_with_the_remedy(launch, store, tmp_path, kind):
    place = tmp_path / "place"
    if kind == "not writable":
        place.mkdir(mode=0o500)
    else:
        place.write_text("")
    with launch(store, state_dir=place / "state" if kind != "a file" else place, prefix=unprivileged()) as process:
        code, line = failure(process)

    assert code == 6
    assert "set store.state_dir to a directory the agent can write" in line
    assert {path.name for path in store.parent.iterdir()} == {"jobs.db"}


def test_a_state_file_that_cannot_be_written_is_exit_6(launch, store, tmp_path):
    with launch(store) as process:
        started(process)
        process.stop()
    [state] = (tmp_path / "state").glob("*.db")
    state.chmod(0o400)
    with launch(store, prefix=unprivileged()) as process:
        code, line = failure(process)

    assert (code, str(state) in line) == (6, True)


def test_a_damaged_state_file_is_moved_aside_and_said_so(launch, store, tmp_path):
    with launch(store) as process:
        started(process)
        process.stop()
    [state] = (tmp_path / "state").glob("*.db")
    state.write_bytes(b"no database" * 1000)
    with launch(store) as process:
        url = started(process)

        assert [line["path"] for line in logged(process, "state.replaced")] == [str(state)]
        frozen = 'hyperjobs_store_frozen{reason="state_lost"} 1.0'
        process.until(lambda: frozen in get(url + "/metrics").text, "the freeze that nobody can remember")
    assert len(list((tmp_path / "state").glob("*.damaged-*"))) == 1


def test_create_makes_a_store_that_is_missing_and_leaves_one_that_is_there(launch, tmp_path):
    store = tmp_path / "new" / "jobs.db"
    for times in (1, 0):
        with launch(store, env={"HYPERJOBS_STORE__CREATE": "true"}) as process:
            url = started(process)
            process.until(lambda url=url: "\nhyperjobs_ledger_ready 1.0\n" in get(url + "/metrics").text, "the count")
            assert process.stop() == 0
        assert len(logged(process, "store.created")) == times

    db = apsw.Connection(str(store), flags=apsw.SQLITE_OPEN_READONLY)
    assert db.execute("PRAGMA auto_vacuum").fetchall() == [(2,)]
    db.close()


def test_a_store_cannot_be_created_where_nothing_may_be_written(launch, tmp_path):
    place = tmp_path / "place"
    place.mkdir(mode=0o500)
    with launch(place / "deep" / "jobs.db", env={"HYPERJOBS_STORE__CREATE": "true"}, prefix=unprivileged()) as process:
        code, line = failure(process)

    assert (code, str(place) in line) == (6, True)


def test_no_store_named_is_exit_2(tmp_path, launch):
    with launch("", env={"HOME": str(tmp_path)}) as process:
        code, line = failure(process)

    assert (code, "store.path" in line or "--store" in line) == (2, True)


@pytest.mark.parametrize("ending", ["2>&-", "2>/dev/full", ">&- 2>&- <&-"])
def test_a_log_that_cannot_be_written_does_not_stop_the_work(launch, store, ending, tmp_path):
    """The state file must not be taken for standard error, either, whose number it may get."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = "{}:{}".format(*probe.getsockname())
    with launch(store, listen=address, prefix=["sh", "-c", f'exec "$@" {ending}', "sh"]) as process:

        def body():
            answer = get(f"http://{address}/metrics")
            return answer.text if answer is not None else ""

        process.until(lambda: "\nhyperjobs_ledger_ready 1.0\n" in body(), "the first count")
        with held(store, "DELETE FROM jobs WHERE provider='aws'"):
            pass
        process.until(lambda: 'hyperjobs_jobs{provider="aws",status="pending"} 0.0' in body(), "the change")
        assert process.stop() == 0
    assert process.output == ""
    [state] = (tmp_path / "state").glob("*.db")
    db = apsw.Connection(str(state), flags=apsw.SQLITE_OPEN_READONLY)
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    db.close()


def test_the_agent_says_how_much_memory_it_has(launch, store):
    with launch(store) as process:
        body = get(started(process) + "/metrics").text

    [line] = [line for line in body.splitlines() if line.startswith("process_resident_memory_bytes ")]
    assert 10e6 < float(line.split()[1]) < 200e6


def test_the_start_is_one_line_with_what_matters(launch, store):
    with launch(store) as process:
        started(process)
        [line] = logged(process, "agent.started")

        assert line["store"] == str(store)
        assert line["addresses"][0].startswith("127.0.0.1:")
        assert all(str(entry["timestamp"]).endswith("Z") for entry in events(process))


def test_the_agent_opens_no_file_for_a_child_to_inherit(launch, store):
    with launch(store) as process:
        started(process)
        flags = until(lambda: list(_flags(process.pid)), "descriptors")

    assert all(flag & os.O_CLOEXEC for flag in flags)


def _flags(pid):
    base = f"/proc/{pid}/fdinfo"
    for number in os.listdir(base):  # noqa: PTH208 - of a process, not a folder
        if int(number) > 2:
            with open(f"{base}/{number}") as file:  # noqa: PTH123 - as above
                yield next(int(line.split()[1], 8) for line in file if line.startswith("flags:"))
