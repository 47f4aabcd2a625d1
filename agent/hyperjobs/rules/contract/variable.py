"""Grafana's variables in a query, replaced by what a reader of PromQL takes in their place."""

from __future__ import annotations

import re

UNKNOWN = "grafana_variable__"
"""Stands for a metric or a label that only Grafana knows."""

_VARIABLE = re.compile(r"\$\{(\w+)(?:[.:][^}]*)?\}|\$(\w+)|\[\[(\w+)(?::\w+)?\]\]")
_DURATIONS = frozenset({"__interval", "__rate_interval", "__range", "interval", "resolution"})
_NUMBERS = frozenset({"__interval_ms", "__range_s", "__range_ms", "__rate_interval_ms", "__from", "__to"})
_QUOTES = "\"'`"


def replace_variables(query: str) -> str:
    """The query as PromQL: a time, a number, a text or a name in place of each variable, by where it stands."""
    parts, position = [], 0
    for found in _VARIABLE.finditer(query):
        parts.append(query[position : found.start()])
        before = "".join(parts)
        parts.append(_stand_in(found[1] or found[2] or found[3], before))
        position = found.end()
    return "".join([*parts, query[position:]])


def _stand_in(name: str, before: str) -> str:
    quote = _open_quote(before)
    if quote:
        return "x"
    if name in _NUMBERS:
        return "60"
    if name in _DURATIONS or before.rstrip().endswith(("[", ":", "offset")):
        # "5$unit" would be two durations in one; nobody writes that
        return "5m"
    return UNKNOWN


def _open_quote(text: str) -> str:
    """The quote that is open at the end of a text; empty when none is."""
    quote, is_escaped = "", False
    for char in text:
        if is_escaped:
            is_escaped = False
        elif char == "\\" and quote and quote != "`":
            is_escaped = True
        elif quote:
            quote = "" if char == quote else quote
        elif char in _QUOTES:
            quote = char
    return quote
