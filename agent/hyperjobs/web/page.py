"""The landing page: what runs here, and where its pages are."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from html import escape
from importlib.resources import files
from string import Template

from hyperjobs.web.message import Response


def landing_page(*, version: str, store_label: str, is_ready: bool) -> Response:
    """One page of HTML that needs nothing else: no script, no font, no other host.

    Args:
        version: of hyperjobs.
        store_label: path or name of the store; escaped, whatever it holds.
        is_ready: whether to say "running" or "starting or stopping".
    """
    template, style, policy = _parts()
    html = template.substitute(
        style=style,
        version=escape(version),
        store=escape(store_label),
        state="running" if is_ready else "starting or stopping",
        state_class="good" if is_ready else "wait",
    )
    body = html.encode("utf-8", "replace")
    return Response(200, body, "text/html; charset=utf-8", (("Content-Security-Policy", policy),))


@cache
def _parts() -> tuple[Template, str, str]:
    """The template, its style sheet, and the policy that allows this style sheet by its hash and nothing else."""
    folder = files("hyperjobs.web") / "templates"
    style = (folder / "landing.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    return Template((folder / "landing.html").read_text("utf-8")), style, policy
