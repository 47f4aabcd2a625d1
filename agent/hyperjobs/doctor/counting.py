"""Checks of the numbers: the ledger, and the rows that it counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hyperjobs.agent.lock import agent_holding
from hyperjobs.agent.options import ledger_options
from hyperjobs.doctor.finding import Finding, failed, ok, skipped, warning
from hyperjobs.errors import StoreInterruptedError
from hyperjobs.store.ledger.drift import find_drift
from hyperjobs.store.ledger.rollup import log_span, read_meta
from hyperjobs.store.ledger.schema import has_tables, has_triggers, ours
from hyperjobs.store.semantic import Findings, check_rows
from hyperjobs.store.soundness import count_orphans
from hyperjobs.store.unfinished import count_datable, count_unended
from hyperjobs.store.verdict import READER_BREAKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hyperjobs.doctor.case import Case

_MANY: Final = 100_000
_FIX: Final = "hyperjobs doctor --fix --dry-run"
_BY_HAND: Final = (
    "hyperjobs show ID says more of each; there is no one right answer, so correct them where they are written"
)
_UNKNOWN: Final = "nothing says when they ended, so nothing can be mended; see that whoever ends jobs writes it"
_UNMENDED: Final = frozenset(
    {
        "status_unknown",
        "time_integer",
        "time_impossible",
        "time_future",
        "started_before_created",
        "completed_before_started",
        "not_text",
        "not_utf8",
        "nul_character",
    }
)
"""Kinds that --fix has no answer for."""


def look_at_ledger(case: Case) -> Iterator[Finding]:
    """Whether it is there, whole, ready and agrees with the table."""
    recognition = case.recognition
    if recognition is not None and recognition.unknown_triggers:
        names = ", ".join(recognition.unknown_triggers)
        yield warning(
            f"triggers on jobs that nobody here knows: {names}; prune refuses", "drop them, if nobody needs them"
        )
    agent = agent_holding(case.path, case.config.store.state_dir)
    with case.opened() as connection:
        found = connection.read(ours)
        if not found:
            wanted = case.config.store.ledger == "triggers"
            yield ok("there is none" + ("; the agent adds it when it starts" if wanted else ", as configured"))
            return
        if not (has_tables(found) and has_triggers(found)):
            yield warning(
                "parts of it are missing: changes go uncounted until it is put back",
                "start the agent, which mends and counts anew" if agent is None else "hyperjobs integrity",
                agent=agent,
            )
            return
        meta, (first, last) = connection.read(read_meta), connection.read(log_span)
    unfolded = last - first + 1
    detail = {"unfolded_rows": unfolded, "state": meta.get("state"), "agent": agent}
    if agent is None:
        yield warning(
            f"no agent runs, and the triggers go on logging ({unfolded:,} rows wait, some 460 bytes a job)",
            "hyperjobs run; or hyperjobs uninstall, if no agent is to run",
            **detail,
        )
    elif meta.get("state") != "ready":
        yield warning("its first count is still under way", "wait; hyperjobs_ledger_ready says when", **detail)
    elif unfolded > _MANY:
        yield warning(f"{unfolded:,} rows wait to be folded", "see the agent's log for agent.loop_failed", **detail)
    else:
        yield from _drift(case, detail)


def _drift(case: Case, detail: dict[str, object]) -> Iterator[Finding]:
    options = ledger_options(case.config)
    try:
        with case.opened() as connection:
            drift, _ = connection.read(lambda db: find_drift(db, options, now=case.clock.now()))
    except StoreInterruptedError:
        yield ok(f"ready; the table was not counted within {case.bound_s:.1f} s: --full does", **detail)
        return
    jobs = sum(map(abs, drift.values()))
    if jobs:
        yield warning(
            f"its gauges are off by {jobs:,} jobs", "hyperjobs integrity puts them right", drift=jobs, **detail
        )
    else:
        yield ok("ready, and its gauges are those of the table", drift=0, **detail)


def look_at_rows(case: Case) -> Iterator[Finding]:
    """Rows that cannot be, and those that hypersdk's own client cannot read."""
    assert case.recognition is not None  # noqa: S101 - it needs the store
    findings, everything, unended, datable = Findings(), 0, 0, 0

    def note(_done: int, jobs: int) -> None:
        nonlocal everything
        everything = jobs

    try:
        with case.opened() as connection:
            if case.is_hypersdk:
                unended = count_unended(connection)
                datable = count_datable(connection) if unended else 0
            flavour = case.recognition.flavour
            check_rows(connection, flavour, now=case.clock.now(), progress=note, findings=findings)
    except StoreInterruptedError:
        said = f"{findings.rows:,} of {everything:,} rows were read within {case.bound_s:.1f} s"
        yield skipped(
            f"{said}; what was found in them is said", "hyperjobs doctor --full --only rows, or hyperjobs integrity"
        )
    yield from _judged(findings, unended, datable)


def _judged(findings: Findings, unended: int, datable: int) -> Iterator[Finding]:
    found = findings.found
    breaking = {kind: rows for kind, rows in found.items() if kind in READER_BREAKING}
    detail: dict[str, Any] = {
        "rows": findings.rows,
        "anomalies": found,
        "examples": findings.examples,
        "completed_at_missing": unended,
    }
    if breaking:
        yield failed(f"hypersdk's own client cannot list jobs: {_said(breaking, findings)}", _FIX, **detail)
    elif found:
        remedy = _BY_HAND if found.keys() <= _UNMENDED else _FIX
        yield warning(f"rows that cannot be: {_said(found, findings)}", remedy, **detail)
    if unended:
        known = f"; of {datable:,} the history knows when they ended" if datable else ""
        yield warning(
            f"{unended:,} finished jobs have no completed_at, so they have no duration{known}",
            _FIX if datable else _UNKNOWN,
            **detail,
        )
    if not (found or unended):
        yield ok(f"{findings.rows:,} rows are sound", **detail)


def _said(kinds: dict[str, int], findings: Findings) -> str:
    return ", ".join(f"{kind} in {rows:,} (as {findings.examples[kind][0]})" for kind, rows in kinds.items())


def look_for_orphans(case: Case) -> Iterator[Finding]:
    """Rows whose parent is gone, by foreign keys; no damage, for the daemon deletes with them off."""
    try:
        with case.opened() as connection:
            orphans = count_orphans(connection)
    except StoreInterruptedError:
        yield skipped(f"not counted within {case.bound_s:.1f} s", "hyperjobs doctor --full --only orphans")
        return
    if orphans:
        said = ", ".join(f"{rows:,} in {table}" for table, rows in orphans.items())
        yield warning(
            f"rows whose job is gone: {said}",
            "no damage: hypersdk leaves them; delete them if they annoy",
            orphans=orphans,
        )
    else:
        yield ok("no row's parent is gone")
