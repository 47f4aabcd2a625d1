"""``retention simulate``: the rules at work on a calendar."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from hyperjobs.cli.retention import retention_group
from hyperjobs.cli.setting import Setting
from hyperjobs.errors import ConfigError
from hyperjobs.testing import START, FakeClock


def simulate(*words):
    result = CliRunner().invoke(retention_group, ["simulate", *words], obj=Setting(clock=FakeClock(START)))
    return result.exception or result.stdout.splitlines()


def test_it_ends_with_what_is_there_newest_first_and_why():
    lines = simulate("--days", "10", "--keep-last", "1", "--keep-daily", "3")

    assert lines == [
        "2026-01-30T10:00:00Z\tlast,daily",
        "2026-01-29T10:00:00Z\tdaily",
        "2026-01-28T10:00:00Z\tdaily",
    ]


def test_day_by_day_it_says_how_many_and_what_went():
    days = [json.loads(line) for line in simulate("--days", "4", "--keep-last", "2", "--daily", "--json")]

    assert [day["backups"] for day in days] == [1, 2, 2, 2]
    assert days[2]["deleted"] == ["2026-01-21T10:00:00Z"]
    assert days[3]["oldest"] == "2026-01-23T10:00:00Z"


@pytest.mark.parametrize(("a_day", "count"), [("1", 5), ("4", 20)])
def test_several_a_day_can_be_taken(a_day, count):
    assert len(simulate("--days", "5", "--a-day", a_day, "--keep-last", "100")) == count


def test_the_default_policy_keeps_fourteen_or_so_of_four_hundred_days():
    assert 13 <= len(simulate("--days", "400")) <= 17


def test_a_policy_that_keeps_nothing_is_refused():
    assert isinstance(simulate("--keep-daily", "0"), ConfigError)
