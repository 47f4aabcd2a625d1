"""YAML text into a tree of plain text: nothing typed, nothing built, every line number kept.

PyYAML's own constructors follow YAML 1.1, where ``2:30`` is 150 and ``NO`` is false, let the last of two equal keys
win, and build what a tag asks for. So only the parser's events are used; each option's type decides what its text means.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import yaml

from hyperjobs.config.problem import shorten

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BYTES = 256 * 1024
MAX_DEPTH = 16
MAX_VALUES = 10_000
"""No honest configuration comes near these three; they bound the work a hostile one can ask for."""

_TOO_DEEP = f"is nested more than {MAX_DEPTH} levels deep"
NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_LINE_BREAK = re.compile(r"\r\n|\r|\n")
_TAB_INDENT = re.compile(r"^ *\t", re.MULTILINE)
# Besides control characters, these are line breaks or invisible to YAML and would shift line numbers or hide text.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")

Raw: TypeAlias = "str | list[Raw] | dict[str, Raw] | None"
"""A value before its type is known."""


class DocumentError(Exception):
    """The text is not the YAML we read.

    Attributes:
        line: from 1; ``None`` when no line is to blame.
    """

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(shorten(message, 160))
        self.line = line


@dataclass(frozen=True, slots=True)
class Scalar:
    """A word or text; ``is_plain`` when it stood without quotes."""

    text: str
    line: int
    is_plain: bool = True

    @property
    def raw(self) -> str | None:
        """The text, or ``None`` for an unquoted empty value, ``~`` or ``null``."""
        return None if self.is_plain and self.text in NULLS else self.text


@dataclass(slots=True)
class Listing:
    """A list."""

    line: int
    items: list[Node] = field(default_factory=list)

    @property
    def raw(self) -> list[Raw]:
        """The items' values."""
        return [item.raw for item in self.items]


@dataclass(slots=True)
class Table:
    """A mapping; the first of two equal keys is kept and the others are in ``repeated``."""

    line: int
    entries: dict[str, Node] = field(default_factory=dict)
    key_lines: dict[str, int] = field(default_factory=dict)
    repeated: list[Scalar] = field(default_factory=list)

    @property
    def raw(self) -> dict[str, Raw]:
        """The values by key."""
        return {key: node.raw for key, node in self.entries.items()}


Node: TypeAlias = Scalar | Listing | Table
"""What stands in a YAML text."""


def parse(data: bytes) -> Node | None:
    """The one document in the bytes; ``None`` when there is nothing but comments.

    Raises:
        DocumentError: not UTF-8, too large, too deep, not YAML, or YAML that we refuse: tabs as indentation, anchors,
            aliases, tags, several documents.
    """
    return compose(_decode(data))


def compose(text: str) -> Node | None:
    """The one value in the text, as ``parse`` does for bytes."""
    builder = _Builder()
    try:
        for event in _events(text):
            builder.take(event)
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        if "nesting depth" in (exc.problem or ""):  # libyaml has a bound of its own, and reads ahead
            raise DocumentError(_TOO_DEEP, None if mark is None else mark.line + 1) from exc
        reason = ", ".join(part for part in (exc.context, exc.problem) if part)
        raise DocumentError(f"is not YAML: {reason}", None if mark is None else mark.line + 1) from exc
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, RecursionError) as exc:
        raise DocumentError("is not YAML") from exc
    return builder.root


def _events(text: str) -> Iterator[yaml.Event]:
    yield from yaml.parse(text, Loader=yaml.CSafeLoader)


def _decode(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise DocumentError(f"is larger than {MAX_BYTES // 1024} KiB")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DocumentError("is UTF-16; save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise DocumentError(
            f"is not UTF-8 text (byte 0x{data[exc.start]:02x})", data.count(b"\n", 0, exc.start) + 1
        ) from exc
    if found := _FORBIDDEN.search(text):
        raise DocumentError(f"holds the character U+{ord(found[0]):04X}, which text has no use for", _line(text, found))
    if found := _TAB_INDENT.search(text):
        raise DocumentError("is indented by a tab; YAML indents by spaces only", _line(text, found))
    return text


def _line(text: str, found: re.Match[str]) -> int:
    return len(_LINE_BREAK.findall(text, 0, found.end() - 1)) + 1


class _Builder:
    """Turns events into nodes; keeps its own stack, so that depth is a number and not the interpreter's stack."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self._open: list[Listing | Table] = []
        self._keys: list[Scalar | None] = []
        self._documents = 0
        self._values = 0

    def take(self, event: yaml.Event) -> None:
        """Add what one event says.

        Raises:
            DocumentError: the event is something we refuse.
        """
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise DocumentError("starts a second document; one file holds one", line)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._open.pop()
            self._keys.pop()
        elif isinstance(event, yaml.NodeEvent):
            self._take_node(event, line)

    def _take_node(self, event: yaml.NodeEvent, line: int) -> None:
        _refuse_references(event, line)
        self._values += 1
        if self._values > MAX_VALUES:
            raise DocumentError(f"has more than {MAX_VALUES} values", line)
        if isinstance(event, yaml.ScalarEvent):
            self._place(Scalar(event.value, line, is_plain=not event.style))
            return
        if len(self._open) >= MAX_DEPTH:
            raise DocumentError(_TOO_DEEP, line)
        node = Listing(line) if isinstance(event, yaml.SequenceStartEvent) else Table(line)
        self._place(node)
        self._open.append(node)
        self._keys.append(None)

    def _place(self, node: Node) -> None:
        if not self._open:
            self.root = node
            return
        parent = self._open[-1]
        if isinstance(parent, Listing):
            parent.items.append(node)
        elif (key := self._keys[-1]) is None:
            if not isinstance(node, Scalar):
                raise DocumentError("has a list or mapping as a key; a key is a word", node.line)
            self._keys[-1] = node
        else:
            self._keys[-1] = None
            if key.text in parent.entries:
                parent.repeated.append(key)
            else:
                parent.entries[key.text] = node
                parent.key_lines[key.text] = key.line


def _refuse_references(event: yaml.NodeEvent, line: int) -> None:
    if isinstance(event, yaml.AliasEvent):
        raise DocumentError(f"uses the alias *{event.anchor}; write the value out", line)
    if event.anchor is not None:
        raise DocumentError(f"has the anchor &{event.anchor}; write each value out", line)
    tag = getattr(event, "tag", None)
    if tag is not None:
        raise DocumentError(f"has the tag {tag}; each option has its type already", line)
