"""``hyperjobs run``: the main thread starts the agent and then only waits for signals."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from hyperjobs.agent.service import Agent
from hyperjobs.agent.systemd import Notifier
from hyperjobs.clock import SystemClock
from hyperjobs.config import load_config
from hyperjobs.errors import HyperjobsError
from hyperjobs.logs import configure_logs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from hyperjobs.config import Config

log = structlog.get_logger(__name__)

_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
_LOOK_EVERY_S = 3600.0
_SILENT_TOO_LONG_S = 30.0
"""A part that has not shown that it lives for this long is stuck; then systemd is not told that all is well."""


def run(config: Config, *, config_file: str | Path | None = None, overrides: Mapping[str, Any] | None = None) -> int:
    """Run until SIGTERM or SIGINT.

    Signals are blocked and waited for: a handler would have to wait for whatever C call the main thread is in.

    Returns:
        The exit code: 0, also when a part had to be left behind to end in time.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    configure_logs(config.log.level, config.log.format)
    file = Path(config_file) if config_file is not None else None

    def load() -> Config:
        return load_config(file, environ=os.environ, overrides=overrides or {}, require_store=True)

    agent = Agent(config, load, clock=SystemClock())
    notifier = Notifier(os.environ)
    agent.start()
    # What was imported stays: a full collection would walk it each time, 30 ms in which the interpreter does no else.
    gc.collect()
    gc.freeze()
    notifier.send("READY=1", f"STATUS=serving {config.store.path} on {', '.join(agent.addresses)}")
    every_s = notifier.watchdog_s / 2 if notifier.watchdog_s else _LOOK_EVERY_S
    while True:
        if agent.silent_s() < _SILENT_TOO_LONG_S:
            notifier.send("WATCHDOG=1")
        found = signal.sigtimedwait(_SIGNALS, every_s)
        if found is None:
            continue
        if found.si_signo != signal.SIGHUP:
            break
        _reload(agent, notifier)
    notifier.send("STOPPING=1")
    # A second signal ends the process at once.
    for number in _SIGNALS - {signal.SIGHUP}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS - {signal.SIGHUP})
    is_done = agent.stop()
    log.info("agent.stopped", signal=signal.Signals(found.si_signo).name, clean=is_done)
    if not is_done:
        os._exit(0)  # a thread in a call that nothing ends would keep the interpreter; the store is safe with that
    return 0


def _reload(agent: Agent, notifier: Notifier) -> None:
    notifier.send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")
    # What is wrong is logged and in the metrics, and the old configuration stays in force.
    with contextlib.suppress(HyperjobsError):
        agent.reload(lambda: bool(signal.sigpending() & {signal.SIGTERM, signal.SIGINT}))
    notifier.send("READY=1")
