"""A site over an overview that the test writes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hyperjobs.clock import SystemClock
from hyperjobs.testing import START
from hyperjobs.web.hosts import HostRule
from hyperjobs.web.shapes import Counts, Overview, Store
from hyperjobs.web.site import Site

if TYPE_CHECKING:
    from collections.abc import Callable

    from hyperjobs.web.resources import Observed


def make_overview(**changes: object) -> Overview:
    """A store of nothing, read well."""
    store = Store(
        path="/var/lib/hypersdk/jobs.db", is_readable=True, read_at=START, flavour="hypersdk", numbers="ledger"
    )
    return replace(Overview(at=START, version="1.2.3", store=store, jobs=Counts()), **changes)


def make_site(
    overview: Callable[[float], Overview] | None = None,
    *,
    look: Callable[[], Observed] | None = None,
    **changes: object,
) -> Site:
    """A site whose lists nobody may read unless ``look`` is given."""

    def nobody() -> Observed:
        raise AssertionError

    given = {"has_jobs": lambda: True, "hosts": HostRule(["127.0.0.1"]), "clock": SystemClock()}
    return Site(overview=overview or (lambda _deadline: make_overview()), look=look or nobody, **{**given, **changes})
