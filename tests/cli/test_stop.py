"""A stop that a command hears: whenever it comes, it ends what waits, and nothing keeps it from being heard."""

from __future__ import annotations

import subprocess
import sys
import threading

from hyperjobs.cli.stop import Stop

# Signals that come at every moment of many short waits. With a lock in the handler one of them never returns.
HAMMER = """
import random, signal
from hyperjobs.cli.stop import Stop

signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
chance = random.Random(1)
for _ in range(3000):
    with Stop() as stop:
        signal.setitimer(signal.ITIMER_REAL, chance.uniform(1e-6, 3e-4))
        while not stop.wait(1e-6):
            pass
    assert stop.code == 130
print("done")
"""


def test_a_signal_at_any_moment_of_a_wait_ends_it():
    done = subprocess.run([sys.executable, "-c", HAMMER], capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_a_wait_that_began_before_the_signal_is_over_with_it():
    script = (
        "import os, signal, threading\nfrom hyperjobs.cli.stop import Stop\n"
        "with Stop() as stop:\n"
        "    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()\n"
        "    assert stop.wait(3600)\n"
        "print(stop.code)"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stdout) == (0, "143\n")


def test_without_a_signal_a_wait_is_as_long_as_it_is_and_says_so():
    with Stop() as stop:
        assert not stop.wait(0.0)
        assert not stop.is_set()
        other = threading.Thread(target=stop.wait, args=(0.0,))
        other.start()
        other.join(10)
        assert not other.is_alive()
    assert not stop.wait(0.0)
    assert stop.code == 0


def test_signals_are_prepared_before_anything_that_takes_time_is_imported():
    script = (
        "import signal, sys\nimport hyperjobs.cli\n"
        "slow = {'click', 'hyperjobs.cli.program', 'apsw', 'pydantic'} & set(sys.modules)\n"
        "sys.meta_path.insert(0, type('Look', (), {'find_spec': staticmethod(lambda name, *_: ("
        "name == 'hyperjobs.cli.program' and print(signal.getsignal(signal.SIGINT) == signal.SIG_DFL)) or None)}))\n"
        "hyperjobs.cli.main(['--version'])\n"
        "sys.exit(str(slow) if slow else 0)"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "True"), done.stderr
