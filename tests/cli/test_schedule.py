"""What ``hyperjobs schedule`` and ``schedule preview`` write."""

from __future__ import annotations

import json
import sys
from datetime import UTC, date, datetime, timedelta
from types import ModuleType
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner

from hyperjobs.cli import preview as preview_module
from hyperjobs.cli.preview import preview, show_preview
from hyperjobs.cli.schedule import schedule_group, show_planned
from hyperjobs.cli.selection import View
from hyperjobs.cli.setting import Setting
from hyperjobs.cron.every import Every
from hyperjobs.cron.expression import parse_schedule
from hyperjobs.cron.window import parse_window
from hyperjobs.maintenance.plan import upcoming
from hyperjobs.maintenance.timetable import TimetableEntry

NOW = datetime(2026, 10, 24, 12, 0, tzinfo=UTC)


def entry(task, schedule, zone="Europe/Berlin", **options):
    return TimetableEntry(task=task, schedule=schedule, zone=ZoneInfo(zone), **options)


ENTRIES = [
    entry("backup", parse_schedule("30 2 * * *", "Europe/Berlin"), jitter=timedelta(0)),
    entry("vacuum", parse_schedule("0 13 * * sun", "UTC"), "UTC", window=parse_window("02:00-05:00")),
    entry("checkpoint", Every(timedelta(minutes=5)), "UTC"),
]


def view(*, as_json=False, as_table=False):
    return View(as_json=as_json, as_table=as_table, utc=False, now=NOW)


def run(*words):
    return CliRunner().invoke(schedule_group, words, obj=Setting(clock=Clock()))


class Clock:
    def now(self):
        return NOW

    def monotonic(self):
        return 0.0


def test_the_schedule_shows_what_comes_next_in_local_time_and_utc_with_its_reason(capsys):
    show_planned(upcoming(ENTRIES, NOW, 1), view())

    assert capsys.readouterr().out.splitlines() == [
        "checkpoint\t2026-10-24T12:05:00+00:00\t2026-10-24T12:05:00.000000Z\tevery 5m",
        "backup\t2026-10-25T02:30:00+02:00\t2026-10-25T00:30:00.000000Z\t30 2 * * * Europe/Berlin",
        # its slot is on Sunday at 13:00, when the window is closed
        "vacuum\t2026-10-26T02:00:00+00:00\t2026-10-26T02:00:00.000000Z\t0 13 * * sun UTC, within 02:00-05:00",
    ]


def test_the_schedule_as_json_names_the_slot_and_when_it_starts(capsys):
    show_planned(upcoming(ENTRIES, NOW, 1), view(as_json=True))

    shapes = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert shapes[2] == {
        "task": "vacuum",
        "starts_at": "2026-10-26T02:00:00.000000Z",
        "local": "2026-10-26T02:00:00+00:00",
        "zone": "UTC",
        "slot": "2026-10-25T13:00 UTC",
        "schedule": "0 13 * * sun UTC",
        "jitter_seconds": 0.0,
        "window": "02:00-05:00",
    }


def test_a_person_sees_a_table_with_how_long_it_is_until_then(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    show_planned(upcoming(ENTRIES, NOW, 1), view(as_table=True))

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["TASK", "NEXT", "UTC", "IN", "SCHEDULE"]
    assert lines[2].split() == [
        *("backup", "2026-10-25", "02:30", "Europe/Berlin", "2026-10-25", "00:30", "12h"),
        *("30", "2", "*", "*", "*", "Europe/Berlin"),
    ]


def test_a_preview_says_what_the_clocks_do_to_a_slot(capsys):
    found = [each for entry in ENTRIES[:1] for each in preview(entry, date(2026, 10, 24), 3)]
    found += preview(ENTRIES[0], date(2027, 3, 28), 1)

    show_preview(found, view())

    assert capsys.readouterr().out.splitlines() == [
        "backup\t2026-10-24T02:30:00+02:00\t2026-10-24T00:30:00.000000Z\t",
        "backup\t2026-10-25T02:30:00+02:00\t2026-10-25T00:30:00.000000Z\t02:30 twice: runs the first",
        "backup\t2026-10-26T02:30:00+01:00\t2026-10-26T01:30:00.000000Z\t",
        "backup\t2027-03-28T03:00:00+02:00\t2027-03-28T01:00:00.000000Z\tno 02:30: runs after the gap",
    ]


def test_a_preview_of_nothing_is_empty_also_for_a_person(capsys):
    show_preview([], view(as_table=True))

    assert "LOCAL" in capsys.readouterr().out


def test_an_interval_has_every_slot_of_the_days_asked_for():
    found = list(preview(ENTRIES[2], date(2026, 10, 24), 1))

    assert (found[0].slot.nominal, found[-1].slot.nominal, len(found)) == (
        "2026-10-24T00:00Z",
        "2026-10-24T23:55Z",
        288,
    )


def test_an_expression_can_be_tried_without_a_configuration():
    result = run(
        "preview", "--cron", "*/30 2 * * *", "--tz", "Europe/Berlin", "--from", "2026-03-28", "--days", "2", "--json"
    )

    assert result.exit_code == 0, result.output
    shapes = [json.loads(line) for line in result.output.splitlines()]
    assert [(shape["slot"], shape["at"], shape["shift"]) for shape in shapes] == [
        ("2026-03-28T02:00 Europe/Berlin", "2026-03-28T01:00:00.000000Z", None),
        ("2026-03-28T02:30 Europe/Berlin", "2026-03-28T01:30:00.000000Z", None),
        ("2026-03-29T02:00 Europe/Berlin", "2026-03-29T01:00:00.000000Z", "gap"),
        ("2026-03-29T02:30 Europe/Berlin", "2026-03-29T01:00:00.000000Z", "gap"),
    ]


def test_a_preview_begins_today_where_the_schedule_is():
    # in Auckland it is the 25th already
    result = run("preview", "--cron", "@daily", "--tz", "Pacific/Auckland", "--days", "1", "--json")

    assert json.loads(result.output)["slot"] == "2026-10-25T00:00 Pacific/Auckland"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--cron", "* * * *"], "'* * * *' has 4 fields; write"),
        (["--cron", "0 2 31 2 *"], "never comes"),
        (["--cron", "@daily", "--tz", "Berlin"], "did you mean 'Europe/Berlin'?"),
        (["--cron", "@daily", "--task", "backup"], "do not go together"),
        (["--cron", "@daily", "--from", "yesterday"], "is not a date; write it as 2026-10-24"),
        (["--cron", "@daily", "--from", "0001-01-01"], "is not between 1900-01-01 and 9000-01-01"),
        (["--cron", "@daily", "--days", "0"], "is not a whole number from 1"),
    ],
)
def test_what_cannot_be_previewed_is_a_usage_error(words, said):
    result = run("preview", *words)

    assert result.exit_code == 2
    assert said in result.output


def test_a_preview_of_the_configuration_leaves_out_what_runs_every_few_minutes_unless_it_is_named():
    everything = preview_module._chosen(ENTRIES, None, None)
    one = preview_module._chosen(ENTRIES, "checkpoint", None)

    assert [each.task for each in everything] == ["backup", "vacuum"]
    assert [each.task for each in one] == ["checkpoint"]


def test_a_preview_in_another_zone_reads_the_expression_there():
    [backup] = preview_module._chosen(ENTRIES, "backup", "Asia/Tokyo")

    assert [each.slot.nominal for each in preview(backup, date(2026, 10, 24), 1)] == ["2026-10-24T02:30 Asia/Tokyo"]


def test_a_task_that_has_no_schedule_is_refused_with_the_nearest():
    with pytest.raises(Exception, match="no task 'bakup' has a schedule; did you mean 'backup'"):
        preview_module._chosen(ENTRIES, "bakup", None)


@pytest.fixture
def configured(monkeypatch, tmp_path):
    """The commands find these tasks in the configuration."""
    monkeypatch.setenv("HOME", str(tmp_path))
    timetable = ModuleType("hyperjobs.agent.timetable")
    timetable.entries = lambda config: [each for each in ENTRIES if config.store.busy_timeout]
    monkeypatch.setitem(sys.modules, timetable.__name__, timetable)


@pytest.mark.usefixtures("configured")
def test_the_commands_read_the_configuration():
    assert [json.loads(line)["task"] for line in run("--json").output.splitlines()] == [
        "checkpoint",
        "backup",
        "vacuum",
    ]
    assert len(run("preview", "--days", "3").output.splitlines()) == 4  # three backups and a Sunday's vacuum
    assert "no task 'bakup'" in run("preview", "--task", "bakup").output
