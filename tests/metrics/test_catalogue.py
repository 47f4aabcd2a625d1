"""What is exported is in the catalogue, and what is in the catalogue is exported."""

from __future__ import annotations

import shutil

import apsw
import pytest

from hyperjobs.metrics import catalogue as module
from hyperjobs.metrics.catalogue import PREFIX, catalogue, counter, groups, histogram
from support.ledgers import insert
from support.scrapes import FIXTURE, OPENMETRICS, hand_turned, read_openmetrics, value


@pytest.fixture(scope="module")
def scrapes(tmp_path_factory):
    """One store's life, family by family: missing at first, then with jobs of every kind, and one row nobody can count."""
    directory = tmp_path_factory.mktemp("life")
    store = directory / "jobs.db"
    with hand_turned(store, directory / "state", audit__path=str(directory / "audit.jsonl")) as agent:
        found = [agent.families()]
        shutil.copyfile(FIXTURE / "jobs.db", store)
        agent.turn()
        db = apsw.Connection(str(store))
        insert(db, "odd", "completed", started="2026-01-02 00:00:00+00:00", completed="2026-01-01 00:00:00+00:00")
        db.close()
        agent.turn()
        agent.care._sample(lambda: False)
        for task in ("integrity-quick", "backup", "checkpoint", "drill"):
            assert agent.run(task).error is None
        found.append(agent.families())
        found.append(read_openmetrics(agent.body(OPENMETRICS)))
    return found


def exported(scrapes):
    """Every family of ours in the text form, by the catalogue's name."""
    return [family for families in scrapes[:2] for family in families if family.name.startswith(PREFIX)]


def catalogued(family):
    """The catalogue's name for a family: the parser takes a counter's _total off."""
    return family.name.removeprefix(PREFIX) + ("_total" if family.type == "counter" else "")


def test_every_family_is_in_the_catalogue_with_its_type_labels_and_help(scrapes):
    for family in exported(scrapes):
        entry = catalogue()[catalogued(family)]
        labels = {frozenset(sample.labels) - {"le"} for sample in family.samples}

        assert (family.type, family.documentation) == (entry.type, entry.help)
        assert labels == {frozenset(entry.labels)}, entry.name


def test_every_entry_that_is_not_reserved_is_exported_and_no_reserved_one_is(scrapes):
    names = {catalogued(family) for family in exported(scrapes)}

    assert names == {name for name, entry in catalogue().items() if not entry.is_reserved}


def test_what_is_not_ours_is_the_processs_own(scrapes):
    names = {family.name for families in scrapes for family in families}

    assert all(name.startswith((PREFIX, "process_")) for name in names)


def test_a_scrape_of_a_missing_store_has_no_number_of_it(scrapes):
    first = {catalogued(family) for family in scrapes[0] if family.name.startswith(PREFIX)}

    assert "store_up" in first
    assert not first & {name for name, entry in catalogue().items() if entry.group == "jobs"}
    assert not first & {"store_rows", "store_pages", "store_info", "ledger_ready", "ledger_unfolded_rows", "audit_up"}


def test_a_family_is_exported_once_and_its_samples_stand_together(scrapes):
    for families in scrapes:
        names = [family.name for family in families]

        assert len(names) == len(set(names))


@pytest.mark.parametrize("name", catalogue())
def test_an_entry_keeps_the_rules_of_names(name):
    entry = catalogue()[name]

    assert entry.type in {"gauge", "counter", "histogram"}
    assert name.endswith("_total") == (entry.type == "counter")
    assert not name.endswith(("_timestamp", "_milliseconds"))
    assert entry.help.endswith(".")
    assert not set(entry.labels) & {"id", "job", "job_id", "vm", "vm_name", "user", "error", "message", "le", "path"}
    if entry.type == "counter":
        assert name.removesuffix("_total") not in catalogue(), "a gauge would share its base name"


def test_a_mistyped_name_cannot_be_made():
    with pytest.raises(ValueError, match="store_up is not a counter"):
        counter("store_up", 1)
    with pytest.raises(ValueError, match="store_up is not a histogram"):
        histogram("store_up")


def test_a_group_selects_all_its_families_and_nothing_reserved():
    assert set(groups()) == {"jobs", "store", "ledger", "tasks", "backup", "agent"}
    assert sum(map(len, groups().values())) == sum(not entry.is_reserved for entry in catalogue().values())


def test_families_are_made_from_the_catalogue_alone():
    """Else a source could word its own HELP: only the catalogue's module names the family classes."""
    from pathlib import Path  # noqa: PLC0415

    package = Path(module.__file__).parent
    for path in package.glob("*.py"):
        if path.name != "catalogue.py":
            assert "MetricFamily(" not in path.read_text(), path.name


def test_the_scrape_says_when_the_one_before_it_was(tmp_path):
    with hand_turned(tmp_path / "none.db", tmp_path / "state") as agent:
        first, at = agent.samples(), agent.clock.now()
        agent.clock.advance(15)
        second = agent.samples()

    assert value(first, "last_scrape_timestamp_seconds") is None
    assert value(second, "last_scrape_timestamp_seconds") == at.timestamp()
