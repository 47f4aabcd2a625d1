"""Whatever the bytes, the answer is a configuration or a ``ConfigError``."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperjobs.config import Config, document, load_config
from hyperjobs.errors import ConfigError

SEED = (Path(__file__).parents[2] / "config" / "example.yaml").read_bytes()
COMPACT = b"""store: {path: /x.db, create: false, busy_timeout: 5s, ledger: scan, history: 1d2h}
web:
  listen: ["127.0.0.1:10985", '[::1]:0']
log: {level: info, format: json}
metrics:
  max_providers: 50
  providers: [a, "b c"]
  duration_buckets: [60, 300.5]
"""
TOKENS = [
    *(b"\t", b"\n", b"\r", b"  ", b"- ", b": ", b"? ", b"[", b"]", b"{", b"}", b",", b"&a ", b"*a", b"!!int ", b"!x"),
    *(b"|", b">", b"'", b'"', b"#", b"%YAML 1.1\n", b"---\n", b"...\n", b"<<", b"@", b"`", b"\\", b"\\u0000", b"~"),
    *(
        b"null",
        b"true",
        b"2:30",
        b".nan",
        b"0x1",
        b"1e999",
        b"-1",
        b"9" * 400,
        b"\xff",
        b"\x00",
        b"\xc2\x85",
        b"\xef\xbb\xbf",
    ),
    *(b"store:", b"log:", b"metrics:\n  ", b"[" * 40, b"\xf0\x9f\x98\x80", b"://u:p@h", b"2026-01-01", b"\xe2\x80\xa8"),
]


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz") / "hyperjobs.yaml"


def check(target, data):
    """Load the bytes; anything but the two allowed answers fails, with the bytes shown."""
    target.write_bytes(data)
    try:
        config = load_config(target, environ={})
    except ConfigError as exc:
        lines = str(exc).splitlines()
        assert lines, data
        assert all(line.isprintable() for line in lines), data
        return False
    except Exception as exc:
        raise AssertionError(data) from exc
    assert isinstance(config, Config)
    return True


def mutate(chance, data):
    """One to four edits: a token put in, a stretch cut, doubled or moved, a byte changed."""
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data) + 1)
        end = min(len(data), at + chance.randint(1, 40))
        data = chance.choice(
            (
                data[:at] + chance.choice(TOKENS) + data[at:],
                data[:at] + data[end:],
                data[:end] + data[at:],
                data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :],
                data[end:] + data[at:end] + data[:at],
            )
        )
    return data


@given(data=st.binary(max_size=300) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_a_configuration_or_a_config_error(target, data):
    check(target, data)


@given(parts=st.lists(st.sampled_from([*TOKENS, *COMPACT.splitlines(keepends=True)]), max_size=30))
def test_any_heap_of_yaml_is_a_configuration_or_a_config_error(target, parts):
    check(target, b"".join(parts))


@given(value=st.text(max_size=60), name=st.sampled_from(["STORE__PATH", "WEB__LISTEN", "STORE__HISTORY", "LOG__LEVEL"]))
def test_any_variable_is_a_configuration_or_a_config_error(value, name):
    try:
        load_config(environ={f"HYPERJOBS_{name}": value}, overrides={"metrics.max_providers": "5"})
    except ConfigError as exc:
        assert str(exc).isprintable()  # noqa: PT017 - either answer is right


def test_mutated_files_are_a_configuration_or_a_config_error(target):
    chance = random.Random(36)  # noqa: S311 - repeatable on purpose

    outcomes = {check(target, mutate(chance, chance.choice((COMPACT, SEED)))) for _ in range(1_000)}

    assert outcomes == {True, False}


@pytest.mark.long
@pytest.mark.parametrize("seed", range(4))
def test_a_million_mutated_files_are_a_configuration_or_a_config_error(target, seed):
    chance = random.Random(seed)  # noqa: S311 - repeatable on purpose

    for _ in range(250_000):
        check(target, mutate(chance, COMPACT))


@pytest.mark.parametrize("data", [COMPACT, SEED], ids=["compact", "example"])
def test_the_seeds_are_right_themselves(target, data):
    assert check(target, data)


@given(data=st.binary(max_size=200))
def test_the_parser_itself_raises_nothing_else(data):
    try:
        document.parse(data)
    except document.DocumentError as exc:
        assert exc.line is None or 1 <= exc.line <= data.count(b"\n") + data.count(b"\r") + 2  # noqa: PT017 - as above
