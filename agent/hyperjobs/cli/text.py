"""Text of jobs made safe to show: no character of it can drive a terminal or break a line."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# In a Python string a surrogate is always a lone one: it stands for bytes that were no UTF-8.
_SURROGATE = re.compile("[\ud800-\udfff]")
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def printable(text: str) -> str:
    r"""``text`` on one line with every control, formatting or unassigned character as an escape.

    Escapes are those of Python and JSON: ``\n``, ``\x1b``, ``\u202e``. Text without such characters is given back
    as it is, backslashes included; where the reader is a program, use :func:`field`.
    """
    if text.isprintable():
        return text
    return "".join(char if _is_shown(char) else _escape(char) for char in text)


def field(text: str) -> str:
    r"""``text`` as one field of a line of tab-separated values; ``\\`` stands for a backslash, so it can be undone."""
    return printable(text.replace("\\", r"\\"))


def _is_shown(char: str) -> bool:
    # isprintable() counts every space but ' ' as unprintable; the ideographic one is ordinary in names
    return char.isprintable() or char == "\u3000"


def _escape(char: str) -> str:
    code = ord(char)
    if char in _SHORT:
        return _SHORT[char]
    if code <= 0xFF:  # noqa: PLR2004 - the last code that \x writes
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 - the last code that \u writes


def json_line(value: Mapping[str, Any]) -> str:
    """One JSON object on one line, in ASCII: valid in any encoding, and nothing in it can drive a terminal.

    What JSON cannot say becomes what it can: bytes that were no UTF-8 are U+FFFD, and a number that is not finite is
    ``null``.
    """
    try:
        text = json.dumps(value, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(value), allow_nan=False)
    if r"\ud" in text:
        text = json.dumps(json.loads(_SURROGATE.sub("\ufffd", json.dumps(_finite(value), ensure_ascii=False))))
    return text.replace("\x7f", r"\u007f")


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value
