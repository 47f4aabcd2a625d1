"""All checks of a visit at once, each in a thread of its own that may be left behind when it hangs."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

from hyperjobs.doctor.finding import DAMAGED, NO_STORE, Finding, failed, skipped
from hyperjobs.errors import (
    HyperjobsError,
    NotAJobStoreError,
    StoreBusyError,
    StoreDamagedError,
    StoreError,
    StoreFullError,
    StoreNotFoundError,
    StorePermissionError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hyperjobs.doctor.case import Case
    from hyperjobs.doctor.check import Check

T = TypeVar("T")

_NO_END_S: Final = 86_400.0
_DAMAGED: Final = "hyperjobs restore --dry-run; hyperjobs salvage --dry-run when no backup is new enough"
_REMEDIES: Final[tuple[tuple[type[HyperjobsError], str], ...]] = (
    (StoreNotFoundError, "name the store with --store PATH, or mount its disk"),
    (NotAJobStoreError, f"name the store with --store PATH; if this was the store: {_DAMAGED}"),
    (StoreDamagedError, _DAMAGED),
    (StoreBusyError, "hyperjobs doctor --only lock"),
    (StoreFullError, "make room on its disk"),
    (StorePermissionError, "hyperjobs doctor --only permissions"),
)


def visit(case: Case, first: Check, others: Sequence[Check]) -> Iterator[list[Finding]]:
    """Run ``first``, which opens the store, and then all others side by side; yields what each found, in their order."""
    yield _wait(_Running(first, case), case)
    running = [_Running(check, case) if not (why := _hindered(check, case)) else why for check in others]
    for each in running:
        yield [each] if isinstance(each, Finding) else _wait(each, case)


def bounded(call: Callable[[], T], seconds: float) -> T:
    """What ``call`` gives, or raises, within so many seconds; it is left behind when it does not.

    Raises:
        StoreError: it gave nothing in time.
    """
    answers: list[T | Exception] = []

    def run() -> None:
        try:
            answers.append(call())
        except Exception as exc:  # noqa: BLE001 - raised again by who waits
            answers.append(exc)

    thread = threading.Thread(target=run, name="doctor-first", daemon=True)
    thread.start()
    thread.join(seconds)
    if not answers:
        raise StoreError(f"the store's path gave no answer within {seconds:.0f} s; does its disk or mount hang?")
    if isinstance(answers[0], Exception):
        raise answers[0]
    return answers[0]


def is_any_left() -> bool:
    """Whether a check was left behind that still runs: the process has then to end without waiting for it."""
    return any(thread.name.startswith("doctor-") and thread.is_alive() for thread in threading.enumerate())


class _Running:
    """A check at work."""

    def __init__(self, check: Check, case: Case) -> None:
        self.check = check
        self.began_s = time.monotonic()
        self.findings: list[Finding] = []
        self.thread = threading.Thread(target=self._run, args=(case,), name=f"doctor-{check.name}", daemon=True)
        self.thread.start()

    def _run(self, case: Case) -> None:
        found: list[Finding] = []
        try:
            found.extend(self.check.look(case))
        except Exception as exc:  # noqa: BLE001 - whatever a check meets, the others go on
            found.append(_failure(exc))
        took_s = round(time.monotonic() - self.began_s, 3)
        self.findings = [replace(each, check=self.check.name, seconds=took_s) for each in found]


def _wait(running: _Running, case: Case) -> list[Finding]:
    check = running.check
    limit_s = _NO_END_S if case.is_full else min(check.limit_s, max(case.until_s - running.began_s, 0.1))
    running.thread.join(max(0.0, running.began_s + limit_s - time.monotonic()))
    if running.thread.is_alive():
        message = f"no answer within {limit_s:.0f} s, so it was left alone"
        stuck = failed(message, "does a disk, a mount or a lock hang? see the other checks, and the kernel log")
        return [replace(stuck, check=check.name, seconds=limit_s)]
    return running.findings


def _hindered(check: Check, case: Case) -> Finding | None:
    """Why a check is not made."""
    if check.needs_file and getattr(case.trouble, "exit_code", 0) == NO_STORE:
        return replace(skipped("there is no store"), check=check.name)
    if check.needs_store and case.recognition is None:
        return replace(skipped("the store could not be opened"), check=check.name)
    if check.needs_hypersdk and not case.is_hypersdk:
        return replace(skipped("the daemon's own store has nothing of this"), check=check.name)
    return None


def _failure(exc: Exception) -> Finding:
    if isinstance(exc, HyperjobsError):
        remedy = next((words for kind, words in _REMEDIES if isinstance(exc, kind)), "")
        return failed(str(exc), remedy, exc.exit_code, reason=exc.reason)
    if isinstance(exc, UnicodeDecodeError):
        return failed("text of the schema is no UTF-8: the file is damaged", _DAMAGED, DAMAGED)
    return failed(f"unexpected {type(exc).__name__}: {exc}", "please report it, with this line")
