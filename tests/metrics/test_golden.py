"""The whole scrape of the Go client's store, held to a file in each format.

``HYPERJOBS_UPDATE_GOLDEN=1`` writes the files anew; read the difference before it is committed.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hyperjobs.testing import FakeClock
from support.scrapes import OPENMETRICS, copy_fixture, hand_turned, read_openmetrics, samples_of

GOLDEN = Path(__file__).parent / "golden"
NOW = datetime(2026, 11, 23, 0, 30, tzinfo=UTC)
FORMATS = {"scrape.txt": "", "scrape.openmetrics": OPENMETRICS}

VOLATILE = re.compile(
    r"^((?:process_\w+"
    r"|hyperjobs_store_(?:size_bytes|filesystem_\w+_bytes|pages|page_size_bytes|freelist_bytes)"
    r"|hyperjobs_collector_duration_seconds)(?:\{[^}]*\})?) .*$",
    re.MULTILINE,
)
VERSIONS = re.compile(r'\b(python|sqlite|apsw)="[^"]*"')


def normalised(body: str) -> str:
    """The body without what differs between machines and versions."""
    return VERSIONS.sub(r'\1="…"', VOLATILE.sub(r"\1 …", body))


@pytest.fixture
def bodies(tmp_path):
    """File name → the first scrape of the store in that format."""
    found = {}
    for name, accept in FORMATS.items():
        (tmp_path / name).mkdir()
        with hand_turned(copy_fixture(tmp_path / name), tmp_path / name / "state", clock=FakeClock(NOW)) as agent:
            agent.turn()
            agent.care._sample(lambda: False)
            found[name] = agent.body(accept)
    return found


def test_the_whole_scrape_is_the_golden_one_in_both_formats(bodies):
    for name, body in bodies.items():
        if os.environ.get("HYPERJOBS_UPDATE_GOLDEN"):
            (GOLDEN / name).write_text(normalised(body))

        assert normalised(body).splitlines() == (GOLDEN / name).read_text().splitlines()


def test_both_formats_say_the_same(bodies):
    from prometheus_client.parser import text_string_to_metric_families as parse_text  # noqa: PLC0415

    text = samples_of(list(parse_text(bodies["scrape.txt"])))
    openmetrics = samples_of(read_openmetrics(bodies["scrape.openmetrics"]))

    differing = {name for name, _ in text.items() ^ openmetrics.items()}
    own = {key[0] for key in differing if key[0].startswith("hyperjobs_")}
    assert own <= {"hyperjobs_store_filesystem_avail_bytes", "hyperjobs_collector_duration_seconds"}
    assert text.keys() == openmetrics.keys()


def test_no_gauge_shares_its_base_name_with_a_counter(bodies):
    families = read_openmetrics(bodies["scrape.openmetrics"])  # where a counter's name has no _total

    names = [family.name for family in families]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", FORMATS)
def test_no_series_tells_when_a_counter_was_created(bodies, name):
    assert not re.search(r"_created\b", bodies[name].replace("hyperjobs_jobs_created", ""))
