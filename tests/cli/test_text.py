from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperjobs.cli.text import field, json_line, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("データ 192", "データ 192"),
        ("ideographic\u3000space", "ideographic\u3000space"),
        ("a\nb\tc\rd", r"a\nb\tc\rd"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x9b31m", r"\x9b31m"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("zero\u200bwidth", r"zero\u200bwidth"),
        ("\udcff", r"\udcff"),
        ("\U000e0001", r"\U000e0001"),
        ("C:\\vms", "C:\\vms"),
        ("", ""),
    ],
)
def test_printable_escapes_what_could_drive_a_terminal_and_nothing_else(text, shown):
    assert printable(text) == shown


@given(st.text())
def test_printable_text_has_no_control_and_is_one_line(text):
    shown = printable(text)

    assert all(char.isprintable() or char == "\u3000" for char in shown)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_a_field_can_be_undone(text):
    raw = field(text).encode("latin-1", "backslashreplace").decode("unicode_escape")

    assert raw == text


@given(st.text(), st.text())
def test_two_texts_never_have_the_same_field(one, other):
    assert (field(one) == field(other)) == (one == other)


@given(st.dictionaries(st.text(), st.text() | st.floats() | st.none() | st.lists(st.text())))
def test_a_json_line_is_printable_ascii_and_valid(value):
    line = json_line(value)

    assert line.isascii()
    assert line.isprintable()
    json.dumps(json.loads(line), allow_nan=False).encode()


def test_json_replaces_only_what_json_cannot_say():
    value = {"a": "\udcff", "b": float("nan"), "c": {"d": [float("inf"), 1.5]}, "e": "😀é\x7f"}

    assert json.loads(json_line(value)) == {"a": "\ufffd", "b": None, "c": {"d": [None, 1.5]}, "e": "😀é\x7f"}
