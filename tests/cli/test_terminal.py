"""What a person sees: the same program on a terminal of its own."""

from __future__ import annotations

import json
import re

import pytest
from rich.cells import cell_len

ANSI = re.compile(r"\x1b\[[0-9;]*m")


def plain(text):
    return ANSI.sub("", text)


def test_a_terminal_gets_a_table_and_a_pipe_gets_values(hj):
    code, table = hj.on_terminal("list")

    assert code == 0
    assert plain(table).splitlines()[0].split() == ["ID", "STATUS", "VM", "PROVIDER", "USER", "CREATED", "AGE"]
    assert [line.split()[0] for line in plain(table).splitlines()[1:]] == [
        line.split("\t")[0] for line in hj.run("list").stdout.splitlines()
    ]


def test_a_status_has_its_colour(hj):
    _, table = hj.on_terminal("list")

    assert re.search(r"\x1b\[[0-9;]*31m\s*failed", table)
    assert re.search(r"\x1b\[[0-9;]*32m\s*completed", table)


def test_a_pipe_gets_no_escapes(hj):
    for words in (["list"], ["show", "job-1"], ["stats"], ["stats", "--by", "user"], ["history", "job-3"]):
        assert "\x1b" not in hj.run(*words).stdout


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colours_can_be_turned_off(hj, env):
    for words in (["list"], ["show", "job-3"], ["stats"]):
        _, table = hj.on_terminal(*words, env=env)

        assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", table)


def test_json_is_the_same_on_a_terminal(hj):
    _, written = hj.on_terminal("list", "--json")

    assert written == hj.run("list", "--json").stdout


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120, 200])
def test_a_table_is_never_wider_than_the_terminal(hj, width):
    for words in (["list"], ["running"], ["failed"], ["stats", "--by", "day"], ["show", "job-3"]):
        _, table = hj.on_terminal(*words, width=width)

        assert max(cell_len(line) for line in plain(table).splitlines()) <= width


def test_a_narrow_terminal_loses_columns_and_never_the_id(hj):
    _, table = hj.on_terminal("list", width=50)

    assert "USER" not in table
    assert "job-5" in table


def test_a_long_error_is_cut_before_an_id_is(long_errors):
    _, table = long_errors.on_terminal("failed", width=80)

    assert "migration-20261122-01506" in table
    assert "…" in table


def test_times_are_in_the_readers_zone(hj):
    _, local = hj.on_terminal("list", "--status", "running", env={"TZ": "Asia/Kolkata"})
    _, utc = hj.on_terminal("list", "--status", "running", "--utc", env={"TZ": "Asia/Kolkata"})

    assert "2026-09-10 16:30" in local
    assert "2026-09-10 11:00" in utc


@pytest.mark.parametrize("words", [["list"], ["failed"], ["show", "evil\x1b[31m"], ["stats", "--by", "provider"]])
def test_a_jobs_texts_cannot_drive_the_terminal(hostile, words):
    _, table = hostile.on_terminal(*words)

    left = plain(table)
    assert not any(char in left for char in "\x1b\x9b\x07\u202e\r")
    assert "\x1b]" not in table
    assert "\x1b[2J" not in table


@pytest.mark.parametrize("words", [["list"], ["failed"], ["list", "--json"], ["stats", "--by", "provider"]])
def test_a_jobs_texts_cannot_add_lines_to_a_pipe(hostile, words):
    result = hostile.run(*words)

    assert len(result.stdout.splitlines()) == 2
    assert not any(char in result.stdout for char in "\x1b\x9b\x07\u202e\r")


def test_markup_in_a_text_is_only_text(hostile):
    _, card = hostile.on_terminal("show", "evil\x1b[31m")

    assert "[bold red]root[/]" in plain(card)


def test_an_error_message_cannot_drive_the_terminal(hj):
    result = hj.run("show", "\x1b[31mnobody\n2")

    assert result.stderr.count("\n") == 1
    assert "\x1b" not in result.stderr


def test_wide_characters_keep_the_columns_aligned(unicode_names):
    _, table = unicode_names.on_terminal("list", env={"NO_COLOR": "1"})

    lines = plain(table).splitlines()
    starts = {cell_len(line[: line.index("vsphere")]) for line in lines[1:]}
    assert len(starts) == 1
    assert any("データ" in line for line in lines)


def test_a_terminal_is_told_the_next_page(many):
    _, table = many.on_terminal("list", "--limit", "3")

    assert "--after" in table.splitlines()[-1]


def test_an_empty_list_says_so_to_a_person_and_nothing_to_a_program(empty):
    assert "no jobs" in empty.on_terminal("list")[1]
    assert empty.run("list").stdout == ""


def test_show_gives_a_person_everything(hj):
    _, card = hj.on_terminal("show", "job-1", "--utc")

    for text in (
        "job-1",
        "completed",
        "/dc/vm/web-01",
        "2026-09-01 10:31:00+00:00",
        "30m",
        "1.0 KiB",
        '"format": "ova"',
    ):
        assert text in plain(card)


def test_show_says_what_was_badly_written(bad_rows):
    _, card = bad_rows.on_terminal("show", "bad")

    assert "Badly written" in card
    assert json.loads(bad_rows.run("show", "bad", "--json").stdout)["flags"][0] in card


def test_stats_show_a_person_the_rate(hj):
    _, table = hj.on_terminal("stats")

    assert "66.7%" in table
