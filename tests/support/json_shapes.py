"""Holding JSON to a shape: every name there, no other, and each value of its kind."""

from __future__ import annotations

import re
import types
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    NotRequired,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_INDENT = 8
_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")
_LOCAL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d")
_FORMS = {"time": _UTC, "local time": _LOCAL}
_PLAIN = {str: "text", int: "whole number", float: "number", bool: "`true` or `false`"}


def faults(value: Any, shape: Any, where: str = "") -> list[str]:  # noqa: PLR0911 - one for each kind
    """All that keeps a value from being of a shape; nothing when it is."""
    if is_typeddict(shape):
        return _object_faults(value, shape, where)
    origin, arguments = get_origin(shape), get_args(shape)
    if shape is Any:
        return []
    if origin in {Union, types.UnionType}:
        tried = [faults(value, each, where) for each in arguments]
        return [] if [] in tried else max(tried, key=len)
    if origin is Annotated:
        fits = isinstance(value, str) and _FORMS[arguments[1]].fullmatch(value)
        return [] if fits else [f"{where}: {value!r} is no {arguments[1]}"]
    if origin is Literal:
        return (
            []
            if any(value is each or value == each for each in arguments)
            else [f"{where}: {value!r} is none of {arguments}"]
        )
    if origin is list:
        if not isinstance(value, list):
            return [f"{where}: {value!r} is no list"]
        return [fault for each in value for fault in faults(each, arguments[0], f"{where}[]")]
    if origin is dict:
        if not isinstance(value, dict):
            return [f"{where}: {value!r} is no object"]
        return [fault for name, each in value.items() for fault in faults(each, arguments[1], f"{where}.{name}")]
    is_one = isinstance(value, (int, float) if shape is float else shape) and (shape is bool) == isinstance(value, bool)
    return [] if is_one else [f"{where}: {value!r} is no {shape}"]


def _object_faults(value: Any, shape: Any, where: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{where}: {value!r} is no object"]
    known = get_type_hints(shape, include_extras=True)
    found = [f"{where}.{name}: is not described" for name in value.keys() - known.keys()]
    found += [f"{where}.{name}: is missing" for name in shape.__required_keys__ - value.keys()]
    for name in known.keys() & value.keys():
        found += faults(value[name], _bare(known[name]), f"{where}.{name}")
    return found


def _bare(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is NotRequired else kind


def kind_of(shape: Any) -> str:  # noqa: PLR0911 - as above
    """A kind in words, for the page."""
    origin, arguments = get_origin(shape), get_args(shape)
    if origin is NotRequired:
        return f"{kind_of(arguments[0])}, or not there"
    if origin in {Union, types.UnionType}:
        return " or ".join(kind_of(each) for each in arguments)
    if origin is Annotated:
        return str(arguments[1])
    if origin is Literal:
        return " or ".join(f"`{str(each).lower() if isinstance(each, bool) else each}`" for each in arguments)
    if origin is list:
        return f"list of {kind_of(arguments[0])}"
    if origin is dict:
        return f"object of {kind_of(arguments[1])}"
    if is_typeddict(shape):
        return "object"
    return {**_PLAIN, type(None): "`null`", Any: "any value"}[shape]


def meanings(shape: Any) -> dict[str, str]:
    """What the names of a shape mean, from the attributes in its description."""
    found: dict[str, str] = {}
    _, _, text = (getattr(shape, "__doc__", "") or "").partition("Attributes:\n")
    name = ""
    for line in text.splitlines():
        if len(line) - len(line.lstrip()) > _INDENT:
            found[name] += f" {line.strip()}"
        elif line.strip():
            name, _, rest = line.strip().partition(": ")
            found[name] = rest
    return {name: text.replace("``", "`").removesuffix(".") for name, text in found.items()}


def table(shape: Any, link: Callable[[Any], str | None], without: Mapping[str, Any]) -> list[str]:
    """The names of a shape as rows of a table, those of the shapes in it after them.

    Args:
        shape: what is described.
        link: to where a shape is described already.
        without: names that are described elsewhere.
    """
    told = meanings(shape)
    rows, below = [], []
    for name, kind in get_type_hints(shape, include_extras=True).items():
        if name in without and name not in told:
            continue
        inner = [(each, link(each)) for each in _shapes_in(kind)]
        said = kind_of(kind)
        for _, there in inner:
            said = said.replace("object", f"object as of {there}", 1) if there else said
        rows.append(f"| `{name}` | {said} | {told.get(name, '')} |")
        below += [(name, each) for each, there in inner if there is None]
    for name, each in below:
        rows += [row.replace("| `", f"| `{name}.", 1) for row in table(each, link, {})]
    return rows


def _shapes_in(kind: Any) -> list[Any]:
    if is_typeddict(kind):
        return [kind]
    return [found for each in get_args(kind) for found in _shapes_in(each)]
