"""Which jobs an edit is of: ids on the command line, ids on standard input, or the filters of ``list``."""

from __future__ import annotations

import functools
import json
import re
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from hyperjobs.cli.argument import UnicodeText
from hyperjobs.cli.selection import Selection, filter_options, status_option
from hyperjobs.errors import HyperjobsError, JobNotFoundError
from hyperjobs.store.models import JobFilter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from hyperjobs.cli.offer import Offer
    from hyperjobs.store.models import Job, JobStatus
    from hyperjobs.store.sqlite import SQLiteJobStore

STDIN = "-"
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|([nrt\\]))")
_SHORT = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\"}


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the command line said of which jobs.

    Attributes:
        ids: those named, each once; ``None`` when the filters choose.
        selection: the filters.
    """

    ids: tuple[str, ...] | None
    selection: Selection

    def find(
        self, store: SQLiteJobStore, sources: Sequence[JobStatus], keep_on: Callable[[], None]
    ) -> tuple[list[Job], dict[str, HyperjobsError]]:
        """The jobs as they are now, and why others named are not among them.

        Args:
            store: where.
            sources: the statuses that the filters choose from when they name none.
            keep_on: called between two jobs; what it raises ends it.
        """
        found: list[Job] = []
        missing: dict[str, HyperjobsError] = {}
        if self.ids is None:
            wanted = self.selection.filter
            for job in store.iter_jobs(wanted if wanted.status else replace(wanted, status=tuple(sources))):
                keep_on()
                found.append(job)
            return found, missing
        for job_id in self.ids:
            keep_on()
            try:
                found.append(store.load_job(job_id))
            except JobNotFoundError as exc:
                missing[job_id] = exc
        return found, missing


def chosen_options(shell_complete: Offer) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the ids, ``--where`` and the filters; the command gets them as one :class:`Chosen` named ``chosen``.

    Args:
        shell_complete: what a shell is offered as ids.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @click.argument("ids", nargs=-1, type=UnicodeText(), metavar="[ID…|-]", shell_complete=shell_complete)
        @click.option(
            "--where",
            is_flag=True,
            help="The jobs that fit the filters, instead of ids; 'list' with the same filters shows them, a page at a time.",
        )
        @status_option
        @filter_options()
        @functools.wraps(command)
        def with_chosen(*args: Any, ids: tuple[str, ...], where: bool, selection: Selection, **options: Any) -> Any:
            return command(*args, chosen=_choose(ids, selection, where=where), **options)

        return with_chosen

    return decorate


def _choose(ids: tuple[str, ...], selection: Selection, *, where: bool) -> Chosen:
    has_filters = selection.filter != JobFilter()
    if where:
        if ids:
            raise click.UsageError("give ids, or --where with filters, not both")
        if not has_filters:
            raise click.UsageError("--where without a filter would be every job: name a filter, as --provider NAME")
        return Chosen(None, selection)
    if has_filters:
        raise click.UsageError("filters choose jobs only with --where")
    if STDIN in ids:
        if len(ids) > 1:
            raise click.UsageError("'-' reads the ids from standard input: name none beside it")
        ids = tuple(read_ids(sys.stdin))
    named = tuple(dict.fromkeys(ids))
    if not named:
        raise click.UsageError("name a job's id, '-' to read ids from standard input, or --where with filters")
    return Chosen(named, selection)


def read_ids(lines: Iterable[str]) -> Iterator[str]:
    """The id of each line: a bare one, the first value of what ``list`` writes in a pipe, or ``id`` of its JSON."""
    for line in lines:
        text = line.rstrip("\n")
        if text.startswith("{"):
            yield _id_of_json(text)
        elif word := text.partition("\t")[0]:
            yield _ESCAPE.sub(_unescaped, word)


def _id_of_json(text: str) -> str:
    try:
        found = json.loads(text)["id"]
    except (ValueError, KeyError, TypeError):
        found = None
    if not isinstance(found, str):
        raise click.UsageError(f"standard input: {text[:60]!r} is no JSON object with an id")
    return found


def _unescaped(found: re.Match[str]) -> str:
    code = found[1] or found[2] or found[3]
    return chr(int(code, 16)) if code else _SHORT[found[4]]
