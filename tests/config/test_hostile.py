"""Bad configuration by hand: each mistake has its own words and the right line."""

import contextlib

import pytest
import yaml

from hyperjobs.config import document, load_config
from hyperjobs.errors import ConfigError

TABLE = [
    # the file as a whole
    ("empty", b"", ": is empty; remove the file to run with defaults"),
    ("only a comment", b"# nothing\n", ": is empty; remove the file"),
    ("only a document mark", b"---\n", ": is empty; remove the file"),
    ("list at the top", b"- store\n- web\n", ": must be a mapping of sections, such as `store:` (got [store, web])", 1),
    ("word at the top", b"\nstore\n", ": must be a mapping of sections, such as `store:` (got store)", 2),
    ("too large", b"#" * 262_145, ": is larger than 256 KiB"),
    ("ten megabytes", b"store: {}\n" * 1_000_000, ": is larger than 256 KiB"),
    ("program", b"\x7fELF\x02\x01\x01\x00\x00", ": holds the character U+007F", 1),
    ("zero bytes", b"store:\n  path: /x\x00y\n", ": holds the character U+0000", 2),
    ("escape character", b"store:\n\n  path: /x\x1b[2K\n", ": holds the character U+001B", 3),
    ("unicode line break", "store:\n  path: /x\u2028y\n".encode(), ": holds the character U+2028", 2),
    ("next line", "log:\n  level: info\u0085\n".encode(), ": holds the character U+0085", 2),
    ("latin-1", b"store:\n  path: /caf\xe9\n", ": is not UTF-8 text (byte 0xe9)", 2),
    ("utf-16", "store: {}\n".encode("utf-16"), ": is UTF-16; save it as UTF-8"),
    ("overlong utf-8", b"store: \xc0\xae\n", ": is not UTF-8 text (byte 0xc0)", 1),
    ("surrogate in utf-8", b"store: \xed\xa0\x80\n", ": is not UTF-8 text (byte 0xed)", 1),
    # YAML that is none, or that we do not read
    ("tab indentation", b"store:\n\tpath: /x\n", ": is indented by a tab; YAML indents by spaces only", 2),
    ("tab after spaces", b"store:\n  path: /x\n \tcreate: true\n", ": is indented by a tab", 3),
    ("two documents", b"store: {}\n---\nweb: {}\n", ": starts a second document; one file holds one", 2),
    ("anchor", b"store: &a {}\n", ": has the anchor &a; write each value out", 1),
    ("alias", b"log: {level: info}\nstore: *a\n", ": uses the alias *a; write the value out", 2),
    ("anchor and alias", b"store:\n  path: &p /x\n  state_dir: *p\n", ": has the anchor &p", 2),
    ("billion laughs", b"a: &a [x]\nb: &b [*a,*a]\nc: [*b,*b]\n", ": has the anchor &a", 1),
    ("merge key", b"store:\n  <<: {path: /x}\n", ": store.<<: is no option; known here: path, create", 2),
    ("python tag", b"store: !!python/object/apply:os.system [id]\n", ": has the tag tag:yaml.org,2002:python/obj", 1),
    ("string tag", b"store:\n  path: !!str /x\n", ": has the tag tag:yaml.org,2002:str", 2),
    ("local tag", b"store: !x {}\n", ": has the tag !x; each option has its type already", 1),
    ("tag without its handle", b"store: !e!x {}\n", ": is not YAML: while parsing a node, found undefined tag", 1),
    ("non-specific tag", b"log:\n  level: ! info\n", ": has the tag !;", 2),
    ("list as a key", b"? [a, b]\n: 1\n", ": has a list or mapping as a key; a key is a word", 1),
    ("mapping as a key", b"log:\n  {a: b}: 1\n", ": has a list or mapping as a key", 2),
    ("5000 lists", b"[" * 5_000, ": is nested more than 16 levels deep", 1),
    ("5000 mappings", b"{a: " * 5_000 + b"}" * 5_000, ": is nested more than 16 levels deep", 1),
    ("5000 block lists", b"- " * 5_000, ": is nested more than 16 levels deep", 1),
    ("5000 indented", b"\n".join(b" " * n + b"a:" for n in range(700)), ": is nested more than 16 levels deep", 17),
    ("5000 questions", b"? " * 5_000, ": has a list or mapping as a key", 1),
    ("too many values", b"a: [" + b"x," * 50_000 + b"]\n", ": has more than 10000 values", 1),
    (
        "unclosed quote",
        b'store:\n  path: "/x\n',
        ": is not YAML: while scanning a quoted scalar, found unexpected end",
        3,
    ),
    ("unclosed list", b"web:\n  listen: [a:1\n", ": is not YAML: while parsing a flow sequence", 3),
    ("unclosed mapping", b"store: {path: /x\n", ": is not YAML: while parsing a flow mapping", 2),
    ("bad indentation", b"store:\n  path: /x\n   create: true\n", ": is not YAML: mapping values are not allowed", 3),
    ("missing colon", b"store:\n  path /x\n  create: true\n", ": is not YAML: mapping values are not allowed", 3),
    ("missing space", b"store:\n  path:/x\n", ": store: must be a mapping of options (got path:/x)", 2),
    ("bad escape", b'store:\n  path: "\\q"\n', ": is not YAML: while parsing a quoted scalar, found unknown escape", 2),
    (
        "surrogate escape",
        b'store:\n  path: "\\ud800"\n',
        ": is not YAML: while parsing a quoted scalar, found invalid",
        2,
    ),
    ("percent", b"%YAML 3.0\n---\nstore: {}\n", ": is not YAML: found incompatible YAML document", 1),
    ("at sign", b"store:\n  path: @x\n", ": is not YAML: while scanning for the next token", 2),
    ("bracket address", b"web:\n  listen: [[::1]:80]\n", ": has a list or mapping as a key", 2),
    ("brackets in a word", b"web: {listen: [a]b}\n", ": is not YAML: while parsing a flow mapping", 1),
    ("backtick", b"log: {level: `info`}\n", ": is not YAML: while scanning for the next token", 1),
    # names
    ("repeated section", b"log: {}\nweb: {}\nlog: {}\n", ": log: is written twice; the first is on line 1", 3),
    (
        "repeated option",
        b"store:\n  path: /x\n  path: /y\n",
        ": store.path: is written twice; the first is on line 2",
        3,
    ),
    ("repeated in quotes", b'log:\n  level: info\n  "level": info\n', ": log.level: is written twice", 3),
    ("misspelt section", b"stor: {path: /x}\n", ": stor: is no option; did you mean store? (got a mapping)", 1),
    ("misspelt option", b"store:\n  pth: /x\n", ": store.pth: is no option; did you mean path? (got /x)", 2),
    ("upper case", b"store:\n  PATH: /x\n", ": store.PATH: is no option; did you mean path?", 2),
    (
        "dash for underscore",
        b"store: {busy-timeout: 5s}\n",
        ": store.busy-timeout: is no option; did you mean busy_timeout?",
        1,
    ),
    (
        "unknown section",
        b"alerts: {}\n",
        ": alerts: is no option; known here: store, web, log, metrics, maintenance, notifications, audit",
        1,
    ),
    (
        "option at the top",
        b"path: /x\n",
        ": path: is no option; known here: store, web, log, metrics, maintenance, notifications, audit (got /x)",
        1,
    ),
    ("internal name", b"source: /x\n", ": source: is no option; did you mean store?", 1),
    ("private name", b"_source: /x\n", ": _source: is no option", 1),
    ("empty name", b"'': 5\n", ": is no option; known here", 1),
    ("no name", b": 5\n", ": is not YAML: while parsing a block mapping, did not find expected key", 1),
    ("yes as a name", b"yes: 5\n", ": yes: is no option", 1),
    ("name that forges a line", b'"x\\n/etc/passwd:1: y": 5\n', ": x\\n/etc/passwd:1: y: is no option", 1),
    ("very long name", b"? " + b"k" * 100_000 + b"\n: 5\n", f": {'k' * 59}…: is no option", 1),
    # sections and shapes
    ("section as a word", b"store: /x\n", ": store: must be a mapping of options (got /x)", 1),
    ("section as a list", b"store:\n  - path: /x\n", ": store: must be a mapping of options (got [a mapping])", 2),
    ("option as a list", b"store:\n  path:\n    - /x\n", ": store.path: is a list; write a path (got [/x])", 3),
    ("option as a mapping", b"log:\n  level: {a: b}\n", ": log.level: is a mapping; write one of debug, info", 2),
    (
        "list as a word",
        b"web:\n  listen: 127.0.0.1:80\n",
        ": web.listen: must be a list, such as [a, b] (got 127.0.0.1:80)",
        2,
    ),
    ("list as a mapping", b"metrics:\n  providers: {a: 1}\n", ": metrics.providers: must be a list, such as [a, b]", 2),
    (
        "list in a list",
        b"metrics:\n  providers:\n    - a\n    - [b]\n",
        ": metrics.providers[1]: is a list; write text",
        4,
    ),
    ("no value", b"log:\n  level:\n", ": log.level: has no value; write one of debug, info, warning, error", 2),
    ("null", b"store:\n  busy_timeout: null\n", ": store.busy_timeout: has no value; write a duration such as 30s", 2),
    ("tilde", b"web:\n  reload: ~\n", ": web.reload: has no value; write true or false (got nothing)", 2),
    (
        "null in a list",
        b"metrics:\n  providers: [a,\n   null]\n",
        ": metrics.providers[1]: has no value; write text, in quotes",
        3,
    ),
    ("null for a list", b"web:\n  listen:\n", ": web.listen: must be a list", 2),
    # what YAML 1.1 would have changed without a word
    ("sexagesimal 2:30", b"store:\n  busy_timeout: 2:30\n", ": store.busy_timeout: has the unknown unit ':'", 2),
    ("sexagesimal 12:00", b"store: {history: 12:00}\n", ": store.history: has the unknown unit ':'", 1),
    (
        "sexagesimal 24:00",
        b"store: {scan_interval: 24:00}\n",
        "unknown unit ':'; the units are w, d, h, m, s or ms (got 24:00)",
        1,
    ),
    (
        "sexagesimal 25:61",
        b"metrics: {max_providers: 25:61}\n",
        "must be a whole number in plain digits (got 25:61)",
        1,
    ),
    ("sexagesimal 02:30:15", b"metrics: {stalled_after: 02:30:15}\n", "has the unknown unit ':'", 1),
    (
        "sexagesimal bucket",
        b"metrics: {duration_buckets: [2:30]}\n",
        "[0]: must be a number in plain digits (got 2:30)",
        1,
    ),
    ("octal", b"metrics: {max_providers: 0600}\n", "must be a whole number in plain digits (got 0600)", 1),
    ("YAML 1.2 octal", b"metrics: {max_providers: 0o17}\n", "must be a whole number in plain digits (got 0o17)", 1),
    ("hexadecimal", b"metrics: {max_providers: 0x10}\n", "must be a whole number in plain digits (got 0x10)", 1),
    ("binary", b"metrics: {max_providers: 0b11}\n", "must be a whole number in plain digits (got 0b11)", 1),
    ("underscores", b"metrics: {max_providers: 1_0}\n", "must be a whole number in plain digits (got 1_0)", 1),
    ("plus sign", b"metrics: {max_providers: +5}\n", "must be a whole number in plain digits (got +5)", 1),
    ("fraction", b"metrics: {max_providers: 5.0}\n", "must be a whole number in plain digits (got 5.0)", 1),
    ("exponent", b"metrics: {max_providers: 1e2}\n", "must be a whole number in plain digits (got 1e2)", 1),
    ("not ASCII digits", "metrics: {max_providers: ٣}\n".encode(), "must be a whole number in plain digits (got ٣)", 1),
    ("5000 digits", b"metrics: {max_providers: " + b"9" * 5_000 + b"}\n", f"plain digits (got {'9' * 59}…)", 1),
    ("yes", b"web: {reload: yes}\n", ": web.reload: must be true or false (got yes)", 1),
    ("on", b"web: {reload: on}\n", ": web.reload: must be true or false (got on)", 1),
    ("NO", b"store: {create: NO}\n", ": store.create: must be true or false (got NO)", 1),
    ("True", b"store: {create: True}\n", ": store.create: must be true or false (got True)", 1),
    ("1 for true", b"store: {create: 1}\n", ": store.create: must be true or false (got 1)", 1),
    (".nan", b"metrics: {duration_buckets: [.nan]}\n", "[0]: must be a number in plain digits (got .nan)", 1),
    (".inf", b"metrics: {duration_buckets: [60, .inf]}\n", "[1]: must be a number in plain digits (got .inf)", 1),
    ("date", b"store: {history: 2026-01-01}\n", ": store.history: has the unknown unit '-'", 1),
    # durations
    ("no unit", b"store: {history: 30}\n", ": store.history: has no unit; write 30s for seconds, 30m for", 1),
    ("no unit in quotes", b'store: {history: "30"}\n', ": store.history: has no unit; write 30s", 1),
    ("negative", b"store: {history: -30d}\n", ": store.history: is negative; a duration has no sign (got -30d)", 1),
    ("1e9d", b"store: {history: 1e9d}\n", ": store.history: has the unknown unit 'e'", 1),
    ("centuries", b"store: {history: 999999999d}\n", ": store.history: is longer than 36500d", 1),
    ("months", b"store: {history: 3mo}\n", ": store.history: names months or years", 1),
    ("zero", b"store: {history: 0s}\n", ": store.history: must be from 1h to 3650d (got 0s)", 1),
    ("just too short", b"store: {busy_timeout: 9.999ms}\n", ": store.busy_timeout: must be from 10ms to 10m", 1),
    ("just too long", b"store: {busy_timeout: 10m1ms}\n", ": store.busy_timeout: must be from 10ms to 10m", 1),
    # words and numbers
    (
        "misspelt choice",
        b"store: {ledger: trigger}\n",
        "must be one of triggers, scan; did you mean triggers? (got trigger)",
        1,
    ),
    ("unknown choice", b"log: {format: xml}\n", ": log.format: must be one of auto, console, json (got xml)", 1),
    ("choice in capitals", b"log: {level: INFO}\n", "error; did you mean info? (got INFO)", 1),
    (
        "too few providers",
        b"metrics: {max_providers: 0}\n",
        ": metrics.max_providers: must be from 1 to 1000 (got 0)",
        1,
    ),
    ("too many providers", b"metrics: {max_providers: 1001}\n", ": metrics.max_providers: must be from 1 to 1000", 1),
    ("negative providers", b"metrics: {max_providers: -1}\n", ": metrics.max_providers: must be from 1 to 1000", 1),
    ("repeated provider", b"metrics: {providers: [a, b, a]}\n", ": metrics.providers: names a twice", 1),
    ("empty provider", b"metrics: {providers: ['']}\n", ": metrics.providers[0]: is empty", 1),
    ("spaced provider", b"metrics: {providers: [' a']}\n", ": metrics.providers[0]: starts or ends with a space", 1),
    ("provider with a line", b'metrics: {providers: ["a\\nb"]}\n', 'cannot be printed (got "a\\nb")', 1),
    ("no buckets", b"metrics: {duration_buckets: []}\n", ": metrics.duration_buckets: must not be empty (got [])", 1),
    ("equal buckets", b"metrics: {duration_buckets: [60, 60]}\n", "must increase strictly; 60 comes after 60", 1),
    ("falling buckets", b"metrics: {duration_buckets: [60, 30]}\n", "must increase strictly; 30 comes after 60", 1),
    ("zero bucket", b"metrics: {duration_buckets: [0, 60]}\n", "duration_buckets[0]: must be more than 0 (got 0)", 1),
    ("negative bucket", b"metrics: {duration_buckets: [-1]}\n", "duration_buckets[0]: must be more than 0 (got -1)", 1),
    ("huge bucket", b"metrics: {duration_buckets: [315360001]}\n", "[0]: must be at most 315360000 (got 315360001)", 1),
    ("51 buckets", f"metrics: {{duration_buckets: {list(range(1, 52))}}}\n".encode(), "must have at most 50 items", 1),
    # paths
    (
        "home",
        b"store: {path: ~/jobs.db}\n",
        ": store.path: starts with ~, which is not expanded; write the whole path",
        1,
    ),
    ("empty path", b"store: {path: ''}\n", ": store.path: is empty", 1),
    ("url", b"store: {path: 'sqlite:///x.db'}\n", ": store.path: must be the path of a file, not a URL", 1),
    ("sqlite uri", b"store: {path: 'file:x.db?mode=ro'}\n", ": store.path: must be the path of a file, not a URL", 1),
    ("memory", b"store: {path: ':memory:'}\n", ": store.path: must be the path of a file, not a URL", 1),
    ("path of two lines", b"store:\n  path: |\n    /x\n", ": store.path: holds a character that cannot be printed", 2),
    ("path with a zero", b'store: {path: "/x\\0"}\n', ": store.path: holds a character that cannot be printed", 1),
    ("endless path", b"store: {path: /" + b"x" * 4_096 + b"}\n", ": store.path: is longer than 4096 bytes", 1),
    # addresses
    ("no port", b"web: {listen: ['127.0.0.1']}\n", "[0]: must be host:port, such as", 1),
    ("no host", b"web: {listen: [':80']}\n", '[0]: has no host; write "127.0.0.1:80", or "0.0.0.0:80" for every', 1),
    ("port 65536", b"web: {listen: ['a:65536']}\n", "[0]: must end in a port from 0 to 65535 (got a:65536)", 1),
    ("port -1", b"web: {listen: ['a:-1']}\n", "[0]: must end in a port from 0 to 65535", 1),
    ("port by name", b"web: {listen: ['a:http']}\n", "[0]: must end in a port from 0 to 65535", 1),
    ("bare IPv6", b"web: {listen: ['::1:80']}\n", "[0]: must be host:port, such as", 1),
    ("bad IPv6", b"web: {listen: ['[::g]:80']}\n", "[0]: has no IPv6 address between the brackets", 1),
    ("open bracket", b"web: {listen: ['[::1:80']}\n", "[0]: has no IPv6 address between the brackets", 1),
    ("bad IPv4", b"web: {listen: ['1.2.3.256:80']}\n", "[0]: has no IPv4 address before the port", 1),
    ("url to listen", b"web: {listen: ['http://a:80']}\n", "[0]: must be host:port", 1),
    ("host with spaces", b"web: {listen: ['a b:80']}\n", "[0]: has no host name or IP address before the port", 1),
    ("second of two", b"web:\n  listen:\n    - a:80\n    - b\n", ": web.listen[1]: must be host:port", 4),
    ("same address twice", b"web: {listen: ['a:80', 'a:80']}\n", ": web.listen: names a:80 twice", 1),
    ("nowhere", b"web: {listen: []}\n", ": web.listen: must not be empty (got [])", 1),
    # secrets
    ("password in a url", b"store: {path: 'postgresql://u:pw@h/d'}\n", "(got postgresql://***@h/d)", 1),
    (
        "password by name",
        b"web:\n  password: hunter2\n",
        ": web.password: is no option; known here: listen, config_file, expect_scrape_every, reload, jobs, hosts (got ***)",
        2,
    ),
]


@pytest.mark.parametrize("case", TABLE, ids=[case[0] for case in TABLE])
def test_each_mistake_has_its_own_words_and_the_right_line(case, tmp_path):
    _, data, message, *line = case
    file = tmp_path / "hyperjobs.yaml"
    file.write_bytes(data)

    with pytest.raises(ConfigError) as refusal:
        load_config(file, environ={})

    (text,) = str(refusal.value).splitlines()
    assert text.startswith(f"{file}:{line[0]}: " if line else f"{file}: ")
    assert message in text
    assert text.isprintable()
    assert len(text) < len(str(file)) + 320
    assert "hunter2" not in text
    assert "u:pw" not in text


def test_no_two_mistakes_are_told_apart_by_name_only():
    assert len({case[0] for case in TABLE}) == len({case[1] for case in TABLE}) == len(TABLE) >= 150


@pytest.mark.parametrize(
    ("data", "read"),
    [
        ("metrics: {providers: [on, NO, 3.10, 0600, 2024-01-01, 1e3, 2:30, .nan, 0x1, y]}", None),
        ("metrics:\n  providers:\n    - 'null'\n    - \"~\"\n    - é\n", ("null", "~", "é")),
        ("\ufeffmetrics: {providers: [a]}", ("a",)),
        ("metrics: {providers: [a]}\r\nlog:\r\n  level: info\r\n", ("a",)),
        ("%YAML 1.1\n---\nmetrics: {providers: [a]}\n...\n", ("a",)),
        ("store:\nmetrics: {providers: [a]}", ("a",)),
        ("metrics: {providers: [a]}\t# tab before a comment", ("a",)),
    ],
)
def test_text_stays_as_it_is_written(data, read, tmp_path):
    file = tmp_path / "hyperjobs.yaml"
    file.write_bytes(data.encode())

    config = load_config(file, environ={})

    assert config.metrics.providers == (read or tuple(data[data.index("[") + 1 : data.index("]")].split(", ")))


def test_all_mistakes_are_told_at_once_and_from_the_top(tmp_path):
    file = tmp_path / "hyperjobs.yaml"
    file.write_text("log:\n  level: loud\nstore:\n  history: 30\n  create: maybe\n  pth: /x\nlog: {}\n")

    with pytest.raises(ConfigError) as refusal:
        load_config(file, environ={"HYPERJOBS_WEB__RELOAD": "1"}, overrides={"log.format": "x"}, require_store=True)

    places = [line.split(": ")[0] for line in str(refusal.value).splitlines()]
    assert places == [
        f"{file}",
        *(f"{file}:{line}" for line in (2, 4, 5, 6, 7)),
        "HYPERJOBS_WEB__RELOAD",
        "--log-format",
    ]


def test_many_mistakes_are_counted_and_not_all_shown(tmp_path):
    file = tmp_path / "hyperjobs.yaml"
    file.write_text("".join(f"key{number}: 1\n" for number in range(4_000)))

    with pytest.raises(ConfigError) as refusal:
        load_config(file, environ={})

    lines = str(refusal.value).splitlines()
    assert len(lines) == 51
    assert lines[-1] == "3950 more problems"


@pytest.fixture
def events_taken(monkeypatch):
    """Every event that was taken from YAML: the measure of work."""
    taken = []
    events = document._events
    monkeypatch.setattr(document, "_events", lambda text: (taken.append(event) or event for event in events(text)))
    return taken


def test_deep_nesting_is_given_up_before_it_is_read(events_taken):
    with pytest.raises(document.DocumentError, match="nested more than 16"):
        document.parse(b"[" * 5_000)

    assert len(events_taken) < 25


@pytest.mark.parametrize("data", [case[1] for case in TABLE], ids=[case[0] for case in TABLE])
def test_no_text_asks_for_more_work_than_an_honest_one(data, events_taken):
    with contextlib.suppress(document.DocumentError):
        document.parse(data)

    assert len(events_taken) <= 2 * document.MAX_VALUES + 5


def test_no_more_of_a_file_is_read_than_may_be_used(tmp_path):
    file = tmp_path / "hyperjobs.yaml"
    with file.open("wb") as stream:
        stream.truncate(10**12)  # a terabyte, all of it a hole

    with pytest.raises(ConfigError, match="is larger than 256 KiB"):
        load_config(file, environ={})


def test_nothing_is_ever_constructed_from_yaml(tmp_path, monkeypatch):
    def refuse(*_):
        raise AssertionError("constructed")

    monkeypatch.setattr(yaml.constructor.BaseConstructor, "construct_document", refuse)
    file = tmp_path / "hyperjobs.yaml"
    file.write_text("log: {level: debug}\n")

    assert load_config(file, environ={}).log.level == "debug"
