"""``top failures``: errors of one kind together, with how many and since when."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import apsw
import pytest

from hyperjobs.store import failures
from hyperjobs.store.connection import Connection

ERRORS = (
    ("f-1", "vsphere", "connect vcenter-1.example.net:443: connection refused", "2026-09-09 10:00:00+00:00"),
    ("f-2", "vsphere", "connect vcenter-22.example.net:443: connection refused", "2026-09-10 11:00:00+09:00"),
    ("f-3", "aws", "connect vcenter-3.example.net:443: connection refused", "2026-09-08 10:00:00+00:00"),
    ("f-4", "aws", "write /exports/a/disk-0.vmdk: no space left on device", "2026-09-09 12:00:00+00:00"),
    ("f-5", "aws", "", "2026-07-01 12:00:00+00:00"),
)


@pytest.fixture
def hj(empty):
    db = apsw.Connection(str(empty.store))
    db.executemany(
        "INSERT INTO jobs VALUES(?1,'n','vm','/vm',?2,'/out','failed','2026-06-01 00:00:00+00:00',"
        "'2026-06-01 00:00:00+00:00',?4,0,?3,'null','',0,0)",
        ERRORS,
    )
    db.execute("INSERT INTO jobs SELECT 'ok',name,vm_name,vm_path,provider,output_dir,'completed',created_at,started_at,"
        "completed_at,100,error,metadata,user,0,0 FROM jobs WHERE id='f-1'")  # fmt: skip
    db.close()
    return empty


def shapes(result):
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_errors_of_one_kind_are_one_line_with_share_times_and_the_newest_as_example(hj):
    first, second = shapes(hj.invoke("top", "failures", "--json"))

    assert first == {
        "kind": "connect <host>: connection refused",
        "provider": None,
        "jobs": 3,
        "share": 75.0,
        "first_at": "2026-09-08T10:00:00.000000Z",
        "last_at": "2026-09-10T02:00:00.000000Z",
        "example_id": "f-2",
        "example": ERRORS[1][2],
    }
    assert (second["kind"], second["jobs"], second["share"]) == ("write <path>: no space left on device", 1, 25.0)


def test_by_provider_there_is_a_line_for_each_and_one_can_be_asked_for(hj):
    found = shapes(hj.invoke("top", "failures", "--by", "provider", "--json"))

    assert [(each["provider"], each["jobs"]) for each in found] == [("vsphere", 2), ("aws", 1), ("aws", 1)]
    only = shapes(hj.invoke("top", "failures", "--provider", "aws", "--json"))
    assert sum(each["jobs"] for each in only) == 2


def test_the_period_is_by_when_jobs_failed_and_its_end_does_not_belong_to_it(hj):
    def count(*words):
        return sum(each["jobs"] for each in shapes(hj.invoke("top", "failures", "--json", "--utc", *words)))

    assert count() == 4
    assert count("--since", "2026-07-01T12:00") == 5
    assert count("--since", "2026-07-01T12:00:01") == 4
    assert count("--until", "2026-09-10T02:00") == 3
    assert count("--until", "2026-09-10T02:00:01") == 4
    assert hj.invoke("top", "failures", "--since", "1d", "--until", "2d").exit_code == 2


def test_a_pipe_gets_values_and_a_person_a_table(hj):
    piped = hj.invoke("top", "failures", "--limit", "1").stdout.rstrip("\n").split("\t")
    _, table = hj.on_terminal("top", "failures", "--since", "2020-01-01", env={"NO_COLOR": "1"})

    assert piped[:2] == ["3", "75.00"]
    assert piped[5] == "connect <host>: connection refused"
    assert "(no error said)" in table
    assert re.sub(r"\x1b\[[0-9;]*m", "", table).splitlines()[0].split() == [
        "JOBS",
        "SHARE",
        "KIND",
        "FIRST",
        "LAST",
        "EXAMPLE",
    ]


def test_that_nothing_failed_is_said_to_a_person_alone(hj):
    code, said = hj.on_terminal("top", "failures", "--since", "1h")

    assert (code, said.strip()) == (0, "no job failed in that time")
    assert hj.run("top", "failures", "--since", "1h").stdout == ""


def test_more_jobs_than_a_page_are_each_counted_once(hj, monkeypatch):
    monkeypatch.setattr(failures, "_PAGE_ROWS", 2)
    connection = Connection(hj.store, read_only=True)
    try:
        assert sum(group.jobs for group in failures.group_failures(connection)) == len(ERRORS)
    finally:
        connection.close()


def test_rows_that_no_client_writes_break_nothing(bad_rows):
    db = apsw.Connection(str(bad_rows.store))
    db.execute("UPDATE jobs SET status='failed', error=CAST(x'fffe' AS TEXT), completed_at='nonsense' WHERE id='bad'")
    db.close()

    done = replace(bad_rows).run("top", "failures", "--since", "2020-01-01", "--json")

    assert (done.returncode, done.stderr) == (0, "")


def test_failed_jobs_by_kind_are_as_top_has_them_when_they_are_the_same_jobs(hj):
    both = [
        shapes(hj.invoke("top", "failures", "--since", "1000d", "--json")),
        shapes(hj.invoke("failed", "--group", "--json")),
    ]

    assert both[0] == both[1]
    assert [each["jobs"] for each in both[1]] == [3, 1, 1]
    assert both[1][0]["example_id"] == "f-2"


def test_failed_jobs_by_kind_are_those_that_every_filter_of_failed_lets_through(hj):
    hj.sql("UPDATE jobs SET user='bob', vm_name='db-01', created_at='2026-06-02 00:00:00+00:00' WHERE id='f-3'")

    def kinds(*words):
        return [(each["kind"], each["jobs"]) for each in shapes(hj.invoke("failed", "--group", "--json", *words))]

    refused, full, silent = "connect <host>: connection refused", "write <path>: no space left on device", ""
    assert kinds("--provider", "aws") == [(silent, 1), (refused, 1), (full, 1)]
    for words in (("--user", "bob"), ("--vm", "db-01"), ("--text", "vcenter-3"), ("--since", "2026-06-01T12:00")):
        assert kinds(*words) == [(refused, 1)]
    assert kinds("--until", "2026-06-01T12:00") == [(refused, 2), (silent, 1), (full, 1)]
    assert kinds("--limit", "1") == [(refused, 3)]
    assert kinds("--limit", "all") == kinds()


@pytest.mark.parametrize("words", [("--offset", "1"), ("--after", "2026-06-01T00:00:00.000000Z,f-1")])
def test_a_page_of_kinds_makes_no_sense(hj, words):
    assert hj.invoke("failed", "--group", *words).exit_code == 2


def test_kinds_of_a_store_in_which_nothing_failed_are_none(empty):
    assert shapes(empty.invoke("failed", "--group", "--json")) == []
