"""The ledger against an independent model, with three kinds of writer in processes of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from support.ledger_model import Machine, operation

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.tool("sqlite3")


@pytest.fixture(scope="module", params=[False, True], ids=["recursive_triggers off", "recursive_triggers on"])
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    machine = Machine(tmp_path_factory.mktemp("exact"), recursive=request.param)
    yield machine
    machine.close()


_quiet = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]


@given(operations=st.lists(operation, min_size=1, max_size=12))
@settings(max_examples=60, deadline=None, suppress_health_check=_quiet)
def test_counters_and_gauges_equal_a_model_after_any_operations(machine: Machine, operations: list[Any]) -> None:
    machine.run(operations)


@pytest.mark.long
@given(operations=st.lists(operation, min_size=1, max_size=30))
@settings(max_examples=3_000, deadline=None, suppress_health_check=_quiet)
def test_counters_and_gauges_equal_a_model_after_very_many_operations(machine: Machine, operations: list[Any]) -> None:
    machine.run(operations)
