"""Second destinations as the agent has them: opened by each run, and remembered by what the run was told."""

from __future__ import annotations

import json
import threading
import time

import pytest

from hyperjobs.store.runs import Outcome
from support.ledgers import make_store
from support.s3 import silent
from support.scrapes import hand_turned, value


@pytest.fixture
def store(tmp_path):
    return make_store(tmp_path / "jobs.db")


@pytest.fixture
def nas(tmp_path):
    path = tmp_path / "nas"
    path.mkdir(mode=0o700)
    return path


def agent(store, *destinations):
    """An agent with these destinations, over the state of the one before."""
    text = json.dumps(destinations, default=str)
    return hand_turned(store, store.parent / "state", maintenance__backup__destinations=text)


def remembered(agent):
    return {facts["name"]: facts["verified"] for facts in agent.workshop.condition.destinations}


def test_a_missing_key_costs_no_backup_and_no_other_destination(store, nas, tmp_path):
    key = tmp_path / "key"
    offsite = {"name": "offsite", "bucket": "b", "access_key_file": key, "secret_key_file": key}
    with agent(store, offsite, {"name": "nas", "directory": nas}) as there:
        finished = there.run("backup")

        assert (finished.run.outcome, finished.run.reason) == (Outcome.FAILED, "upload")
        assert str(key) in finished.run.summary
        samples = there.samples()
        assert value(samples, "backups", destination="local", state="verified") == 1
        assert value(samples, "backups", destination="nas", state="verified") == 1
        assert value(samples, "backups", destination="offsite", state="verified") is None


def test_what_a_destination_held_is_remembered_while_it_is_gone_and_forgotten_with_its_configuration(store, nas):
    place = {"name": "nas", "directory": nas}
    with agent(store, place) as there:
        there.run("backup")
        nas.rename(nas.with_name("away"))
        there.run("backup")
        assert remembered(there) == {"nas": 1}
        nas.with_name("away").rename(nas)
        there.run("backup")
        assert remembered(there) == {"nas": 2}
    with agent(store) as there:
        assert remembered(there) == {"nas": 2}
        there.run("backup")
        assert remembered(there) == {}


def test_nothing_is_asked_of_a_destination_after_a_stop(store, nas, tmp_path):
    stopping = threading.Event()
    key = tmp_path / "key"
    key.write_text("word")
    with silent() as url:
        offsite = {"name": "offsite", "bucket": "b", "endpoint": url, "access_key_file": key, "secret_key_file": key}
        with agent(store, {"name": "nas", "directory": nas}, offsite) as there:
            began_s = time.monotonic()
            finished = there.workshop.runner.run(
                there.workshop.task("backup"),
                is_stopping=stopping.is_set,
                progress=lambda what, _done, _all: stopping.set() if what == "to offsite" else None,
            )
            took_s = time.monotonic() - began_s

            assert finished.run.outcome is Outcome.INTERRUPTED
            assert took_s < 5
            assert remembered(there) == {"nas": 1}
