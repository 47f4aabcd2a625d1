"""Which kind of VACUUM pays, and what it would cost. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from hyperjobs.size import mebibytes
from hyperjobs.store.space import AutoVacuum

if TYPE_CHECKING:
    from hyperjobs.store.space import Space

ASSUMED_MB_PER_SECOND: Final = 100.0
"""Until a full VACUUM was timed here. A local SSD does about twice that, so the first guess is on the safe side."""
ASSUMED_WRITE_BACK_SHARE: Final = 0.7
"""Of a full VACUUM's time, what its copy takes to be written back, until that was timed here: 0.6 to 0.8 was."""
INCREMENTAL_WAL_BYTES: Final = 64 * 1024 * 1024
"""What the -wal may grow by while pages are freed in steps; past that a reader keeps it from being moved."""
_FRAMES_A_PAGE = 3
"""Written to the -wal for a page that is freed: the page moved, the one that leads to it, and the map of pages."""


class Mode(StrEnum):
    """What the configuration, or a person, asks for."""

    AUTO = "auto"
    """Incremental where the file allows it, else full when it pays and stops the writers shortly."""
    INCREMENTAL = "incremental"
    FULL = "full"
    NONE = "none"
    CONVERT = "convert"
    """Write the file anew once, so that it can be made smaller in steps from then on."""


class Method(StrEnum):
    """What is done."""

    NONE = "none"
    INCREMENTAL = "incremental"
    FULL = "full"
    CONVERT = "convert"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the decision hangs on, beside the file.

    Attributes:
        min_free: the share of free pages from which on giving them back pays, 0 to 1.
        is_in_window: whether writers may be stopped for a while now.
        mb_per_second: as the last full VACUUM here was timed; ``None`` before the first.
        longest_block_s: what ``auto`` lets the writers wait; they give up after 5 s.
        write_back_share: of the time of the last full VACUUM here, what its copy took to be written back; ``None`` before
            the first.
        longest_write_back_s: what ``auto`` lets that take: SQLite looks at no stop meanwhile, and the agent has two
            seconds to end.
        is_forced: a person has seen the cost and wants it, whatever the window and the share.
        is_replicated: Litestream is at work on the file.
    """

    mode: Mode = Mode.AUTO
    min_free: float = 0.2
    is_in_window: bool = True
    mb_per_second: float | None = None
    longest_block_s: float = 4.0
    write_back_share: float | None = None
    longest_write_back_s: float = 2.0
    is_forced: bool = False
    is_replicated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be done, and what for.

    Attributes:
        reason: a fixed word, of why nothing is done; empty when something is.
        why: the same for a person.
        gain_bytes: what the store would lose.
        room_bytes: what its disk needs meanwhile.
        blocked_seconds: how long writers wait at a stretch; about 0.01 for the incremental way.
    """

    method: Method
    reason: str = ""
    why: str
    gain_bytes: int = 0
    room_bytes: int = 0
    blocked_seconds: float = 0.0


def plan(space: Space, terms: Terms) -> Plan:  # noqa: PLR0911 - one answer a line is what it is read for
    """Choose among nothing, the incremental way and a full VACUUM."""
    if terms.mode is Mode.NONE:
        return _nothing("mode_none", "vacuum is switched off by its mode")
    if terms.mode is Mode.CONVERT:
        return _convert(space, terms)
    if not space.free_pages:
        return _nothing("nothing_to_free", "the store has no free pages")
    share = f"{space.free_share:.1%} of the store is free ({mebibytes(space.free_bytes)})"
    if space.free_share < terms.min_free and not terms.is_forced:
        return _nothing("below_min_free", f"{share}, less than the {terms.min_free:.0%} from which on it pays")
    if space.auto_vacuum is AutoVacuum.INCREMENTAL and terms.mode is not Mode.FULL:
        return Plan(
            method=Method.INCREMENTAL,
            why=f"{share} and goes back in steps that writers do not notice",
            gain_bytes=space.free_bytes,
            room_bytes=min(_FRAMES_A_PAGE * space.free_bytes, INCREMENTAL_WAL_BYTES),
            blocked_seconds=0.01,
        )
    if terms.mode is Mode.INCREMENTAL:
        return _nothing(
            "not_incremental", f"{share}, but the file cannot be made smaller in steps; --convert changes that once"
        )
    refused = _against_rewriting(space, terms)
    if refused is not None:
        return refused
    return _rewrite(Method.FULL, space, terms, f"{share} and writing the store anew gives it back")


def _convert(space: Space, terms: Terms) -> Plan:
    if space.auto_vacuum is AutoVacuum.INCREMENTAL:
        return _nothing("already_incremental", "the store can be made smaller in steps already")
    if space.auto_vacuum is AutoVacuum.FULL:
        return Plan(method=Method.CONVERT, why="from now on the store is made smaller in steps; nothing is rewritten")
    if not (terms.is_in_window or terms.is_forced):
        return _outside_window(space, terms)
    return _rewrite(Method.CONVERT, space, terms, "written anew once, the store can be made smaller in steps")


def _against_rewriting(space: Space, terms: Terms) -> Plan | None:
    """Return why the whole file is not written anew now; ``None`` when it may be."""
    if terms.is_forced:
        return None
    if not terms.is_in_window:
        return _outside_window(space, terms)
    if terms.mode is Mode.FULL:
        return None
    if terms.is_replicated:
        return _nothing(
            "litestream",
            "Litestream would ship the whole store once more, and the file shrinks only when it says so;"
            " ask for the mode full if that is wanted",
        )
    blocked = _blocked_seconds(space, terms)
    if blocked > terms.longest_block_s:
        return _nothing(
            "blocks_too_long",
            f"writing {mebibytes(space.used_bytes)} anew stops the writers for about {blocked:.1f} s, more than"
            f" {terms.longest_block_s:.1f} s; --convert, once, makes this needless",
        )
    return _stopping_too_late(space, terms, blocked)


def _stopping_too_late(space: Space, terms: Terms, blocked: float) -> Plan | None:
    """Return why it is not done when its end, in which SQLite heeds no stop, would be long."""
    write_back = blocked * (terms.write_back_share or ASSUMED_WRITE_BACK_SHARE)
    if write_back > terms.longest_write_back_s:
        return _nothing(
            "stops_too_late",
            f"once {mebibytes(space.used_bytes)} are written anew, a stop would wait for about {write_back:.1f} s until they are"
            f" written back, more than {terms.longest_write_back_s:.1f} s; --convert, once, makes this needless",
        )
    return None


def _outside_window(space: Space, terms: Terms) -> Plan:
    blocked = _blocked_seconds(space, terms)
    return _nothing(
        "outside_window",
        f"writing the store anew stops its writers for about {blocked:.1f} s; that waits for its window",
    )


def _rewrite(method: Method, space: Space, terms: Terms, why: str) -> Plan:
    return Plan(
        method=method,
        why=why,
        gain_bytes=space.free_bytes,
        # the copy, then the copy once more in the -wal, each as large as the store at the most
        room_bytes=2 * space.size_bytes + space.wal_bytes,
        blocked_seconds=_blocked_seconds(space, terms),
    )


def _blocked_seconds(space: Space, terms: Terms) -> float:
    return space.used_bytes / 1e6 / (terms.mb_per_second or ASSUMED_MB_PER_SECOND)


def _nothing(reason: str, why: str) -> Plan:
    return Plan(method=Method.NONE, reason=reason, why=why)
