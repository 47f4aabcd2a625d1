"""The commands that read jobs, asked in this process with the clock at 2026-09-10 12:00 UTC."""

from __future__ import annotations

import json

import pytest

from hyperjobs.errors import JobNotFoundError


def ids(result):
    assert result.exception is None, result.exception
    return [line.split("\t")[0] for line in result.stdout.splitlines()]


def objects(result):
    assert result.exception is None, result.exception
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_list_is_newest_first_by_instant_not_by_text(hj):
    assert ids(hj.invoke("list")) == ["job-5", "job-4", "job-3", "job-2", "job-1"]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["--status", "failed"], ["job-3"]),
        (["--status", "failed,running"], ["job-4", "job-3"]),
        (["--status", "Failed", "--status", "pending"], ["job-5", "job-3"]),
        (["--provider", "hyperv"], ["job-2"]),
        (["--user", "bob"], ["job-4", "job-2"]),
        (["--vm", "app-07"], ["job-4"]),
        (["--text", "DISK FULL"], ["job-3"]),
        (["--text", "export job-1"], ["job-1"]),
        (["--since", "1d"], ["job-5", "job-4"]),
        (["--since", "2026-09-02T00:00Z", "--until", "2026-09-02T01:00:00Z"], ["job-2"]),
        (["--utc", "--since", "2026-09-02", "--until", "2026-09-03"], ["job-3", "job-2"]),
        (["--user", "bob", "--status", "running", "--provider", "vsphere"], ["job-4"]),
        (["--provider", "none"], []),
        (["--limit", "2"], ["job-5", "job-4"]),
        (["--limit", "2", "--offset", "3"], ["job-2", "job-1"]),
        (["--offset", "4"], ["job-1"]),
        (["--limit", "all"], ["job-5", "job-4", "job-3", "job-2", "job-1"]),
    ],
)
def test_list_shows_the_jobs_that_meet_every_condition(hj, words, found):
    assert ids(hj.invoke("list", *words)) == found


def test_a_cursor_leads_through_every_page(hj):
    seen, words = [], []
    while True:
        page = objects(hj.invoke("list", "--json", "--limit", "2", *words))
        if not page:
            break
        seen += [job["id"] for job in page]
        words = ["--after", page[-1]["cursor"]]

    assert seen == ["job-5", "job-4", "job-3", "job-2", "job-1"]


def test_a_list_cut_short_by_default_names_the_next_page(many):
    result = many.invoke("list")

    cursor = result.stderr.split("--after ")[1].strip()
    assert len(result.stdout.splitlines()) == 20
    assert ids(many.invoke("list", "--after", cursor)) == [f"job-{n:03}" for n in (4, 3, 2, 1, 0)]


def test_a_list_cut_short_on_request_says_nothing_to_a_program(many):
    assert many.invoke("list", "--limit", "3").stderr == ""


def test_a_list_that_just_fits_names_no_next_page(many):
    assert many.invoke("list", "--offset", "5").stderr == ""
    assert "--after" in many.invoke("list", "--offset", "4").stderr


def test_the_values_of_a_list_are_its_documented_columns(hj):
    line = hj.invoke("list", "--vm", "db-01").stdout

    assert line == (
        "job-2\tcompleted\tdb-01\thyperv\tbob\t2026-09-02T00:00:00.000000Z\t2026-09-01T10:01:00.000000Z\t"
        "2026-09-01T10:31:00.000000Z\t100\tExport job-2\n"
    )


def test_running_shows_only_running_jobs_with_their_progress(hj):
    assert hj.invoke("running").stdout == "job-4\tapp-07\t45.5\tvsphere\tbob\t2026-09-10T11:30:00.000000Z\n"


def test_failed_shows_only_failed_jobs_with_their_error(hj):
    assert hj.invoke("failed").stdout == (
        "job-3\tweb-01\tdisk full on host\tvsphere\talice\t2026-09-02T01:10:00.000000Z\n"
    )


def test_failed_shows_the_newest_ten(many_failed):
    assert ids(many_failed.invoke("failed")) == [f"job-{n:03}" for n in range(14, 4, -1)]


def test_running_shows_all_of_them(many_running):
    assert len(ids(many_running.invoke("running"))) == 25


def test_a_job_in_json_is_its_row(hj):
    [job] = objects(hj.invoke("show", "job-1", "--json"))

    assert job == {
        "id": "job-1",
        "name": "Export job-1",
        "vm_name": "web-01",
        "vm_path": "/dc/vm/web-01",
        "provider": "vsphere",
        "output_dir": "/exports/web-01",
        "status": "completed",
        "created_at": "2026-09-01T10:00:00.000000Z",
        "started_at": "2026-09-01T10:01:00.000000Z",
        "completed_at": "2026-09-01T10:31:00.000000Z",
        "progress": 100.0,
        "error": "",
        "metadata": {"format": "ova", "compress": True},
        "user": "alice",
        "total_size": 1024,
        "files_count": 2,
        "flags": [],
        "cursor": "2026-09-01T10:00:00.000000Z/job-1",
    }


def test_a_list_in_json_has_the_same_objects_as_show(hj):
    listed = {job["id"]: job for job in objects(hj.invoke("list", "--json"))}

    for job_id, job in listed.items():
        assert objects(hj.invoke("show", job_id, "--json")) == [job]


def test_show_gives_a_program_one_field_a_line(hj):
    fields = dict(line.split("\t") for line in hj.invoke("show", "job-1").stdout.splitlines())

    assert fields["id"] == "job-1"
    assert json.loads(fields["metadata"]) == {"format": "ova", "compress": True}
    assert fields["flags"] == ""


def test_show_of_no_job_is_an_error_with_its_id(hj):
    error = hj.invoke("show", "nobody").exception

    assert isinstance(error, JobNotFoundError)
    assert "nobody" in str(error)


def test_show_flags_a_badly_written_row(bad_rows):
    [job] = objects(bad_rows.invoke("show", "bad", "--json"))

    assert job["flags"]
    assert job["created_at"] is None


def test_a_badly_written_row_is_listed_with_the_others(bad_rows):
    assert sorted(ids(bad_rows.invoke("list"))) == ["bad", "good"]


def test_history_infers_the_life_of_a_job_where_no_ledger_watched(hj):
    events = objects(hj.invoke("history", "job-3", "--json"))

    assert events[0]["old"] is None
    assert events[-1] == {
        "job_id": "job-3",
        "at": "2026-09-02T01:10:00.000000Z",
        "old": "running",
        "new": "failed",
        "inferred": True,
    }


def test_history_gives_a_program_one_change_a_line(hj):
    last = hj.invoke("history", "job-3").stdout.splitlines()[-1]

    assert last == "2026-09-02T01:10:00.000000Z\trunning\tfailed\tinferred"


def test_history_of_no_job_is_an_error(hj):
    assert isinstance(hj.invoke("history", "nobody").exception, JobNotFoundError)


def test_stats_count_each_status(hj):
    [stats] = objects(hj.invoke("stats", "--json"))

    assert stats == {
        "group": None,
        "total": 5,
        "pending": 1,
        "running": 1,
        "completed": 2,
        "failed": 1,
        "cancelled": 0,
        "other": 0,
        "total_size": 2048,
        "success_rate": pytest.approx(66.667, abs=0.001),
    }


def test_stats_give_a_program_one_number_a_line(hj):
    lines = hj.invoke("stats").stdout.splitlines()

    assert lines[0] == "total\t5"
    assert lines[-1] == "success_rate\t66.67"


def test_stats_of_an_empty_store_are_zeros_and_no_rate(empty):
    [stats] = objects(empty.invoke("stats", "--json"))

    assert stats["total"] == 0
    assert stats["success_rate"] is None


@pytest.mark.parametrize(
    ("by", "groups"),
    [
        ("provider", {"vsphere": 4, "hyperv": 1}),
        ("user", {"alice": 3, "bob": 2}),
        ("day", {"2026-09-01": 1, "2026-09-02": 2, "2026-09-10": 2}),
    ],
)
def test_stats_go_by_group(hj, by, groups):
    found = objects(hj.invoke("stats", "--by", by, "--json"))

    assert {stats["group"]: stats["total"] for stats in found} == groups


@pytest.mark.parametrize(
    ("words", "total"), [(["--user", "bob"], 2), (["--vm", "web-01"], 3), (["--text", "disk"], 1), (["--user", "x"], 0)]
)
def test_stats_count_only_jobs_that_meet_the_conditions(hj, words, total):
    assert objects(hj.invoke("stats", "--json", *words))[0]["total"] == total


@pytest.mark.parametrize(
    ("words", "finished"),
    [
        (["--since", "2026-09-02T01:10Z"], {"failed": 1, "completed": 0}),
        (["--since", "2026-09-02T01:10:01Z"], {"failed": 0, "completed": 0}),
        (["--until", "2026-09-02T01:10Z"], {"failed": 0, "completed": 2}),
        (["--since", "2026-09-01T10:31Z", "--until", "2026-09-02T01:11Z"], {"failed": 1, "completed": 2}),
    ],
)
def test_stats_of_a_period_count_what_finished_in_it(hj, words, finished):
    [stats] = objects(hj.invoke("stats", "--json", *words))

    assert {status: stats[status] for status in finished} == finished
    assert stats["pending"] == stats["running"] == 0


def test_stats_of_a_period_by_user_group_what_finished(hj):
    found = objects(hj.invoke("stats", "--json", "--by", "user", "--since", "2026-09-01"))

    assert {stats["group"]: stats["total"] for stats in found} == {"alice": 2, "bob": 1}
