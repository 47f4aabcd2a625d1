"""Writing the jobs of a store into a file or a stream."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hyperjobs.clock import SystemClock
from hyperjobs.maintenance.opened import opened
from hyperjobs.maintenance.task import Turn
from hyperjobs.maintenance.transfer.formats import Encoder, Format, format_of
from hyperjobs.maintenance.transfer.output import whole_file
from hyperjobs.store.flavour import recognise, require_hypersdk
from hyperjobs.store.models import JobFilter
from hyperjobs.store.query import condition_of
from hyperjobs.store.walk import Order, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hyperjobs.store.cells import Cells

_EVERYTHING: Final = JobFilter()
_BLOCK_BYTES: Final = 1 << 18


@dataclass(slots=True)
class Exported:
    """What an export wrote.

    Attributes:
        bytes: of the format, before any compression.
    """

    jobs: int = 0
    bytes: int = 0


def export_jobs(  # noqa: PLR0913 - all but the first two have a default
    store: str | os.PathLike[str],
    target: str | os.PathLike[str] | Callable[[bytes], object],
    turn: Turn | None = None,
    *,
    form: Format | str | None = None,
    jobs: JobFilter = _EVERYTHING,
    order: Order | str = Order.ID,
    is_consistent: bool = False,
    is_guarded: bool = True,
    may_replace: bool = False,
) -> Exported:
    """Write the jobs of a store as they lie in it; the memory this takes does not grow with them.

    Args:
        store: path of the store; it is read only, beside any writer.
        target: path of the file, which is there whole and synced or not at all; its suffix (``.gz``, ``.zst``) says how
            it is compressed. Or a function that is given the bytes.
        turn: when to stop, and whom to tell how far it is; by default never, and nobody.
        form: of the file; by default what its name stands for, else JSON Lines.
        jobs: which ones; ``limit`` counts in the order of the export, ``offset`` and ``after`` are not heeded.
        order: of the jobs; any but by id holds one snapshot of the store, as ``is_consistent`` does.
        is_consistent: the jobs of one moment. Without it a job that is saved meanwhile is as it was before or after.
        is_guarded: CSV alone: put a ``'`` before what a spreadsheet would take for a formula.
        may_replace: also a file that is there.

    Raises:
        StoreRefusedError: the file is there, or the store is the daemon's own.
        StoreFullError: there is no room for the file.
        StoreInterruptedError: a stop came; no file was left.
        InvalidJobError: the filter asks what no job can have.
    """
    at_ease, source = turn or unhurried(), Path(store)
    if callable(target):
        encoder = Encoder(Format(form or Format.JSONL), is_guarded=is_guarded)
        return _export(source, target, at_ease, encoder, jobs, Order(order), is_consistent=is_consistent)
    path = Path(target)
    encoder = Encoder(Format(form or format_of(path) or Format.JSONL), is_guarded=is_guarded)
    with whole_file(path, may_replace=may_replace) as write:
        return _export(source, write, at_ease, encoder, jobs, Order(order), is_consistent=is_consistent)


def unhurried() -> Turn:
    """A turn that nothing stops and that tells nobody."""
    clock = SystemClock()
    return Turn(now=clock.now(), clock=clock, wait=threading.Event().wait)


def _export(  # noqa: PLR0913, PLR0917 - as above
    store: Path,
    write: Callable[[bytes], object],
    turn: Turn,
    encoder: Encoder,
    jobs: JobFilter,
    order: Order,
    *,
    is_consistent: bool,
) -> Exported:
    done = Exported()
    block = bytearray(encoder.head())
    for page in read_jobs(store, turn, jobs, order, is_consistent=is_consistent):
        block += encoder.page(page)
        done.jobs += len(page)
        if len(block) >= _BLOCK_BYTES:
            done.bytes += len(block)
            write(bytes(block))
            block.clear()
    block += encoder.tail()
    done.bytes += len(block)
    write(bytes(block))
    return done


def read_jobs(
    store: Path,
    turn: Turn,
    jobs: JobFilter = _EVERYTHING,
    order: Order = Order.ID,
    *,
    is_consistent: bool = False,
) -> Iterator[list[Cells]]:
    """Yield the jobs of a store as they lie in it, some at a time; the turn is told how many there are and were.

    Raises:
        StoreRefusedError: it is the daemon's own.
        StoreInterruptedError: a stop came.
    """
    condition = condition_of(jobs)
    real = Path(os.path.realpath(store))
    with opened(real, turn, read_only=True) as connection:
        require_hypersdk(recognise(connection), real, "taking jobs out")
        is_everything = jobs == _EVERYTHING
        total = int(connection.value("SELECT count(*) FROM jobs")) if is_everything else 0
        done = 0
        for page in walk(connection, condition, order=order, is_consistent=is_consistent):
            turn.keep_on()
            part = page if jobs.limit is None else page[: jobs.limit - done]
            done += len(part)
            if part:
                yield part
            turn.progress("jobs", done, total)
            if jobs.limit is not None and done >= jobs.limit:
                return
