"""What one query asks for: names that nobody exports, and labels that a series does not have."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from hyperjobs.errors import ConfigError
from hyperjobs.rules.contract.known import Owner, series
from hyperjobs.rules.contract.variable import UNKNOWN, replace_variables

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import ModuleType

Labels: TypeAlias = "frozenset[str] | None"
"""The labels that a result can have; ``None`` when nobody can say."""

_NONE: frozenset[str] = frozenset()
_KEEP_SERIES = frozenset({"topk", "bottomk", "limitk", "limit_ratio"})
_SET_OPERATIONS = frozenset({"and", "unless"})
_SCALARS = frozenset({"time", "pi", "scalar"})
_ABSENT = frozenset({"absent", "absent_over_time"})


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is not there.

    Attributes:
        metric: the name; empty when a result of several is meant, or the query itself.
        label: the label; empty when the metric is meant.
        message: the whole of it, as a sentence without a full stop.
    """

    metric: str
    label: str
    message: str


@dataclass(slots=True)
class Verdict:
    """What was found about one query.

    Attributes:
        faults: in the order of the query.
        others: names that are neither ours nor nobody's.
        labels: what the result can have.
    """

    faults: list[Fault] = field(default_factory=list)
    others: set[str] = field(default_factory=set)
    labels: Labels = None

    def add(self, metric: str, label: str, message: str) -> None:
        """Note a fault, once."""
        fault = Fault(metric, label, message)
        if fault not in self.faults:
            self.faults.append(fault)


class Reader:
    """Reads queries; ``recorded`` are names that rules record, ``targets`` labels that the scrape adds.

    Raises:
        ConfigError: the parser of PromQL is not installed.
    """

    def __init__(self, recorded: frozenset[str] = frozenset(), targets: frozenset[str] = frozenset()) -> None:
        self._parser = _parser()
        self._recorded = recorded
        self._targets = targets

    def read(self, query: str) -> Verdict:
        """What is to say about a query, which may hold Grafana's variables."""
        verdict = Verdict()
        try:
            tree = self._parser.parse(replace_variables(query))
        except ValueError as exc:
            reason = " ".join(str(exc).split())
            verdict.add("", "", f"the query cannot be read: {reason}")
            return verdict
        verdict.labels = self._labels(tree, verdict)
        return verdict

    def _labels(self, node: Any, verdict: Verdict) -> Labels:  # noqa: PLR0911 - one for each kind of expression
        match type(node).__name__:
            case "VectorSelector":
                return self._selector(node, verdict)
            case "MatrixSelector":
                return self._selector(node.vector_selector, verdict)
            case "ParenExpr" | "UnaryExpr" | "SubqueryExpr":
                return self._labels(node.expr, verdict)
            case "AggregateExpr":
                return self._aggregate(node, verdict)
            case "BinaryExpr":
                return self._binary(node, verdict)
            case "Call":
                return self._call(node, verdict)
            case _:
                return _NONE  # a number or a text

    def _selector(self, node: Any, verdict: Verdict) -> Labels:
        matchers = list(node.matchers.matchers)
        name = node.name or next((each.value for each in matchers if _is_name(self._parser, each)), None)
        if name is None or UNKNOWN in name:
            return None
        found = series(name, self._recorded)
        if found.owner is Owner.NOBODYS:
            verdict.add(name, "", f"{name} {found.reason}")
            return None
        if found.owner is Owner.OTHERS:
            verdict.others.add(name)
        if found.labels is None:
            return None
        labels = found.labels | self._targets
        for matcher in matchers:
            if matcher.name not in {"__name__", *labels} and UNKNOWN not in matcher.name:
                verdict.add(name, matcher.name, f"{name} has no label {matcher.name}")
        return labels

    def _aggregate(self, node: Any, verdict: Verdict) -> Labels:
        labels = self._labels(node.expr, verdict)
        if str(node.op) in _KEEP_SERIES:
            return labels
        added = frozenset({node.param.val}) if str(node.op) == "count_values" else _NONE
        if node.modifier is None:
            return added
        named = frozenset(node.modifier.labels)
        if node.modifier.type == self._parser.AggModifierType.Without:
            return None if labels is None else (labels - named) | added
        self._expect(named, labels, node.expr, verdict)
        return named | added

    def _binary(self, node: Any, verdict: Verdict) -> Labels:
        left, right = self._labels(node.lhs, verdict), self._labels(node.rhs, verdict)
        if _is_scalar(node.rhs):
            return left
        if _is_scalar(node.lhs):
            return right
        modifier = node.modifier
        matching = modifier.matching if modifier is not None else None
        is_on = matching is not None and matching.type == self._parser.LabelModifierType.Include
        named = frozenset(matching.labels) if matching is not None else _NONE
        if is_on:
            self._expect(named, left, node.lhs, verdict)
            self._expect(named, right, node.rhs, verdict)
        if str(node.op) == "or":
            return None if left is None or right is None else left | right
        if str(node.op) in _SET_OPERATIONS:
            return left
        return self._matched(node, left, right, named if is_on else None, verdict)

    def _matched(self, node: Any, left: Labels, right: Labels, on: Labels, verdict: Verdict) -> Labels:
        """The labels of arithmetic or a comparison of two vectors."""
        modifier = node.modifier
        card = str(modifier.card).rpartition(".")[2] if modifier is not None else "OneToOne"
        group = frozenset(getattr(modifier, "group_labels", None) or ())
        if card == "ManyToOne":
            self._expect(group, right, node.rhs, verdict)
            return None if left is None else left | group
        if card == "OneToMany":
            self._expect(group, left, node.lhs, verdict)
            return None if right is None else right | group
        return on if on is not None else left

    def _call(self, node: Any, verdict: Verdict) -> Labels:
        name = node.func.name
        vectors = [arg for arg in node.args if type(arg).__name__ not in {"StringLiteral", "NumberLiteral"}]
        found = [self._labels(arg, verdict) for arg in vectors]
        labels = found[0] if found else _NONE
        if name in _SCALARS or name == "vector":
            return _NONE
        if name in _ABSENT:
            return frozenset(_equal_labels(self._parser, node.args[0]))
        if name in {"label_replace", "label_join"}:
            return None if labels is None else labels | {node.args[1].val}
        if name == "histogram_quantile":
            # the quantile itself may be a vector's scalar: the buckets are the last argument
            return None if found[-1] is None else found[-1] - {"le"}
        return labels

    def _expect(self, named: Iterable[str], labels: Labels, node: Any, verdict: Verdict) -> None:
        """Each label that is named must be one of those that the expression can have."""
        if labels is None:
            return
        for label in sorted(named):
            if label not in labels | self._targets and UNKNOWN not in label:
                metrics = sorted(set(_names(self._parser, node)))
                whose = metrics[0] if len(metrics) == 1 else "the expression"
                verdict.add(metrics[0] if len(metrics) == 1 else "", label, f"{whose} has no label {label} here")


def _is_scalar(node: Any) -> bool:
    kind = type(node).__name__
    if kind in {"ParenExpr", "UnaryExpr"}:
        return _is_scalar(node.expr)
    if kind == "BinaryExpr":
        return _is_scalar(node.lhs) and _is_scalar(node.rhs)
    return kind == "NumberLiteral" or (kind == "Call" and node.func.name in _SCALARS)


def _is_name(parser: ModuleType, matcher: Any) -> bool:
    return bool(matcher.name == "__name__" and matcher.op == parser.MatchOp.Equal)


def _equal_labels(parser: ModuleType, node: Any) -> Iterator[str]:
    """The labels that ``absent`` takes over from its selector."""
    selector = getattr(node, "vector_selector", node)
    for matcher in getattr(getattr(selector, "matchers", None), "matchers", ()):
        if matcher.op == parser.MatchOp.Equal and matcher.name != "__name__":
            yield matcher.name


def _names(parser: ModuleType, node: Any) -> Iterator[str]:
    """The metrics of an expression."""
    kind = type(node).__name__
    if kind == "VectorSelector":
        name = node.name or next((each.value for each in node.matchers.matchers if _is_name(parser, each)), None)
        if name:
            yield name
        return
    inner = [getattr(node, part, None) for part in ("vector_selector", "expr", "lhs", "rhs")]
    for each in (*inner, *(getattr(node, "args", None) or ())):
        if each is not None and type(each).__module__ == type(node).__module__:
            yield from _names(parser, each)


def _parser() -> ModuleType:
    try:
        import promql_parser  # noqa: PLC0415 - an extra of its own, needed here only
    except ImportError as exc:
        raise ConfigError("queries need a parser of PromQL: pip install 'hyperjobs[check]'") from exc
    return promql_parser
