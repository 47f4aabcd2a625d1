"""A secret has no text of its own, and is read from a file or a variable without a word of it in any error."""

from __future__ import annotations

import copy
import json
import os
import pickle
import traceback

import pytest

from hyperjobs.errors import ConfigError
from hyperjobs.secret import Secret, read_lines, read_secret, secret_of

CANARY = "canary-Jubjub"


def test_however_it_is_printed_three_stars_come_out():
    secret = Secret(CANARY)
    texts = [
        str(secret),
        repr(secret),
        f"{secret}",
        f"{secret:>5}",
        f"{secret!r}",
        repr([secret]),
        repr({secret: secret}),
    ]

    assert CANARY not in "".join(texts)
    assert all("***" in text for text in texts)
    assert secret.reveal() == CANARY


def test_it_cannot_be_stored_or_sent_by_accident():
    for store in (pickle.dumps, json.dumps, copy.copy):
        with pytest.raises(TypeError):
            store(Secret(CANARY))


def test_a_traceback_does_not_show_it():
    def fails(secret):
        raise ValueError(secret)

    try:
        fails(Secret(CANARY))
    except ValueError:
        assert CANARY not in traceback.format_exc()


def test_equal_secrets_are_equal_and_nothing_else_is():
    assert Secret("ä") == Secret("ä")
    assert hash(Secret("ä")) == hash(Secret("ä"))
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"


@pytest.mark.parametrize(("text", "value"), [("word\n", "word"), ("  two words \r\n", "two words"), ("pä$$", "pä$$")])
def test_what_a_file_holds_is_read_without_the_space_around_it(tmp_path, text, value):
    (tmp_path / "secret").write_text(text)

    assert read_secret(tmp_path / "secret", "a word").reveal() == value
    assert secret_of({"NAME": text}, "NAME", "a word").reveal() == value


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" \n",
        f"{CANARY}\n{CANARY}".encode(),
        f"{CANARY}\0".encode(),
        f"{CANARY}\xff".encode("latin-1"),
        CANARY.encode() * 1000,
    ],
)
def test_what_is_no_secret_is_refused_and_not_shown(tmp_path, data):
    (tmp_path / "secret").write_bytes(data)

    with pytest.raises(ConfigError, match=r"hold the token") as said:
        read_secret(tmp_path / "secret", "the token")

    assert CANARY not in str(said.value)
    assert str(said.value).startswith(str(tmp_path / "secret"))


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")

    for path in (tmp_path, tmp_path / "pipe", tmp_path / "missing"):
        with pytest.raises(ConfigError, match=r"hold the token"):
            read_secret(path, "the token")


def test_lines_are_read_without_comments(tmp_path):
    (tmp_path / "lines").write_text(f"# first\n\n a \n{CANARY}\n")
    assert [line.reveal() for line in read_lines(tmp_path / "lines", "addresses")] == ["a", CANARY]

    (tmp_path / "lines").write_text("# none\n")
    with pytest.raises(ConfigError, match="is empty"):
        read_lines(tmp_path / "lines", "addresses")


def test_a_variable_that_is_not_set_is_named():
    with pytest.raises(ConfigError, match=r"^NAME: there is no such variable"):
        secret_of({}, "NAME", "a word")
