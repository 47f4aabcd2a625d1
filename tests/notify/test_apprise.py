"""Everything else, through apprise: to real receivers, and without a word about their addresses."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from hyperjobs.errors import ConfigError
from hyperjobs.notify.apprise import Apprise
from hyperjobs.notify.channel import NotSentError, Words
from hyperjobs.secret import Secret
from support.processes import free_port
from support.receivers import http_receiver

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the library's own


def channel(*urls):
    return Apprise(urls=tuple(map(Secret, urls)), source=Path("/etc/hyperjobs/urls"), words=Words(host="db1"))


def test_every_address_gets_the_message(failure):
    with http_receiver() as one, http_receiver() as other:
        addresses = [receiver.url.replace("http://", "json://") for receiver in (one, other)]
        channel(*addresses).send(failure, timeout_s=5)

        for receiver in (one, other):
            told = receiver.requests[0].json()
            assert (told["title"], told["type"]) == ("hyperjobs on db1: backup failed", "failure")


def test_an_address_that_does_not_take_it_is_a_failure_without_a_secret(failure, caplog):
    caplog.set_level(logging.DEBUG)
    there = channel(f"json://user:canary-pass@localhost:{free_port()}/canary-path")

    with pytest.raises(NotSentError) as said:
        there.send(failure, timeout_s=5)

    assert not said.value.is_final
    assert "canary" not in caplog.text + str(said.value) + repr(there)


def test_an_address_that_apprise_does_not_know_is_named_by_its_number():
    with pytest.raises(ConfigError, match=r"^/etc/hyperjobs/urls: address 2 is none") as said:
        channel("json://localhost", "canary://x")

    assert "canary" not in str(said.value)
