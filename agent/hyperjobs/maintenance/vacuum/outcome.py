"""A vacuum run as it is recorded: in words and in numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hyperjobs.maintenance.task import Report
from hyperjobs.size import mebibytes

if TYPE_CHECKING:
    from hyperjobs.maintenance.vacuum.plan import Plan
    from hyperjobs.store.space import Space

RECLAIMED: Final = ("vacuum_reclaimed_bytes", "")


def would(chosen: Plan) -> str:
    """What a dry run says."""
    return (
        f"would run {chosen.method}: {chosen.why}; gains {mebibytes(chosen.gain_bytes)}, "
        f"needs {mebibytes(chosen.room_bytes)} on its disk, stops writers for about {_seconds(chosen.blocked_seconds)}"
    )


def report(  # noqa: PLR0913 - what there is to say
    chosen: Plan,
    before: Space,
    *,
    summary: str = "",
    skipped: str | None = None,
    after: Space | None = None,
    blocked_s: float | None = None,
    write_back_s: float | None = None,
    freed_pages: int | None = None,
    took_s: float | None = None,
    is_held_up: bool = False,
) -> Report:
    """Return the run as it is recorded."""
    detail: dict[str, Any] = {
        "method": str(chosen.method),
        "size_bytes": before.size_bytes,
        "free_bytes": before.free_bytes,
        "free_share": round(before.free_share, 4),
        "auto_vacuum": before.auto_vacuum.name.lower(),
        "predicted_gain_bytes": chosen.gain_bytes,
        "predicted_block_seconds": round(chosen.blocked_seconds, 3),
        "room_bytes": chosen.room_bytes,
    }
    reclaimed = None
    # a writer may have added pages meanwhile, so what was freed in steps is counted as it goes
    pages = before.pages - after.pages if freed_pages is None and after is not None else freed_pages
    if pages is not None:
        reclaimed = max(0, pages) * before.page_size_bytes
        detail["reclaimed_bytes"] = reclaimed
    if after is not None:
        detail |= {"size_after_bytes": after.size_bytes, "wal_bytes": after.wal_bytes}
    if blocked_s is not None:
        detail["blocked_seconds"] = round(blocked_s, 3)
        if blocked_s > 0:
            detail["mb_per_second"] = round(before.used_bytes / 1e6 / blocked_s, 1)
    if write_back_s is not None and blocked_s:
        detail["write_back_seconds"] = round(write_back_s, 3)
        detail["write_back_share"] = round(write_back_s / blocked_s, 3)
    if took_s is not None:
        detail["seconds"] = round(took_s, 3)
        detail["is_held_up"] = is_held_up
    if not summary:
        summary = chosen.why
        if reclaimed is not None:
            summary = f"{chosen.method}: {mebibytes(reclaimed)} given back; {chosen.why}"
    counts = {RECLAIMED: reclaimed} if reclaimed else {}
    return Report(summary=summary, detail=detail, counts=counts, skipped=skipped)


def _seconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
