"""The record of an edit of jobs: made before it, so that no crash hides what was changed, and put right after it."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING

from hyperjobs.cli.event import add_event, recording
from hyperjobs.cli.text import printable
from hyperjobs.errors import HyperjobsError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from hyperjobs.agent.workshop import Workshop
    from hyperjobs.cli.edited import Edit, Edited, Wish
    from hyperjobs.store.models import Job

_IDS = 1_000
"""So many ids an event names; the ledger has all of them."""


class Record:
    """Of one edit, in ``hyperjobs runs``.

    Args:
        shop: whose events it is among.
        edit: what is done.
        jobs: to which.
        wish: how, and why.
    """

    def __init__(self, shop: Workshop, edit: Edit, jobs: Sequence[Job], wish: Wish) -> None:
        self._shop = shop
        self._edit = edit
        self._jobs = jobs
        self._wish = wish
        self._started_at: datetime = shop.clock.now()
        self._id = 0

    def announce(self) -> None:
        """Say that it begins. Where that cannot be recorded, it is said, and keeps nobody from the edit."""
        try:
            self._id = self._add(
                [job.id for job in self._jobs], "; begun, and its end is not recorded", "", is_whole=False
            )
        except (HyperjobsError, OSError) as exc:
            sys.stderr.write(f"hyperjobs: the edit cannot be recorded before it is done: {printable(str(exc))}\n")

    def conclude(self, done: Edited, *, is_whole: bool) -> None:
        """Say how it ended; an edit that changed nothing is none."""
        with recording():
            if done.changed:
                self._add(done.changed, "", done.undo, is_whole=is_whole)
            else:
                self._withdraw()

    def fail(self, path: Path) -> None:
        """The edit raised: when every job is as it was, nothing was done; else, or if nobody can tell, the announcement stays."""
        with recording():
            if self._id and (self._wish.atomic or _are_as_they_were(path, self._jobs)):
                self._withdraw()

    def _withdraw(self) -> None:
        if self._id:
            self._shop.events.remove(self._id)

    def _add(self, ids: Sequence[str], ending: str, undo: str, *, is_whole: bool) -> int:
        chosen = set(ids)
        old = Counter(str(job.status) for job in self._jobs if job.id in chosen)
        which = ids[0] if len(chosen) == 1 else f"{len(chosen):,} jobs"
        forced = ", by force" if self._wish.force else ""
        return add_event(
            self._shop,
            self._edit.task,
            f"{which}: {', '.join(sorted(old))} -> {self._edit.target}{forced}{ending}",
            started_at=self._started_at,
            reason=self._wish.reason,
            detail={
                "jobs": len(chosen),
                "from": dict(old),
                "to": self._edit.target,
                "forced": self._wish.force,
                "ids": list(ids[:_IDS]),
                **({"undo": undo} if undo else {}),
            },
            outcome="ok" if is_whole else "interrupted",
            event_id=self._id,
        )


def _are_as_they_were(path: Path, jobs: Sequence[Job]) -> bool:
    from hyperjobs.store.sqlite import open_store  # noqa: PLC0415 - SQLite only where it is used
    from hyperjobs.store.transition import require_unchanged  # noqa: PLC0415 - as above

    try:
        with open_store(path, read_only=True) as store:
            for job in jobs:
                require_unchanged(store.load_job(job.id), job, path)
    except HyperjobsError:
        return False
    return True
