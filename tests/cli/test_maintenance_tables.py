"""The lists of maintenance are tables with a heading for a person; a pipe gets the same rows as values."""

from __future__ import annotations

import re

import pytest

ANSI = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def hj(hj):
    return hj.in_its_place(
        HYPERJOBS_MAINTENANCE__RESERVE="0",
        HYPERJOBS_MAINTENANCE__PRUNE__RETENTION__COMPLETED="1h",
        HYPERJOBS_MAINTENANCE__PRUNE__MAX_SHARE="100%",
    )


@pytest.fixture
def worked(hj):
    """A store with one backup, one prune and one pause."""
    for words in (("backup", "create"), ("prune", "--yes", "--trust-clock"), ("pause", "--for", "1h", "--reason", "x")):
        assert hj.run(*words).returncode == 0
    return hj


def table(hj, *words, **options):
    code, text = hj.on_terminal(*words, **options)
    assert code == 0, text
    return ANSI.sub("", text).splitlines()


LISTS = (
    (("backup", "list"), "BACKUP AGE STATE JOBS SIZE PINNED", 0),
    (("backup", "list", "--reasons"), "BACKUP AGE STATE JOBS SIZE PINNED KEPT BY", 0),
    (("backup", "prune", "--dry-run"), "ACTION BACKUP AGE WHY", 0),
    (("runs",), "STARTED AGE TASK OUTCOME REASON BY SUMMARY", None),
    (("prune", "list"), "RUN STATE JOBS SIZE AGE OLDEST (UTC) NEWEST (UTC)", 0),
    (("schedule",), "TASK NEXT UTC IN SCHEDULE", 0),
    (("retention", "simulate", "--days", "9"), "TAKEN (UTC) IN WHY", None),
    (("retention", "simulate", "--days", "9", "--daily"), "DAY (UTC) BACKUPS OLDEST DELETED", None),
)


def test_a_terminal_gets_headings_and_a_pipe_the_same_rows_without(worked):
    for words, headings, column in LISTS:
        lines = table(worked, *words, width=170)
        values = worked.run(*words).stdout.splitlines()

        assert lines[0].split() == headings.split()
        assert len(lines) == len(values) + 1 > 1
        assert all("\t" in value for value in values)
        if column is not None:
            assert [line.split()[column] for line in lines[1:]] == [value.split("\t")[column] for value in values]


def test_a_narrow_terminal_keeps_the_name_whole_and_leaves_columns_out(worked):
    lines = table(worked, "backup", "list", width=60)

    assert lines[0].split()[:3] == ["BACKUP", "AGE", "STATE"]
    assert "PINNED" not in lines[0]
    assert lines[1].split()[0].endswith("-0001.db.zst")


def test_an_empty_list_is_a_word_for_a_person_and_nothing_for_a_program(hj):
    for words, said in (
        (("runs",), "no runs yet"),
        (("backup", "list"), "no backups"),
        (("prune", "list"), "no archives"),
    ):
        assert table(hj, *words) == [said]
        assert hj.run(*words).stdout == ""
