"""All queries of some files held against what is exported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hyperjobs.errors import ConfigError
from hyperjobs.rules.contract.document import read_queries
from hyperjobs.rules.contract.query import Reader
from hyperjobs.rules.contract.variable import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from hyperjobs.rules.contract.document import Query


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a file asks for.

    Attributes:
        place: the panel or the rule.
        label: empty when the metric itself is meant.
        is_fault: it is not there; otherwise it is somebody else's, and no concern of ours.
    """

    file: str
    place: str
    metric: str
    label: str
    message: str
    is_fault: bool


@dataclass(frozen=True, slots=True)
class Report:
    """What was found.

    Attributes:
        findings: file by file, in the order of each.
        queries: how many were looked at.
        others: names of others' metrics, each once.
    """

    findings: tuple[Finding, ...]
    queries: int
    others: tuple[str, ...]

    @property
    def faults(self) -> tuple[Finding, ...]:
        """What is asked for and not there."""
        return tuple(finding for finding in self.findings if finding.is_fault)


def check(paths: Iterable[Path], targets: frozenset[str] = frozenset()) -> Report:
    """Hold every query of every file against what the agent exports and what the rules among the files record.

    Args:
        paths: dashboards and rules.
        targets: further labels that the scrape gives to every series.

    Raises:
        ConfigError: the parser is missing, or files cannot be read: all of them, one line each.
    """
    queries: list[Query] = []
    unreadable: list[str] = []
    for path in paths:
        try:
            queries += read_queries(path)
        except ConfigError as exc:
            unreadable.append(str(exc))
    if unreadable:
        raise ConfigError("\n".join(unreadable))
    reader = Reader(frozenset(query.record for query in queries if query.record), targets)
    findings: dict[Finding, None] = {}
    others: set[str] = set()
    for query in queries:
        findings |= dict.fromkeys(_judged(reader, query, targets, others))
    return Report(tuple(findings), len(queries), tuple(sorted(others)))


def _judged(reader: Reader, query: Query, targets: frozenset[str], others: set[str]) -> list[Finding]:
    verdict = reader.read(query.text)
    others |= verdict.others
    found = [
        Finding(query.file, query.place, fault.metric, fault.label, fault.message, is_fault=True)
        for fault in verdict.faults
    ]
    if verdict.labels is not None:
        found += [
            Finding(query.file, query.place, "", label, f"the result has no label {label} to show", is_fault=True)
            for label in query.shown
            if label not in verdict.labels | targets and UNKNOWN not in label
        ]
    found += [
        Finding(query.file, query.place, name, "", f"{name} is not ours", is_fault=False)
        for name in sorted(verdict.others)
    ]
    return found
