"""The type of ``--after``: a place in a list of jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hyperjobs.store.cursor import parse_cursor

if TYPE_CHECKING:
    from hyperjobs.store.models import Job, JobCursor


class Cursor(click.ParamType):  # type: ignore[type-arg]  # generic only in newer releases of click
    """The type of ``--after``."""

    name = "cursor"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Job | JobCursor:
        """The place meant, or a usage error."""
        if not isinstance(value, str):
            place: Job | JobCursor = value
            return place
        try:
            return parse_cursor(value)
        except ValueError as exc:
            self.fail(str(exc), param, ctx)
