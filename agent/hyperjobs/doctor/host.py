"""Checks of what surrounds the store: configuration, agent, Prometheus, Litestream, limits."""

from __future__ import annotations

import os
import re
import resource
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hyperjobs.agent.lock import agent_holding
from hyperjobs.doctor.finding import FAILED, NO_SPACE, Finding, failed, ok, skipped, warning
from hyperjobs.store.holder import command_of, openers_of
from hyperjobs.store.neighbour import LITESTREAM, litestream_beside
from hyperjobs.store.process import shown
from hyperjobs.web.probe import ProbeError, Target, ask, on_this_machine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hyperjobs.doctor.case import Case
    from hyperjobs.web.probe import Answer

_ASK_S: Final = 2.5
_LOOK_S: Final = 3.0
_OK: Final = 200
_GATED: Final = frozenset({401, 403, 429})
_METRICS: Final = "/metrics?name[]=hyperjobs_last_scrape_timestamp_seconds&name[]=hyperjobs_store_up"
_SAMPLE: Final = re.compile(rb"^(hyperjobs_\w+) ([-+.e\d]+)$", re.MULTILINE)
_SILENT_S: Final = 600.0
_FEW_FILES: Final = 256
_NEARLY: Final = 0.8


def look_at_config(case: Case) -> Iterator[Finding]:
    """Whether there is a configuration that can be used, and whether it is of this store."""
    if case.config_problem:
        lines = case.config_problem.splitlines()
        more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
        yield failed(f"{lines[0]}{more}", "hyperjobs config check", FAILED, messages=lines)
        return
    source, path = case.config.source, case.config.store.path
    if path is not None and os.path.realpath(path) != str(case.path):
        yield warning(
            f"{source or 'the environment'} is of another store, {path}: what is said here of backups and records is not its",
            "hyperjobs doctor without --store, or with the --config of this store",
            source=str(source or ""),
        )
    elif source is None:
        yield ok("no configuration file; defaults and environment", source="")
    else:
        yield ok(f"{source} can be used", source=str(source))


def look_at_host(case: Case) -> Iterator[Finding]:
    """What ``hyperjobs config check --host`` finds, but for the store itself."""
    findings = case.look.findings(time.monotonic() + _LOOK_S) if case.look is not None else None
    if findings is None:
        yield skipped("nobody could look at the directories in time")
        return
    found = [each for each in findings if each[0] != "store.path" and each[3] != "to_be_made"]
    for option, message, is_wrong, reason in found:
        code = NO_SPACE if reason == "no_space" else FAILED
        remedy = f"hyperjobs config check --host; it is {option}"
        said = f"{option}: {message}"
        yield failed(said, remedy, code, option=option) if is_wrong else warning(said, remedy, option=option)
    if not found:
        user = case.outlook.user if case.outlook is not None else ""
        yield ok(f"directories, keys and room are as configured, for user {user}", user=user)


def look_at_agent(case: Case) -> Iterator[Finding]:
    """Whether an agent looks after the store, answers, and is scraped."""
    holder = agent_holding(case.path, case.config.store.state_dir)
    host, port = on_this_machine([(each.host, each.port) for each in case.config.web.addresses])
    scheme = ("https", "http") if case.config.web.config_file is not None else ("http", "https")
    target = Target(host, port, scheme)
    detail: dict[str, Any] = {"agent": holder, "address": target.address}
    if port == 0:
        yield skipped(
            "web.listen takes any free port, so nobody knows which to ask", "hyperjobs healthcheck --url", **detail
        )
        return
    try:
        answer = ask(target, "/-/healthy", deadline=time.monotonic() + _ASK_S)
    except (ProbeError, OSError) as exc:
        yield _silent(exc, holder, target, detail)
        return
    if answer.status in _GATED:
        yield ok(f"something answers at {target.address}, and wants a password", **detail)
        return
    try:
        metrics = ask(target, _METRICS, deadline=time.monotonic() + _ASK_S)
    except (ProbeError, OSError) as exc:
        yield warning(f"{target.address} answers, and /metrics does not: {exc}", "see the agent's log", **detail)
        return
    yield _answering(case, metrics, holder, target, detail)


def _silent(exc: Exception, holder: str | None, target: Target, detail: dict[str, Any]) -> Finding:
    is_alive = getattr(exc, "is_alive", False)
    if holder is not None and not is_alive:
        message = f"an agent runs ({holder}), and does not answer at {target.address}: {exc}"
        return failed(
            message, "does it listen elsewhere, or hang? see its log; hyperjobs healthcheck", FAILED, **detail
        )
    if is_alive:
        return ok(f"{target.address} is alive ({exc})", **detail)
    if _is_taken(target):
        return failed(f"another program has {target.address}", "set web.listen to a free port", FAILED, **detail)
    return warning(f"no agent looks after this store; {target.address} is free", "hyperjobs run", **detail)


def _is_taken(target: Target) -> bool:
    try:
        with socket.create_connection((target.host, target.port), timeout=1.0):
            return True
    except OSError:
        return False


def _answering(case: Case, metrics: Answer, holder: str | None, target: Target, detail: dict[str, Any]) -> Finding:
    samples = {name.decode(): float(value) for name, value in _SAMPLE.findall(metrics.body)}
    if metrics.status != _OK or "hyperjobs_store_up" not in samples:
        message = f"another program answers at {target.address} (status {metrics.status})"
        return failed(message, "set web.listen to a free port", FAILED, **detail)
    if holder is None:
        said = f"the agent at {target.address} looks after another store, or keeps its state elsewhere"
        return warning(said, "compare store.path and store.state_dir: hyperjobs config show", **detail)
    if not samples["hyperjobs_store_up"]:
        said = f"the agent ({holder}) cannot read the store"
        return failed(said, "its log says why; see the other checks", FAILED, **detail)
    scraped = samples.get("hyperjobs_last_scrape_timestamp_seconds")
    if scraped is None:
        said = f"the agent ({holder}) is well, and nobody has scraped it since it started"
        return warning(said, f"add {target.address} to Prometheus's scrape_configs", **detail, scraped_seconds=None)
    age_s = max(0.0, case.clock.now().timestamp() - scraped)
    detail = {**detail, "scraped_seconds": round(age_s)}
    said = f"the agent ({holder}) is well; last scraped {shown(age_s)} ago"
    if age_s > _SILENT_S:
        return warning(said, "is its target up in Prometheus? see /targets there", **detail)
    return ok(said, **detail)


def look_for_litestream(case: Case) -> Iterator[Finding]:
    """Whether Litestream replicates the store too."""
    with case.opened(1.0) as connection:
        is_beside = litestream_beside(connection, case.path)
    running = [pid for pid in openers_of(case.path) if command_of(pid) == LITESTREAM]
    if running and case.config.maintenance.vacuum.mode == "full":
        yield warning(
            f"Litestream replicates the store (pid {running[0]}), and each full VACUUM ships it whole",
            "set maintenance.vacuum.mode: auto",
        )
    elif is_beside or running:
        where = f"pid {running[0]}" if running else "it is not running now"
        yield ok(f"Litestream looks after it too ({where}), so checkpoints are PASSIVE", pids=running)
    else:
        yield ok("none beside the store")


def look_at_limits(case: Case) -> Iterator[Finding]:
    """How many files the agent may open, and how many it has open."""
    holder = agent_holding(case.path, case.config.store.state_dir) or ""
    found = re.search(r"\d+", holder)
    pid = int(found[0]) if found else os.getpid()
    limit = _limit(pid)
    try:
        count = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        count = 0
    whose = f"the agent (pid {pid})" if found else "a process started here"
    said = f"{whose} may open {limit:,} files" + (f" and has {count}" if found and count else "")
    detail = {"limit": limit, "open": count if found else None}
    if limit < _FEW_FILES or (found and count > _NEARLY * limit):
        yield warning(said, "raise LimitNOFILE= of the unit, or ulimit -n", **detail)
    else:
        yield ok(said, **detail)


def _limit(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/limits").read_text(encoding="ascii", errors="replace")
        return int(text.partition("Max open files")[2].split()[0])
    except (OSError, ValueError, IndexError):
        return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
