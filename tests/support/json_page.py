"""docs/json.md: the part that is made of the shapes and of what the world wrote."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from hyperjobs import __version__
from hyperjobs.cli.shapes import maintenance
from hyperjobs.cli.shapes.catalogue import OUTPUTS, WITHOUT
from hyperjobs.cli.shapes.kinds import Document
from support.json_shapes import table

if TYPE_CHECKING:
    from support.json_world import World

HEAD = "<!-- From here on it is made by tests/cli/test_json.py. -->\n"
LONG = (Document,)
_VOLATILE: dict[str, Any] = {
    "bytes": 9216, "database_bytes": 77824, "pages": 19, "host": "db1", "by": "maria", "version": "0.1.0",
    "hyperjobs_version": "0.1.0", "sqlite_version": "3.54.0", "open_in": [4242], "url": "http://127.0.0.1:10985",
    "seconds": 0.004, "free_bytes": 73014444032, "needed_bytes": 180224, "archive_bytes": 480, "archive_bytes_estimate": 272, "copy_seconds": 0.016, "verify_seconds": 0.031,
}  # fmt: skip
_HASHES = ("sha256", "digest", "schema_sha256", "source_sha256", "head", "prev")
_OF_REAL_TIME = {"at": "2026-09-10T12:00:00Z", "store": "0b55c004"}
_PLACES = {"jobs.db": "/var/lib/hypersdk/jobs.db", "backups": "/var/backups/hyperjobs", "state": "/var/lib/hyperjobs"}
_FREE = re.compile(r"[\d,.]+ MiB are free")


def written_page(text: str, world: World) -> str:
    """The page with its second part made anew."""
    head, mark, _ = text.partition(HEAD)
    assert mark, "the page has lost its mark"
    homes: dict[Any, str] = {maintenance.RunShape: "runs"}
    for command, output in OUTPUTS.items():
        for _, shape in output.shapes:
            homes.setdefault(shape, command)
    parts = [head + HEAD]
    parts += ["\n".join(_section(command, homes, world)) for command in OUTPUTS]
    parts.append("## Commands without it\n\n" + "\n".join(_reasons()) + "\n")
    return "\n".join(parts)


def _section(command: str, homes: dict[Any, str], world: World) -> list[str]:
    output = OUTPUTS[command]
    lines = [f"## hyperjobs {command}", ""]
    for index, (words, shape) in enumerate(output.shapes):
        is_list = output.is_list and words not in {"--fix", "--undo"}
        said = f"{'JSON Lines' if is_list else 'One object'}{f' with `{words}`' if words else ''}"
        is_here = homes[shape] == command and shape not in [each for _, each in output.shapes[:index]]
        if shape in LONG:
            said += "."
        elif not is_here:
            said += "." if homes[shape] == command else f", as of {_link(homes[shape])}."
        else:
            said += f". {'Each: ' if is_list else ''}{shape.__doc__.partition(chr(10))[0].replace('``', '`')}"
        lines += [f"{said} {output.note if not words else ''}".strip(), ""]
        if not is_here or shape in LONG:
            continue
        base = _base(shape, homes)
        if base is not None:
            lines += [f"All names of {_link(homes[base])}, and:", ""]
        lines += ["| Name | Value | Meaning |", "|---|---|---|"]
        rows = table(
            shape, lambda each: _link(homes[each]) if each in homes else None, base.__annotations__ if base else {}
        )
        lines += [*rows, ""]
        if command != "rules render" or words:
            found = next(lines[0] for lines in world.written[command, words] if lines)
            lines += ["```json", json.dumps(_settled(found, world, command=command)), "```", ""]
    return lines


def _link(command: str) -> str:
    return f"[`{command}`](#hyperjobs-{command.replace(' ', '-')})"


def _base(shape: Any, homes: dict[Any, str]) -> Any:
    """A shape with all its names but some, that is described on the page."""
    others = [each for each in homes if each not in LONG and each.__annotations__.keys() < shape.__annotations__.keys()]
    return max(others, key=lambda each: len(each.__annotations__), default=None)


def _reasons() -> list[str]:
    return [f"- `{f'hyperjobs {command}'.strip()}`: {reason}." for command, reason in WITHOUT.items()]


def _settled(value: Any, world: World, name: str = "", *, command: str) -> Any:
    """A value with what differs between machines and days set, and its lists cut."""
    if isinstance(value, dict):
        return {key: _settled(each, world, key, command=command) for key, each in value.items()}
    if isinstance(value, list):
        return [_settled(each, world, name, command=command) for each in value[:3]]
    fixed = {**_VOLATILE, **_OF_REAL_TIME} if command in {"watch", "audit show"} else _VOLATILE
    if name in fixed and value not in (None, "") and not isinstance(value, bool):
        return fixed[name]
    if name in _HASHES and isinstance(value, str) and value:
        number, colon, _ = value.rpartition(":")
        return f"{number}{colon}{'5f' * 32}"
    return _told(value, world) if isinstance(value, str) else value


def _told(text: str, world: World) -> str:
    for name, place in _PLACES.items():
        text = text.replace(str(world.folder / name), place)
    text = text.replace(str(world.folder), "/srv").replace(__version__, "0.1.0")
    return _FREE.sub("70,000.0 MiB are free", text)
