"""Which kind of error a message tells of: the same text once ids, numbers, hosts, paths and sizes are taken out. Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_READ: Final = 2_000
"""Characters of a message that are looked at: what tells kinds apart stands at the front, and a log need not be read."""
_LONGEST: Final = 200

# In this order: what is taken out first is the more particular. Each runs in time linear in the text.
_PARTS: Final = tuple(
    (re.compile(pattern), word)
    for pattern, word in (
        (r"\b[a-zA-Z][a-zA-Z0-9+.-]{1,15}://[^\s\"'<>]+", "<url>"),
        (r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?: ?(?:Z|[+-]\d\d:?\d\d))?)?", "<time>"),
        (r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b", "<id>"),
        (r"\b[\w.+-]{1,64}@[\w.-]{1,255}", "<user>"),
        (r"\[[^\]\[\s]{1,80}\] [^\s:,;\"']+", "<path>"),  # a file on a vSphere datastore
        (r"\b[A-Za-z]:\\[^\s\"'<>]+", "<path>"),
        (r"(?<![\w/<>.])(?:\.{1,2}|~)?/[^\s:,;\"'()<>]+", "<path>"),
        (r"(['\"`])[^\s'\"`<>]{1,200}\1", r"\1<name>\1"),
        (r"\b[\w-]{1,200}\.(?:vmdk|vmx|ova|ovf|qcow2|raw|img|iso|vhdx?|nvram|log|json|tmp|part|mf)\b", "<file>"),
        (r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?(?![\w.])", "<host>"),
        (r"\[[0-9a-fA-F:]{2,45}\](?::\d{1,5})?", "<host>"),
        (r"(?<![\w:])(?:(?:[0-9a-fA-F]{1,4}:){1,7}|:):(?:[0-9a-fA-F]{1,4}(?::[0-9a-fA-F]{1,4}){0,6})?(?!\w)", "<host>"),
        (r"(?<![\w:])(?:[0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}(?!\w)", "<host>"),
        (r"(?<![\w.-])(?:[a-zA-Z0-9-]{1,63}\.){2,8}[a-zA-Z]{2,24}(?::\d{1,5})?(?![\w.-])", "<host>"),
        (r"(?<![\w.-])[a-zA-Z0-9-]{1,63}\.(?:com|net|org|io|local|lan|internal|corp|test|example|cloud)(?::\d{1,5})?\b", "<host>"),
        (r"\b(?:localhost|[A-Za-z][A-Za-z0-9-]{0,62}[0-9-][A-Za-z0-9-]{0,62}):\d{1,5}\b", "<host>"),
        (r"(?<![\w.<-])\d+(?:[.,]\d+)? ?(?:[KMGTPE]i?B|[kKMGT]B?/s|[Bb]ytes?|B)\b", "<size>"),
        (r"(?<![\w.<-])(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|h|m|s|d))+\b", "<time>"),
        (r"(?<![\w.<-])\d+(?:\.\d+)? ?(?:seconds?|minutes?|hours?|days?|sec|min|m?s|h)\b", "<time>"),
        (r"(?<![\w<-])(?=[A-Za-z_-]{0,64}\d)[A-Za-z0-9]+(?:[-_][A-Za-z0-9]+)+\b", "<id>"),
        (r"\b0x[0-9a-fA-F]+\b", "<id>"),
        (r"\b(?=[a-fA-F]{0,64}\d)(?=\d{0,64}[a-fA-F])[0-9a-fA-F]{8,}\b", "<id>"),
    )
)  # fmt: skip
# A status or exit code is what such a message is about, so it stays.
_NUMBER: Final = re.compile(
    r"\b(?:HTTP(?:/\d(?:\.\d)?)?|[Ss]tatus(?: code)?|[Cc]ode|errno|[Ee]xit(?:ed)?(?: code| status)?)(?: with)?[ :=]{1,2}\d{1,3}\b"
    r"|(?<![\w<])[+-]?\d+(?:[.,:]\d+)*%?(?!\w)"
)


@lru_cache(maxsize=4096)
def kind_of(message: str) -> str:
    """The kind that a message is of, in at most 200 characters on one line; empty when the message says nothing.

    Two messages that differ only in an id, number, host, path, size or time are of one kind.
    """
    text = " ".join("".join(c if c.isprintable() else " " for c in message[:_READ]).split())
    for pattern, word in _PARTS:
        text = pattern.sub(word, text)
    text = _NUMBER.sub(_without_number, text)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _without_number(found: re.Match[str]) -> str:
    return found[0] if found[0][0].isalpha() else "<n>"
