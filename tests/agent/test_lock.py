"""One agent a store, by whatever name or state directory; and none too few after a crash."""

from __future__ import annotations

import os
import shutil
import signal

import pytest

from hyperjobs.agent.lock import AgentLock, agent_holding
from hyperjobs.errors import AgentRunningError, StorePermissionError
from support.agents import logged, started, unprivileged
from support.holders import execute
from support.processes import get, until
from support.scrapes import copy_fixture


@pytest.fixture
def place(tmp_path):
    """A store and where its agents keep their state."""
    return copy_fixture(tmp_path), tmp_path / "state"


def test_a_second_lock_is_refused_and_says_which_process_has_the_first(place):
    first, second = AgentLock(*place), AgentLock(*place)
    first.acquire()

    with pytest.raises(AgentRunningError, match=f"pid {os.getpid()}") as caught:
        second.acquire()

    assert caught.value.exit_code == 4
    assert str(place[0]) in str(caught.value)
    first.release()
    second.acquire()
    second.release()


def test_the_holder_stays_named_after_others_tried(place):
    first, second = AgentLock(*place), AgentLock(*place)
    first.acquire()
    for _ in range(3):
        with pytest.raises(AgentRunningError, match=f"pid {os.getpid()}"):
            second.acquire()

    first.acquire()  # again: nothing to do
    first.release()


def test_a_refused_lock_lets_go_of_what_it_had_taken(place, tmp_path):
    store, state_dir = place
    first, second = AgentLock(store, state_dir), AgentLock(store, tmp_path / "other")
    first.acquire()
    with pytest.raises(AgentRunningError):
        second.acquire()

    assert second._held == {}
    first.release()
    second.acquire()
    second.release()


def test_the_lock_beside_the_store_is_taken_when_the_store_appears(tmp_path):
    store = tmp_path / "place" / "jobs.db"
    store.parent.mkdir()
    first, second = AgentLock(store, tmp_path / "a"), AgentLock(store, tmp_path / "b")
    first.acquire()
    second.acquire()
    assert list(store.parent.iterdir()) == []

    shutil.copyfile(copy_fixture(tmp_path), store)

    first.acquire()
    with pytest.raises(AgentRunningError):
        second.acquire()
    first.release()


def test_who_holds_a_store_can_be_asked_and_asking_changes_nothing(place):
    lock = AgentLock(*place)
    assert agent_holding(*place) is None
    lock.acquire()

    assert [agent_holding(*place) for _ in range(2)] == [f"pid {os.getpid()}"] * 2

    lock.release()
    assert agent_holding(*place) is None


def test_a_lock_file_that_takes_no_name_is_held_all_the_same(place, tmp_path):
    """A FIFO can be locked and not cut, as a file on a full disk cannot be written."""
    store, state_dir = place
    os.mkfifo(store.with_name(f"{store.name}.hyperjobs.lock"))
    first, second = AgentLock(store, state_dir), AgentLock(store, tmp_path / "other")
    first.acquire()
    first.acquire()

    with pytest.raises(AgentRunningError, match="not named"):
        second.acquire()
    assert agent_holding(store, tmp_path / "other") == "another process"
    first.release()
    second.acquire()
    second.release()


def test_a_lock_is_never_taken_through_a_link(place, tmp_path):
    store, state_dir = place
    victim = tmp_path / "victim"
    victim.write_text("precious")
    state_dir.mkdir()
    (tmp_path / "jobs.db.hyperjobs.lock").symlink_to(victim)

    lock = AgentLock(store, state_dir)
    lock.acquire()

    lock.release()
    assert victim.read_text() == "precious"


def test_a_state_directory_that_is_a_file_is_refused_with_the_remedy(place):
    store, state_dir = place
    state_dir.write_text("")

    with pytest.raises(StorePermissionError, match=r"set store\.state_dir"):
        AgentLock(store, state_dir).acquire()


def refused(process):
    code = process.wait()
    assert "Traceback" not in process.output
    return code, process.output


@pytest.mark.parametrize("way", ["the same", "another state directory", "a symbolic link", "a linked directory"])
def test_a_second_agent_is_exit_4_and_names_the_first(launch, store, tmp_path, way):
    other, state_dir = store, None
    if way == "another state directory":
        state_dir = tmp_path / "other-state"
    elif way == "a symbolic link":
        other = tmp_path / "linked.db"
        other.symlink_to(store)
    elif way == "a linked directory":
        (tmp_path / "linked").symlink_to(store.parent)
        other = tmp_path / "linked" / store.name
    with launch(store) as first:
        started(first)
        with launch(other, state_dir=state_dir) as second:
            code, output = refused(second)

        assert (code, f"pid {first.pid}" in output, "stop that one first" in output) == (4, True, True)
        assert first.stop() == 0


def test_the_next_agent_starts_at_once_after_a_kill_9(launch, store):
    with launch(store) as first:
        started(first)
        first.kill()

    with launch(store) as second:
        started(second)
        assert second.stop() == 0


def test_an_agent_on_a_store_that_appears_late_gives_way_to_who_has_it(launch, store, tmp_path):
    """Two agents wait for one store with different state directories; only one may look after it."""
    good, missing = store, tmp_path / "later" / "jobs.db"
    missing.parent.mkdir()
    with launch(missing, state_dir=tmp_path / "a") as first, launch(missing, state_dir=tmp_path / "b") as second:
        started(first)
        started(second)
        shutil.copyfile(good, missing.with_name("fresh"))
        missing.with_name("fresh").replace(missing)

        def losers():
            return [
                p
                for p in (first, second)
                if any(line["reason"] == "agent_running" for line in logged(p, "agent.loop_failed"))
            ]

        [loser] = first.until(losers, "one that gave way")
        winner = second if loser is first else first
        assert [leader(process) for process in (winner, loser)] == [1, 0]
        assert "Traceback" not in loser.output

        winner.stop()
        loser.until(lambda: logged(loser, "agent.loop_recovered"), "the other to take over")


def leader(process):
    """Whether it says it looks after the store."""
    [line] = [
        line for line in get(f"{started(process)}/metrics").text.splitlines() if line.startswith("hyperjobs_leader ")
    ]
    return float(line.split()[1])


def test_a_directory_that_cannot_be_written_leaves_the_lock_in_the_state_directory(launch, store):
    execute(store, "PRAGMA journal_mode=delete")
    store.parent.chmod(0o500)
    try:
        with launch(store, prefix=unprivileged()) as first:
            started(first)
            with launch(store, prefix=unprivileged()) as second:
                assert refused(second)[0] == 4
    finally:
        store.parent.chmod(0o700)


def is_acquired(lock):
    try:
        lock.acquire()
    except AgentRunningError:
        return False
    return True


def test_a_child_of_the_agents_process_does_not_keep_the_lock(place):
    lock = AgentLock(*place)
    lock.acquire()
    pid = os.posix_spawn("/bin/sleep", ["sleep", "60"], os.environ)
    try:
        lock.release()
        again = AgentLock(*place)
        until(lambda: is_acquired(again), "the lock")  # the child lets go while it starts its program
        again.release()
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
