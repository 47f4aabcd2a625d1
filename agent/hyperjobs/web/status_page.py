"""The status page: one overview as HTML that needs nothing else, and moves by itself where scripts may run."""

from __future__ import annotations

import base64
import hashlib
import re
import threading
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote
from zlib import crc32

import jinja2

from hyperjobs.web import chart, words
from hyperjobs.web.exposition import accepts_gzip, compress
from hyperjobs.web.message import Response
from hyperjobs.web.resources import PREFIX

if TYPE_CHECKING:
    from datetime import datetime

    from hyperjobs.web.shapes import Overview, Running

_MOST: Final = {"providers": 10, "running": 8, "failures": 8, "runs": 8, "backups": 6, "notices": 8}
_LINK: Final = 512
"""Ids were cut to so much: one that long may be another's."""
_rendered: list[tuple[Overview, bytes, bytes]] = []
_rendering = threading.Lock()


def status_page(seen: Overview, *, accept_encoding: str) -> Response:
    """The page; rendered once for all who are shown the same overview."""
    is_gzip = accepts_gzip(accept_encoding)
    with _rendering:
        if not _rendered or _rendered[0][0] is not seen:
            body = render(seen).encode("utf-8", "replace")
            _rendered[:] = [(seen, body, compress(body))]
        _, plain, packed = _rendered[0]
    headers = [("Content-Security-Policy", _policy()), ("Vary", "Accept-Encoding")]
    if is_gzip:
        headers.append(("Content-Encoding", "gzip"))
    return Response(200, packed if is_gzip else plain, "text/html; charset=utf-8", tuple(headers))


def render(seen: Overview) -> str:
    """The page as text."""
    return _template().render(
        seen=seen,
        most=_MOST,
        bars=chart.bars_of(seen.hours) if seen.hours else None,
        chart=chart,
        tasks=[
            (task, chart.line_of([run for run in seen.runs if run.task == task.task], seen.at)) for task in seen.tasks
        ],
        midnights=chart.midnights(seen.at),
        night_runs=[run for run in seen.runs if run.task != "checkpoint"],
        largest=max((each.total for each in seen.providers), default=0),
        style=_asset("status.css"),
        script=_asset("status.js"),
    )


def job_link(job_id: str) -> str:
    """Where the API tells of a job; empty for an id that is too long to be asked for."""
    return f"{PREFIX}jobs/{quote(job_id, safe='', errors='replace')}" if 0 < len(job_id) < _LINK else ""


def moment(at: datetime | None) -> str:
    """``2026-09-01 03:00``, for UTC columns."""
    return "-" if at is None else f"{at:%Y-%m-%d %H:%M}"


def clock(local: str | None) -> str:
    """Day of the month, hour and minute of an ISO time as it stands, ``09-01 03:00``."""
    return "-" if local is None else f"{local[5:10]} {local[11:16]}"


def key(text: str) -> str:
    """A short word for a text, the same on every page: what a reader opened stays open when the order changes."""
    return f"{crc32(text.encode('utf-8', 'replace')):08x}"


def left(job: Running) -> str:
    """What is said of a running job's end."""
    if job.stalled_seconds is not None:
        return f"no progress for {words.span(job.stalled_seconds)}"
    return "time left unknown" if job.remaining_seconds is None else f"about {words.span(job.remaining_seconds)} left"


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_asset),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Any] = {
        name: getattr(words, name) for name in ("number", "size", "span", "age", "percent", "shown")
    }
    environment.filters.update(filters, job_link=job_link, moment=moment, clock=clock, left=left, key=key)
    return environment.get_template("status.html")


@cache
def _asset(name: str) -> str:
    """A template, style sheet or script, without what only a reader of the file needs."""
    text = (files("hyperjobs.web") / "templates" / name).read_text("utf-8")
    lines = (line.strip() for line in text.splitlines())
    lean = "\n".join(line for line in lines if line and not line.startswith("//"))
    return re.sub(r"\s*([{};,>])\s*", r"\1", lean) if name.endswith(".css") else lean


@cache
def _policy() -> str:
    """What allows the page's own style and script by their hashes, fetching itself again, and nothing else."""
    style, script = (_digest(_asset(name)) for name in ("status.css", "status.js"))
    return (
        f"default-src 'none'; style-src '{style}'; script-src '{script}'; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
