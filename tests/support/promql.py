"""PromQL as it stands in dashboards: variables filled in, and taken apart into the metrics it asks for."""

from __future__ import annotations

import re

import promql_parser

_VARIABLES = {"$__rate_interval": "5m", "$__interval": "1m", "$__range": "1h"}
_OTHERS = re.compile(r"\$\{?\w+(?::\w+)?\}?")


def as_prometheus_reads(expression: str, rate_interval: str = "5m") -> str:
    """The expression with all of every variable chosen."""
    for variable, value in {**_VARIABLES, "$__rate_interval": rate_interval}.items():
        expression = expression.replace(variable, value)
    return _OTHERS.sub(".+", expression)


def selectors(expression: str) -> list[tuple[str, set[str]]]:
    """(metric, labels it is selected or grouped by) of every selector."""
    found: list[tuple[str, set[str]]] = []
    _walk(promql_parser.parse(as_prometheus_reads(expression)), found)
    return found


def _walk(node: object, found: list[tuple[str, set[str]]]) -> None:
    if isinstance(node, promql_parser.VectorSelector):
        found.append((node.name or "", {matcher.name for matcher in node.matchers.matchers}))
    elif isinstance(node, promql_parser.MatrixSelector):
        _walk(node.vector_selector, found)
    elif isinstance(node, promql_parser.BinaryExpr):
        _walk(node.lhs, found)
        _walk(node.rhs, found)
    elif isinstance(node, promql_parser.Call):
        for argument in node.args:
            _walk(argument, found)
    elif hasattr(node, "expr"):
        _walk(node.expr, found)
