"""Real processes with deadlines: started, waited for by what they do, and always ended.

Nothing here sleeps for a guess: a condition is asked again and again until it holds or its deadline passes, and what
the process said is part of the failure.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

T = TypeVar("T")

START_S = 20.0
STOP_S = 30.0
_POLL_S = 0.02


class Process:
    """A running program whose output is kept.

    Attributes:
        pid: its process id.
    """

    def __init__(
        self, command: Sequence[str | Path], *, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> None:
        self._popen = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            text=True,
            errors="replace",
        )
        self.pid = self._popen.pid
        self._lines: list[str] = []
        # A thread drains the pipe, or a talkative program would stop when it is full.
        self._reader = threading.Thread(target=self._drain, daemon=True)
        self._reader.start()

    def _drain(self) -> None:
        assert self._popen.stdout is not None
        self._lines.extend(iter(self._popen.stdout.readline, ""))

    @property
    def output(self) -> str:
        """What it has written so far, stdout and stderr together."""
        return "".join(list(self._lines))

    @property
    def exit_code(self) -> int | None:
        """Its exit code, negative for a signal; ``None`` while it runs."""
        return self._popen.poll()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; nothing happens when it has ended."""
        self._popen.send_signal(number)

    def wait(self, *, timeout_s: float = STOP_S) -> int:
        """Its exit code, once it has ended.

        Raises:
            AssertionError: it still runs at the deadline; it is killed, and the message holds its output.
        """
        try:
            code = self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
            msg = f"pid {self.pid} still ran after {timeout_s} s; its output:\n{self.output}"
            raise AssertionError(msg) from None
        self._reader.join(timeout_s)
        return code

    def stop(self, *, timeout_s: float = STOP_S) -> int:
        """Send SIGTERM and wait; its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(timeout_s=timeout_s)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self._popen.kill()
        self._popen.wait()
        self._reader.join(STOP_S)
        if self._popen.stdout is not None:
            self._popen.stdout.close()

    def until(self, condition: Callable[[], T], what: str, *, timeout_s: float = START_S) -> T:
        """The condition's first true answer, asked while this process runs.

        Raises:
            AssertionError: the deadline passed or the process ended first; the message holds its output.
        """

        def ask() -> T:
            answer = condition()
            if not answer and self.exit_code is not None:
                self._reader.join(1)
                msg = f"exit {self.exit_code} while waiting for {what}; its output:\n{self.output}"
                raise AssertionError(msg)
            return answer

        try:
            return until(ask, what, timeout_s=timeout_s)
        except TimeoutError as exc:
            msg = f"{exc}; output of pid {self.pid}:\n{self.output}"
            raise AssertionError(msg) from None


def until(condition: Callable[[], T], what: str, *, timeout_s: float = START_S) -> T:
    """The condition's first true answer.

    Raises:
        TimeoutError: it was never true within ``timeout_s``.
    """
    deadline = time.monotonic() + timeout_s
    while not (answer := condition()):
        if time.monotonic() > deadline:
            msg = f"no {what} within {timeout_s} s"
            raise TimeoutError(msg)
        time.sleep(_POLL_S)
    return answer


@contextmanager
def running(
    command: Sequence[str | Path], *, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Iterator[Process]:
    """A process for the length of a block; what is left of it afterwards is killed."""
    process = Process(command, env=env, cwd=cwd)
    try:
        yield process
    finally:
        process.kill()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said."""

    status: int
    headers: Mapping[str, str]
    text: str

    def json(self) -> object:
        """The body, read as JSON."""
        return json.loads(self.text)


def get(url: str, *, headers: Mapping[str, str] | None = None, timeout_s: float = 10.0) -> Answer | None:
    """The answer to a GET, whatever its status; ``None`` when nobody answers."""
    request = urllib.request.Request(url, headers=dict(headers or {}))  # noqa: S310 - our own http address
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as response:  # noqa: S310 - as above
            return Answer(response.status, dict(response.headers), response.read().decode())
    except urllib.error.HTTPError as exc:
        with exc:
            return Answer(exc.code, dict(exc.headers), exc.read().decode())
    except OSError:
        return None


class Agent:
    """A running ``hyperjobs run``.

    Attributes:
        process: the process itself.
        url: its address, without a slash at the end.
    """

    def __init__(self, process: Process, url: str) -> None:
        self.process = process
        self.url = url

    def get(self, path: str, *, headers: Mapping[str, str] | None = None) -> Answer:
        """The answer to a GET of this path; nobody answering is a failure."""
        answer = get(self.url + path, headers=headers)
        assert answer is not None, f"nobody answers {self.url}{path}; its output:\n{self.process.output}"
        return answer

    def samples(self) -> dict[str, float]:
        """The samples of /metrics: ``name{label="value"}``, labels in their order, to the value."""
        lines = self.get("/metrics").text.splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def until(self, condition: Callable[[dict[str, float]], T], what: str, *, timeout_s: float = START_S) -> T:
        """The first true answer of a condition on the samples."""
        return self.process.until(lambda: condition(self.samples()), what, timeout_s=timeout_s)

    def stop(self) -> int:
        """Send SIGTERM and wait; its exit code."""
        return self.process.stop()


@contextmanager
def agent(
    store: Path, *, state_dir: Path, env: Mapping[str, str] | None = None, arguments: Sequence[str] = ()
) -> Iterator[Agent]:
    """``hyperjobs run`` on this store, ready and with its baseline in, for the length of a block.

    Args:
        store: the store's path; nothing creates it unless ``env`` says so.
        state_dir: where it keeps its state.
        env: further environment, such as ``HYPERJOBS_STORE__CREATE``.
        arguments: further words of the command.
    """
    url = f"http://127.0.0.1:{free_port()}"
    environment = {
        "HYPERJOBS_STORE__PATH": str(store),
        "HYPERJOBS_STORE__STATE_DIR": str(state_dir),
        "HYPERJOBS_WEB__LISTEN": json.dumps([url.removeprefix("http://")]),
        **(env or {}),
    }
    with running([sys.executable, "-m", "hyperjobs", "run", *arguments], env=environment) as process:

        def is_ready() -> bool:
            answer = get(url + "/-/ready")
            return answer is not None and answer.status == 200

        process.until(is_ready, "readiness")
        yield Agent(process, url)
