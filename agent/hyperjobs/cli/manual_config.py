"""The manual page of the configuration file, made of its schema."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hyperjobs.cli.manual import CONFIGURATION
from hyperjobs.cli.roff import bold, escape, heading, prose, tagged, verbatim

if TYPE_CHECKING:
    from collections.abc import Iterator

_EXAMPLE = """\
store:
  path: /var/lib/hypersdk/jobs.db
maintenance:
  prune:
    retention: {completed: 90d, failed: 180d, cancelled: 90d}"""


def configuration_page(*, date: str, version: str) -> str:
    """The page, as roff.

    Args:
        date: when it was made, as 2026-09-01.
        version: of the program.
    """
    from hyperjobs.config import json_schema  # noqa: PLC0415 - pydantic only where a configuration is described

    schema = json_schema()
    lines = [
        heading(CONFIGURATION, 5, date=date, version=version),
        ".SH NAME",
        rf"{escape(CONFIGURATION)} \- configuration of hyperjobs",
        ".SH DESCRIPTION",
        prose(
            "One YAML file for all of hyperjobs. Every option has a default; the agent needs 'store.path' alone. Durations have"
            " a unit, as 30s, 12h or 1d12h, and sizes too, as 64MiB. 'hyperjobs config check' says whether a file is right, and"
            " 'hyperjobs config show' what is in force."
        ),
        ".PP",
        prose(
            "An environment variable sets an option over the file: HYPERJOBS_STORE__PATH is 'store.path'. Its value is read as"
            " YAML."
        ),
        ".SH OPTIONS",
        *_options(schema, schema, ""),
        ".SH EXAMPLES",
        *verbatim(_EXAMPLE.splitlines()),
        ".SH FILES",
        *tagged(bold("/etc/hyperjobs/hyperjobs.yaml"), "The configuration of the host."),
        *tagged(bold("~/.config/hyperjobs/hyperjobs.yaml"), "That of a user, where the host has none."),
        ".SH SEE ALSO",
        f"{bold('hyperjobs')}(1),\n{bold('hyperjobs-config')}(1)",
    ]
    return "\n".join(lines) + "\n"


def _options(schema: dict[str, Any], section: dict[str, Any], prefix: str) -> Iterator[str]:
    for name, described in section["properties"].items():
        deeper = schema["$defs"][described["$ref"].rpartition("/")[2]] if "$ref" in described else {}
        if "properties" in deeper:
            title = f"{prefix}{name}"
            yield f".SS {escape(title)}"
            if deeper.get("description"):
                yield prose(_plain(deeper["description"]))
            yield from _options(schema, deeper, f"{title}.")
            continue
        default = described.get("default")
        shown = default if isinstance(default, str) else json.dumps(default)
        text = " ".join(filter(None, [described.get("description"), deeper.get("description")]))
        yield from tagged(bold(f"{prefix}{name}"), f"{_plain(text)} Default: '{shown or 'none'}'.")


def _plain(text: str) -> str:
    """A description, with what it marks as code quoted."""
    return text.replace("`", "'")
