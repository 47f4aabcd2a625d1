"""The values file: what a person sets, checked as a whole, and the file that holds every default."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hyperjobs.config.document import DocumentError, Table, parse
from hyperjobs.config.problem import Origin, Problems, describe, nearest
from hyperjobs.config.source import read_bytes
from hyperjobs.rules.definition import alerts, common
from hyperjobs.rules.parameter import written

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from hyperjobs.config.document import Node
    from hyperjobs.rules.parameter import Parameter

_ALERTS = "alerts"
_WIDTH = 118
_HEADER = """\
# The values of the rules: every threshold, window, wait and link, each at its default.
#
# `hyperjobs rules values` prints this file. Copy what you change, and nothing else, to a file of your own:
# `hyperjobs rules render --values FILE --out DIR` makes rules of it, and refuses what it does not know or believe.
# Durations have a unit (30m, 36h, 8d), sizes too (64MiB), and a ratio is between 0 and 1.
"""


@dataclass(frozen=True, slots=True)
class Values:
    """Every value, read.

    Attributes:
        common: those that every rule shares.
        alerts: alert → name → value.
    """

    common: Mapping[str, Any]
    alerts: Mapping[str, Mapping[str, Any]]


def default_values() -> Values:
    """Every value at its default."""
    return Values(
        {name: parameter.standard for name, parameter in common().items()},
        {
            alert.name: {name: parameter.standard for name, parameter in alert.parameters.items()}
            for alert in alerts().values()
        },
    )


def load_values(path: Path) -> Values:
    """The defaults, and over them what a file says.

    Raises:
        ConfigError: all that is wrong with it, one line each: ``file:line: value: what is wrong (got …)``.
    """
    problems, origin = Problems(), Origin(str(path))
    values = default_values()
    shared, of_alerts = dict(values.common), {name: dict(own) for name, own in values.alerts.items()}
    try:
        root = parse(read_bytes(path))
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
        problems.add(origin, (), f"cannot be read: {reason}")
        root = None
    except DocumentError as exc:
        problems.add(Origin(origin.name, exc.line), (), str(exc))
        root = None
    if isinstance(root, Table):
        reader = _Reader(origin.name, problems)
        groups = root.entries.pop(_ALERTS, None)
        reader.read(root, common(), shared, ())
        if groups is not None:
            reader.read_alerts(groups, of_alerts)
    elif root is not None and root.raw is not None:
        problems.add(Origin(origin.name, root.line), (), "must be a mapping of values", got=describe(root.raw))
    problems.raise_if_any()
    return Values(shared, of_alerts)


def values_file() -> str:
    """The text of a values file with every default and what it means."""
    return "\n".join([_HEADER, *_blocks()]) + "\n"


def written_values() -> dict[str, Any]:
    """The same values as that file has, as JSON has them."""
    return {
        **{name: parameter.default for name, parameter in common().items()},
        _ALERTS: {
            alert.name: {name: parameter.default for name, parameter in alert.parameters.items()}
            for alert in alerts().values()
        },
    }


def _blocks() -> Iterator[str]:
    for parameter in common().values():
        yield _entry(parameter, "") + "\n"
    yield "alerts:"
    for alert in alerts().values():
        severities = " and ".join(alert.severities)
        yield f"\n  # {alert.summary} ({severities}, {alert.component})\n  {alert.name}:"
        for name, parameter in alert.parameters.items():
            if name in {"enabled", "for"}:
                yield f"    {name}: {parameter.yaml}"
            else:
                yield _entry(parameter, "    ")


def _entry(parameter: Parameter, indent: str) -> str:
    comment = textwrap.wrap(parameter.help, _WIDTH - len(indent), break_long_words=False)
    return "\n".join([*(f"{indent}# {line}" for line in comment), f"{indent}{parameter.name}: {parameter.yaml}"])


class _Reader:
    """Reads tables of values, and gathers all that is wrong."""

    def __init__(self, file: str, problems: Problems) -> None:
        self._file = file
        self._problems = problems

    def read(self, table: Table, known: Mapping[str, Parameter], values: dict[str, Any], path: tuple[str, ...]) -> None:
        """Put what a table says over the values."""
        self._note_repeated(table, path)
        is_sound = True
        for name, node in table.entries.items():
            line = table.key_lines[name]
            if name not in known:
                others = known if path else [*known, _ALERTS]
                self._add(line, (*path, name), f"is no value of it; {nearest(name, others)}", node)
                continue
            try:
                values[name] = known[name].read(node.raw)
            except ValueError as exc:
                is_sound = False
                self._add(node.line or line, (*path, name), str(exc), node)
        if is_sound:
            self._compare(table, known, values, path)

    def read_alerts(self, node: Node, values: dict[str, dict[str, Any]]) -> None:
        """Put what the part about alerts says over their values."""
        if not isinstance(node, Table):
            if node.raw is not None:
                self._add(node.line, (_ALERTS,), "must be a mapping of alerts", node)
            return
        self._note_repeated(node, (_ALERTS,))
        for name, own in node.entries.items():
            path, line = (_ALERTS, name), node.key_lines[name]
            if name not in values:
                self._add(line, path, f"is no alert; {nearest(name, values)}", own)
            elif isinstance(own, Table):
                self.read(own, alerts()[name].parameters, values[name], path)
            elif own.raw is not None:
                self._add(own.line, path, "must be a mapping of values", own)

    def _compare(
        self, table: Table, known: Mapping[str, Parameter], values: Mapping[str, Any], path: tuple[str, ...]
    ) -> None:
        """Refuse a critical threshold below the warning, and the like."""
        for name, parameter in known.items():
            other = parameter.above
            if other is None or values[name] > values[other]:
                continue
            line = table.key_lines.get(name) or table.key_lines[other]
            message = f"must be more than {other} ({written(values[other])})"
            self._problems.add(Origin(self._file, line), (*path, name), message, got=written(values[name]))

    def _note_repeated(self, table: Table, path: tuple[str, ...]) -> None:
        for key in table.repeated:
            first = table.key_lines[key.text]
            message = f"is written twice; the first is on line {first}"
            self._problems.add(Origin(self._file, key.line), (*path, key.text), message)

    def _add(self, line: int, path: tuple[str, ...], message: str, node: Node) -> None:
        self._problems.add(Origin(self._file, line), path, message, got=describe(node.raw, name=path[-1]))
