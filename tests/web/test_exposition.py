"""Which format a client gets, and what is in it."""

from __future__ import annotations

import gzip

import pytest
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4 as TEXT_0
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder, generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from hyperjobs.web.exposition import Families, Snapshot, accepts_gzip, choose_format, compress, render
from support.web_client import families

TEXT_1 = "text/plain; version=1.0.0; charset=utf-8; escaping="
OPEN_1 = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping="
PROMETHEUS_2 = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", TEXT_0),
        ("*/*", TEXT_0),
        ("text/html,application/xhtml+xml,*/*;q=0.8", TEXT_0),
        ("text/plain", TEXT_0),
        ("text/plain;version=0.0.4", TEXT_0),
        ("text/plain;version=1.0.0", f"{TEXT_1}underscores"),
        ("text/plain;version=1.0.0;escaping=allow-utf-8", f"{TEXT_1}allow-utf-8"),
        ("application/openmetrics-text", f"{OPEN_1}underscores"),
        ("application/openmetrics-text; version=1.0.0; escaping=dots", f"{OPEN_1}dots"),
        ("Application/OpenMetrics-Text; Version=1.0.0; escaping=values", f"{OPEN_1}values"),
        ("application/openmetrics-text;version=0.0.1", TEXT_0),
        ("application/openmetrics-text;version=9.9.9", TEXT_0),
        ("application/openmetrics-text;version=1.0.0<script>", TEXT_0),
        ("application/openmetrics-text;version=1.0.0;escaping=odd", f"{OPEN_1}underscores"),
        ("application/openmetrics-text;version=1.0.0;q=0.1,text/plain;version=0.0.4", TEXT_0),
        ("text/plain;version=0.0.4;q=0.1,application/openmetrics-text;version=1.0.0", f"{OPEN_1}underscores"),
        ("application/openmetrics-text;version=1.0.0;q=0", TEXT_0),
        ("application/openmetrics-text;version=1.0.0;q=nonsense", TEXT_0),
        (PROMETHEUS_2, f"{OPEN_1}underscores"),
        (PROMETHEUS_3, f"{OPEN_1}allow-utf-8"),
        (",;=,;;q=,", TEXT_0),
    ],
)
def test_the_best_form_that_both_know_is_chosen(accept, content_type):
    encoder, chosen = choose_format(accept)

    assert chosen == content_type
    ends = render(Families(families()), encoder).endswith(b"# EOF\n")
    assert ends is chosen.startswith("application/openmetrics-text")


@pytest.mark.parametrize(
    ("accept_encoding", "accepted"),
    [
        ("", False),
        ("gzip", True),
        ("GZIP;q=0.5", True),
        ("deflate, gzip", True),
        ("*", True),
        ("gzip;q=0", False),
        ("gzip;q=0, *", False),
        ("*;q=0", False),
        ("br", False),
        ("gzip;q=nan", False),
    ],
)
def test_gzip_is_used_only_where_it_is_accepted(accept_encoding, accepted):
    assert accepts_gzip(accept_encoding) is accepted


@pytest.mark.parametrize(
    ("accept", "parse"), [("", parse_text), ("application/openmetrics-text;version=1.0.0", parse_openmetrics)]
)
def test_what_is_rendered_reads_back_the_same(accept, parse):
    encoder, _ = choose_format(accept)
    read = {
        s.name: (s.labels, s.value) for f in parse(render(Families(families()), encoder).decode()) for s in f.samples
    }

    assert read == {
        "hyperjobs_store_up": ({}, 1.0),
        "hyperjobs_jobs_finished_total": ({"provider": 'v"s\n\\phere'}, 7.0),
    }


def test_a_label_value_that_is_no_text_does_not_break_the_scrape():
    family = GaugeMetricFamily("g", "G.", labels=["provider"])
    family.add_metric(["bad\udcff"], 1.0)

    assert render(Families([family]), generate_latest).decode().endswith('g{provider="bad?"} 1.0\n')


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ({"hyperjobs_store_up"}, ["hyperjobs_store_up"]),
        ({"hyperjobs_jobs_finished"}, ["hyperjobs_jobs_finished_total"]),
        ({"hyperjobs_jobs_finished_total"}, ["hyperjobs_jobs_finished_total"]),
        ({"hyperjobs_jobs_finished_created"}, []),
        ({"other"}, []),
    ],
)
def test_families_and_samples_are_selected_by_name(names, found):
    kept = Families(families()).only(names)

    assert [sample.name for family in kept.collect() for sample in family.samples] == found


def test_a_snapshot_is_rendered_once_in_each_form():
    snapshot = Snapshot(Families(families()))
    calls = []

    def encoder(given):
        calls.append(given)
        return generate_latest(given)

    body = snapshot.body(encoder, TEXT_0, gzipped=False)
    packed = snapshot.body(encoder, TEXT_0, gzipped=True)

    assert gzip.decompress(packed) == body
    assert len(calls) == 1
    assert packed == compress(body)


@pytest.mark.parametrize("escaping", ["allow-utf-8", "underscores", "dots", "values"])
def test_names_as_legal_as_ours_read_the_same_in_every_escaping(escaping: str) -> None:
    family = GaugeMetricFamily("hyperjobs_jobs", "Jobs.", labels=["provider", "status"])
    family.add_metric(['a\n"b"\\ é', "x"], 1)
    found = Families([family])
    accept = f"application/openmetrics-text; version=1.0.0; escaping={escaping}"

    encoder, content_type = choose_format(accept)

    assert content_type.endswith(f"escaping={escaping}")
    assert choose_encoder(accept)[0](found) == encoder(found)
