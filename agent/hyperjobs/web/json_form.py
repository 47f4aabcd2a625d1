"""The shapes of the API as JSON: ASCII, so that no text of a job means anything to whoever shows it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from hyperjobs.store.cursor import write_cursor
from hyperjobs.store.instant import rfc3339

if TYPE_CHECKING:
    from hyperjobs.store.models import Job, JobStats

_SURROGATE: Final = re.compile(r"\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}|\\ud[89a-f][0-9a-f]{2}")
_IN_A_LIST, _ALONE = 2_000, 65_536
"""Characters of a text of a job: a list of a thousand must not carry a thousand megabytes."""
_TEXTS: Final = ("id", "name", "vm_name", "vm_path", "provider", "output_dir", "error", "user")


def encode(value: Mapping[str, Any]) -> bytes:
    """One JSON object and a newline; a number that is not finite is ``null``, what was no UTF-8 is U+FFFD."""
    text = json.dumps(plain(value), allow_nan=False)
    # Pairs of surrogates stand for one character and stay; a lone one stands for nothing.
    text = _SURROGATE.sub(lambda found: found[0] if len(found[0]) > len(r"\ud800") else r"\ufffd", text)
    return f"{text}\n".encode("ascii")


def plain(value: Any) -> Any:
    """Shapes as dicts, times as RFC 3339 in UTC, all else as it is."""
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def job_form(job: Job, *, is_alone: bool) -> dict[str, Any]:
    """A job as the command line's ``--json`` has it, its texts cut to 2,000 characters in a list and 65,536 alone.

    ``truncated`` names what was cut; metadata is told of one job alone, and cut by leaving it out.
    """
    most = _ALONE if is_alone else _IN_A_LIST
    texts = {name: getattr(job, name) for name in _TEXTS}
    truncated = [name for name, text in texts.items() if len(text) > most]
    form: dict[str, Any] = {
        **{name: text[:most] for name, text in texts.items()},
        "status": str(job.status)[:most],
        "created_at": job.created_at,
        "started_at": job.started_at,
        "completed_at": job.completed_at,
        "progress": job.progress,
        "total_size": job.total_size,
        "files_count": job.files_count,
        "flags": list(job.flags),
    }
    if is_alone:
        has_room = job.metadata is None or len(json.dumps(job.metadata, default=str)) <= most
        form["metadata"] = job.metadata if has_room else None
        truncated += [] if has_room else ["metadata"]
    else:
        form["cursor"] = write_cursor(job.cursor)
    return {**form, "truncated": truncated}


def stats_form(stats: JobStats) -> dict[str, Any]:
    """The numbers of one group of jobs, as the command line's ``--json`` has them."""
    return {**plain(stats), "success_rate": stats.success_rate}
