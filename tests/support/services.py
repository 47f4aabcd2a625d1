"""The processes of a world: what systemctl starts and stops there, and what runs in the foreground of a terminal."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from typing import TYPE_CHECKING

from support.processes import get, running
from support.shells import DEADLINE_S, Done

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from support.processes import Process


class Services:
    """Units by their names, and one command in the foreground."""

    def __init__(self, url: str, env: Callable[[], Mapping[str, str]], cwd: Callable[[], Path]) -> None:
        """``url`` is where an agent answers; ``env`` and ``cwd`` are asked anew for each start."""
        self._url, self._env, self._cwd = url, env, cwd
        self._services: dict[str, contextlib.ExitStack] = {}
        self._units: dict[str, tuple[Sequence[str | Path], re.Pattern[str] | None]] = {}
        self._processes: dict[str, Process] = {}

    def add_unit(self, name: str, command: Sequence[str | Path], ready: str | None = None) -> None:
        """Let systemctl start and stop this program under this name; ``ready`` is what it writes when it is up."""
        self._units[name] = (command, re.compile(ready) if ready else None)

    def process(self, unit: str) -> Process | None:
        """The process of a unit, while it runs."""
        found = self._processes.get(unit)
        return found if found is not None and found.exit_code is None else None

    def start(self, unit: str) -> None:
        """Start a unit, and wait until it is up."""
        if self.process(unit):
            return
        command, ready = self._units[unit]
        self._begin(unit, command, ready)

    def stop(self, unit: str) -> int:
        """Stop a unit, and give its exit code."""
        process = self.process(unit)
        code = 0
        if process:
            process.signal(signal.SIGTERM)
            process.signal(signal.SIGCONT)  # as systemd does, for one that was stopped could not end
            code = process.wait()
        if unit in self._services:
            self._services.pop(unit).close()
        return code

    def close(self) -> None:
        """End all that runs."""
        self._end_front()
        for stack in self._services.values():
            stack.close()

    def _begin(self, unit: str, command: Sequence[str | Path], ready: re.Pattern[str] | None) -> Process:
        stack = contextlib.ExitStack()
        process = stack.enter_context(running(command, env=self._env(), cwd=self._cwd()))
        self._services[unit], self._processes[unit] = stack, process

        def is_up() -> bool:
            if ready is not None:
                return ready.search(process.output) is not None
            is_ready = (answered := get(f"{self._url}/-/ready")) is not None and answered.status == 200
            scraped = get(f"{self._url}/metrics") if is_ready else None
            return scraped is not None and re.search(r"_ledger_ready 1|_store_up 0", scraped.text) is not None

        process.until(is_up, f"{unit} to be up", timeout_s=DEADLINE_S)
        return process

    def in_front(self, text: str, *, prelude: str) -> Done:
        """Start what a reader would leave running in this terminal; the agent that runs already makes room for it."""
        self._end_front()
        self.stop("hyperjobs")
        ready = re.compile("Ctrl-C ends it all") if text.startswith("make demo") else None
        process = self._begin("front", ["setsid", "bash", "-c", f"{prelude}\n{text}"], ready)
        return Done(0, process.output)

    def _end_front(self) -> None:
        """Ctrl-C, which a terminal sends to all that runs in its foreground."""
        if process := self.process("front"):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)
            process.wait()
        if "front" in self._services:
            self._services.pop("front").close()

    def systemctl(self, words: Sequence[str]) -> Done:
        """What systemctl would do with these words, and say."""
        verb, *units = [word for word in words if not word.startswith("-")]
        sent = next((word.partition("=")[2] for word in words if word.startswith("--signal=")), "TERM")
        said = ""
        for unit in units:
            if unit not in self._units:
                return Done(5, f"Unit {unit}.service could not be found.")
            if verb in {"stop", "restart", "disable"} and (code := self.stop(unit)):
                return Done(1, f"{unit}: exit {code}")
            if verb in {"start", "restart", "enable"}:
                self.start(unit)
            process = self.process(unit)
            if verb in {"status", "reload", "kill"}:
                if process is None:
                    return Done(3, f"{unit}.service: inactive (dead)")
                if verb != "status":
                    process.signal(signal.Signals[f"SIG{'HUP' if verb == 'reload' else sent}"])
                said += f"{unit}.service: active (running), Main PID: {process.pid}\n"
        return Done(0, said)
