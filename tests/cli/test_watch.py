"""``watch``: a screen on a real terminal, lines of JSON in a real pipe, beside writers, locks and restores."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from dataclasses import replace

import apsw
import pytest

from support.stores import held

DEADLINE_S = 30
INTERVAL = ("--interval", "0.2s")


@pytest.fixture
def hj(hj):
    return hj.in_its_place()


def ready(descriptor):
    assert select.select([descriptor], [], [], DEADLINE_S)[0], "nothing was written in time"


class Lines:
    """The program in a pipe, a line at a time."""

    def __init__(self, hj, *words):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hyperjobs", "watch", *INTERVAL, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=hj.env({"HYPERJOBS_STORE__PATH": str(hj.store)}),
            cwd=hj.home,
        )
        self._rest = b""

    def next(self, event):
        """The next line that tells of this event."""
        while True:
            while b"\n" not in self._rest:
                ready(self.process.stdout)
                chunk = os.read(self.process.stdout.fileno(), 65536)
                assert chunk, "it ended"
                self._rest += chunk
            line, _, self._rest = self._rest.partition(b"\n")
            told = json.loads(line)
            if told["event"] == event:
                return told


@pytest.fixture
def lines(hj):
    started = []

    def start(*words):
        started.append(Lines(hj, *words))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.communicate()


def without_size(environment):
    """Whoever runs the tests may have said how wide the terminal is; the tests have one of their own."""
    return {name: value for name, value in environment.items() if name not in {"COLUMNS", "LINES"}}


class Screen:
    """The program on a terminal of its own."""

    def __init__(self, hj, *words, width=100, height=24):
        self.ours, self.theirs = pty.openpty()
        self.resize(width, height)
        self.before = termios.tcgetattr(self.theirs)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hyperjobs", "watch", *INTERVAL, *words],
            stdin=self.theirs,
            stdout=self.theirs,
            stderr=self.theirs,
            env=without_size(hj.env({"HYPERJOBS_STORE__PATH": str(hj.store), "TERM": "xterm-256color"})),
            cwd=hj.home,
            start_new_session=True,
        )
        self.written = ""

    def resize(self, width, height):
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def read(self):
        ready(self.ours)
        self.written += os.read(self.ours, 65536).decode(errors="replace")

    def until(self, pattern):
        ends = time.monotonic() + DEADLINE_S  # a screen goes on being drawn, also a wrong one
        while not re.search(pattern, self.frame()):
            assert time.monotonic() < ends, self.frame()
            self.read()

    def frame(self):
        """The last whole screen that was drawn, without colours."""
        whole = self.written.rpartition("q ends")[0]
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", whole.rpartition("\x1b[H")[2])

    def end(self):
        while self.process.poll() is None or select.select([self.ours], [], [], 0)[0]:
            if select.select([self.ours], [], [], 0.2)[0]:
                self.written += os.read(self.ours, 65536).decode(errors="replace")
        return self.process.returncode


@pytest.fixture
def screen(hj):
    started = []

    def start(*words, **options):
        started.append(Screen(hj, *words, **options))
        started[-1].until("job-4")
        return started[-1]

    yield start
    for each in started:
        with contextlib.suppress(ProcessLookupError):
            each.process.kill()
        each.process.wait()
        os.close(each.ours)
        os.close(each.theirs)


def test_a_pipe_gets_a_line_for_each_change_and_none_without(hj, lines):
    watch = lines()
    first = watch.next("running")
    assert (first["job"]["id"], first["percent_per_minute"], first["seconds_left"]) == ("job-4", None, None)

    hj.sql("UPDATE jobs SET progress=60,total_size=1048576 WHERE id='job-4'")
    moved = watch.next("progress")
    assert moved["job"]["progress"] == 60
    assert moved["percent_per_minute"] > 0
    assert moved["bytes_per_second"] > 0
    assert 0 < moved["seconds_left"] < 3600
    assert moved["stalled"] is False

    hj.sql("UPDATE jobs SET status='running',started_at=created_at WHERE id='job-5'")
    assert watch.next("running")["job"]["id"] == "job-5"
    hj.sql("UPDATE jobs SET status='failed',error='lost' WHERE id='job-5'", "DELETE FROM jobs WHERE id='job-4'")
    ended = watch.next("ended")
    assert (ended["job"]["id"], ended["job"]["error"]) == ("job-5", "lost")
    assert watch.next("gone")["id"] == "job-4"

    watch.process.send_signal(signal.SIGTERM)
    rest, errors = watch.process.communicate(timeout=DEADLINE_S)
    assert (watch.process.returncode, rest, errors) == (143, b"", b"")


def test_a_job_that_stands_is_told_once(hj, lines):
    watch = lines("--stalled-after", "1s")

    assert watch.next("stalled")["job"]["id"] == "job-4"
    hj.sql("UPDATE jobs SET progress=46 WHERE id='job-4'")
    assert watch.next("progress")["stalled"] is False
    assert watch.next("stalled")["job"]["progress"] == 46


def test_only_jobs_that_fit_are_watched(hj, lines):
    watch = lines("--user", "alice")
    hj.sql("UPDATE jobs SET status='running' WHERE id='job-5'")  # job-4 is bob's

    assert watch.next("running")["job"]["id"] == "job-5"


def test_a_store_that_goes_away_and_comes_back_is_watched_on(hj, lines):
    watch = lines()
    watch.next("running")
    aside = hj.store.with_name("aside.db")

    hj.store.rename(aside)
    assert watch.next("unreadable")["reason"] == "missing"
    replace(hj, store=aside).sql("UPDATE jobs SET progress=70 WHERE id='job-4'")
    aside.rename(hj.store)
    assert watch.next("readable")
    assert watch.next("progress")["job"]["progress"] == 70


def test_a_lock_on_the_whole_file_is_waited_out(hj, lines):
    watch = lines()
    watch.next("running")

    with held(hj.store, ("PRAGMA locking_mode=EXCLUSIVE", "BEGIN EXCLUSIVE", "UPDATE jobs SET progress=1 WHERE 0")):
        assert watch.next("unreadable")["reason"] == "busy"
    watch.next("readable")
    assert watch.process.poll() is None


def test_nothing_is_held_between_looks(hj, lines):
    watch = lines("--interval", "60s")
    watch.next("running")

    hj.sql("UPDATE jobs SET progress=50 WHERE id='job-4'")
    db = apsw.Connection(str(hj.store))
    assert db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()[0][0] == 0
    db.close()
    assert watch.process.poll() is None


def test_a_store_that_is_not_there_from_the_start_is_exit_7(bare):
    done = bare.run("watch")

    assert (done.returncode, done.stderr.count("\n")) == (7, 1)


def test_a_screen_shows_progress_and_what_ended_and_follows_both(hj, screen):
    watched = screen()
    assert "1 running" in watched.frame()
    assert "45.5" in watched.frame()
    assert "unknown" in watched.frame()
    assert "job-3" in watched.frame()  # failed before

    hj.sql("UPDATE jobs SET progress=60,total_size=1048576 WHERE id='job-4'")
    watched.until(r"60\.0 .*/s")
    hj.sql("UPDATE jobs SET status='completed' WHERE id='job-4'")
    watched.until(r"0 running[\s\S]*job-4 .*completed")


@pytest.mark.parametrize(("leave", "code"), [("q", 0), (signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=str)
def test_however_it_is_left_the_terminal_is_as_it_was(screen, leave, code):
    watched = screen()

    if isinstance(leave, str):
        os.write(watched.ours, leave.encode())
    else:
        watched.process.send_signal(leave)

    assert watched.end() == code
    assert termios.tcgetattr(watched.theirs) == watched.before
    assert watched.written.rindex("\x1b[?1049l") > watched.written.rindex("\x1b[?1049h")
    assert watched.written.rindex("\x1b[?25h") > watched.written.rindex("\x1b[?25l")
    assert "Traceback" not in watched.written


def test_a_terminal_that_shrinks_gets_a_screen_that_fits(screen):
    watched = screen("--interval", "60s", width=120)

    watched.resize(50, 8)
    watched.process.send_signal(signal.SIGWINCH)
    seen = len(watched.written)
    while "q ends" not in watched.written[seen:]:
        watched.read()

    lines = [line.rstrip() for line in watched.frame().replace("\r", "").split("\n")]
    assert len(lines) <= 8
    assert max(map(len, lines)) <= 50


def test_a_narrow_terminal_cuts_names_and_neither_ids_nor_numbers(hj, screen):
    hj.sql("UPDATE jobs SET vm_name='a-machine-with-a-rather-long-name' WHERE id='job-4'")

    watched = screen(width=72)

    assert re.search(r"job-4 .*45\.5 .*unknown", watched.frame())
    assert "a-machine-with-a-rather-long-name" not in watched.frame()


def test_a_jobs_texts_cannot_drive_the_screen(hj, screen):
    hj.sql("UPDATE jobs SET vm_name='vm'||char(27)||']0;owned'||char(7)||char(10)||'x' WHERE id='job-4'")

    watched = screen()

    assert "\x1b]" not in watched.written
    assert "\x07" not in watched.written
