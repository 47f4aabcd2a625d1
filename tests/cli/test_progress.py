"""What a terminal shows while a command works: how far, how fast, how long yet; and a pipe nothing."""

from __future__ import annotations

import contextlib
import io
import json

import pytest

from hyperjobs.cli.stop import Progress
from hyperjobs.testing import FakeClock

CLEAR = "\r\x1b[K"


class Terminal(io.StringIO):
    """Somebody looks."""

    def isatty(self):
        return True


def shown(work):
    """What somebody who looks sees of it, a line for each time that it was drawn."""
    clock, terminal = FakeClock(), Terminal()
    with contextlib.redirect_stderr(terminal):
        work(Progress(clock), clock)
    return terminal.getvalue().split(CLEAR)[1:]


def test_pace_and_time_left_are_of_the_phase_and_told_after_a_second():
    def work(progress, clock):
        progress("copied", 0, 1_000)
        clock.advance(0.5)
        progress("copied", 100, 1_000)
        clock.advance(1.5)
        progress("copied", 400, 1_000)
        progress("verifying", 400, 1_000)
        clock.advance(2)
        progress("verifying", 600, 1_000)
        progress.end()

    assert shown(work) == [
        "copied: 0 of 1,000, 0%",
        "copied: 100 of 1,000, 10%",
        "copied: 400 of 1,000, 40%, 200/s, 0:03 left",
        "verifying: 400 of 1,000, 40%",
        "verifying: 600 of 1,000, 60%, 100/s, 0:04 left",
        "",
    ]


def test_where_nobody_knows_the_end_there_is_a_pace_alone():
    def work(progress, clock):
        progress("rows", 0, 0)
        clock.advance(2)
        progress("rows", 5_000, 0)

    assert shown(work) == ["rows", "rows: 5,000, 2,500/s"]


def test_a_few_steps_are_told_by_their_name():
    assert shown(lambda progress, _clock: progress("restore", 1, 3)) == ["restore"]


def test_it_is_drawn_no_more_often_than_a_person_reads():
    def work(progress, clock):
        for done in range(100):
            progress("pruning", done, 100)
            clock.advance(0.01)

    assert 4 <= len(shown(work)) <= 6


@pytest.mark.parametrize("words", [["backup", "create"], ["integrity"], ["drill"]])
def test_a_task_shows_it_on_a_terminal_and_takes_it_away(hj, words):
    assert hj.run("backup", "create", "--dir", "backups").returncode in {0, 6}
    env = {
        "HYPERJOBS_MAINTENANCE__BACKUP__DIRECTORY": str(hj.home / "b"),
        "HYPERJOBS_STORE__STATE_DIR": str(hj.home / "s"),
    }
    if words == ["drill"]:
        assert hj.run("backup", "create", env=env).returncode == 0

    code, written = hj.on_terminal(*words, env=env)
    piped = hj.run(*words, env=env)

    assert code == 0
    assert written.count(CLEAR.lstrip("\r")) >= 2
    assert "\x1b" not in piped.stdout + piped.stderr


def test_a_dry_run_of_a_backup_says_what_it_would_take_and_takes_none(hj):
    env = {
        "HYPERJOBS_MAINTENANCE__BACKUP__DIRECTORY": str(hj.home / "b"),
        "HYPERJOBS_STORE__STATE_DIR": str(hj.home / "s"),
    }

    done = hj.run("backup", "create", "--dry-run", env=env)
    record = json.loads(hj.run("backup", "create", "--dry-run", "--json", env=env).stdout)

    assert done.returncode == 0
    assert "MiB" in done.stdout
    assert record["run"] == 0
    assert not (hj.home / "b").exists()
    assert hj.run("backup", "create", "--dry-run", "--to", "x.db", env=env).returncode == 2
