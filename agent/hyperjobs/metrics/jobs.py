"""Jobs: how many, how well, how long, how much."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from hyperjobs.metrics.catalogue import counter, gauge, histogram
from hyperjobs.store.ledger import tally
from hyperjobs.store.ledger.buckets import MICROS
from hyperjobs.store.ledger.label import OTHER
from hyperjobs.store.models import FINISHED, JobStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from prometheus_client.core import Metric

    from hyperjobs.metrics.source import Scrape
    from hyperjobs.store.ledger.tally import TotalKey
    from hyperjobs.store.ledger.view import LedgerView

_STATUSES = tuple(JobStatus)
_ALL = "all"


class JobsSource:
    """The jobs group, from the ledger's view."""

    name = "jobs"

    def __init__(self, stalled: Callable[[], Mapping[str, int] | None]) -> None:
        """``stalled`` is the last sample of stalled jobs by provider; ``None`` before one."""
        self._stalled = stalled

    def collect(self, scrape: Scrape) -> Iterator[Metric]:
        """The families; none before the first count of the store is in."""
        view = scrape.snapshot.view
        if not view.is_ready:
            return
        totals = scrape.totals
        providers = sorted({provider for provider, _ in view.rollup.gauges} | {key[1] for key in totals if key[1]})
        yield _jobs(view, providers)
        yield _plain(tally.CREATED, "jobs_created_total", totals, providers)
        yield _finished(totals, providers)
        yield _histogram(
            "job_duration_seconds",
            tally.DURATION,
            totals,
            view.bounds,
            [(p, s) for p in providers for s in sorted(FINISHED)],
        )
        yield _histogram("job_queue_wait_seconds", tally.WAIT, totals, view.bounds, [(p, "") for p in providers])
        yield _plain(tally.BYTES, "job_bytes_total", totals, providers)
        yield _plain(tally.FILES, "job_files_total", totals, providers)
        yield from _success(view, totals, providers)
        yield from _ages(view, scrape)
        yield from self._stalls(view)
        latest = gauge("last_completed_timestamp_seconds")
        for provider, completed_s in sorted(view.rollup.latest.items()):
            latest.add_metric([provider], completed_s)
        yield latest

    def _stalls(self, view: LedgerView) -> Iterator[Metric]:
        stalled = self._stalled()
        if stalled is None:
            return
        family = gauge("stalled_jobs")
        for provider in sorted({p for p, _ in view.rollup.gauges} | set(stalled)):
            family.add_metric([provider], stalled.get(provider, 0))
        yield family


def _jobs(view: LedgerView, providers: Iterable[str]) -> Metric:
    family = gauge("jobs")
    for provider in providers:
        for status in _STATUSES:
            family.add_metric([provider, status], view.rollup.gauges.get((provider, status), 0))
        odd = view.rollup.gauges.get((provider, OTHER), 0)
        if odd:
            family.add_metric([provider, OTHER], odd)
    return family


def _plain(metric: str, name: str, totals: Mapping[TotalKey, int], providers: Iterable[str]) -> Metric:
    family = counter(name)
    for provider in providers:
        family.add_metric([provider], totals.get((metric, provider, "", 0), 0))
    return family


def _finished(totals: Mapping[TotalKey, int], providers: Iterable[str]) -> Metric:
    family = counter("jobs_finished_total")
    for provider in providers:
        for status in sorted(FINISHED):
            family.add_metric([provider, status], totals.get((tally.FINISHED_JOBS, provider, status, 0), 0))
    return family


def _histogram(
    name: str, metric: str, totals: Mapping[TotalKey, int], bounds: tuple[float, ...], series: Iterable[tuple[str, str]]
) -> Metric:
    family = histogram(name)
    edges = [*(f"{bound:.1f}" if bound == int(bound) else repr(bound) for bound in bounds), "+Inf"]
    for provider, status in series:
        counts = [totals.get((metric, provider, status, index), 0) for index in range(len(edges))]
        micros = totals.get((f"{metric}_micros", provider, status, 0), 0)
        labels = [provider, status] if status else [provider]
        family.add_metric(labels, list(zip(edges, accumulate(counts), strict=True)), sum_value=micros / MICROS)
    return family


def _success(view: LedgerView, totals: Mapping[TotalKey, int], providers: Iterable[str]) -> Iterator[Metric]:
    ratio, size = gauge("job_success_ratio"), gauge("job_success_sample_size")
    everything = {(key[1], key[2]): count for key, count in totals.items() if key[0] == tally.FINISHED_JOBS}
    for window, finished in (*view.windows.items(), (_ALL, everything)):
        for provider in providers:
            completed = finished.get((provider, JobStatus.COMPLETED), 0)
            judged = completed + finished.get((provider, JobStatus.FAILED), 0)
            size.add_metric([provider, window], judged)
            if judged:
                ratio.add_metric([provider, window], completed / judged)
    yield ratio
    yield size


def _ages(view: LedgerView, scrape: Scrape) -> Iterator[Metric]:
    for name, status in (
        ("oldest_pending_age_seconds", JobStatus.PENDING),
        ("longest_running_age_seconds", JobStatus.RUNNING),
    ):
        family = gauge(name)
        for (provider, found), since in sorted(view.oldest.items()):
            if found == status:
                family.add_metric([provider], max(0.0, (scrape.now - since).total_seconds()))
        yield family
