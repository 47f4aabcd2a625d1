"""Where values come from, and which of them wins."""

import os
import socket
from datetime import timedelta
from pathlib import Path

import pytest

from hyperjobs.config import Config, Ledger, Level, Store, load_config, source
from hyperjobs.config.problem import Problems
from hyperjobs.config.usual import default_backups, default_state_dir
from hyperjobs.errors import ConfigError

SOURCES = {
    "default": ("info", None, None, None),
    "file": ("debug", "log: {level: debug}", None, None),
    "environment": ("warning", "log: {level: debug}", "warning", None),
    "flag": ("error", "log: {level: debug}", "warning", "error"),
    "environment without a file": ("warning", None, "warning", None),
    "flag over a file": ("error", "log: {level: debug}", None, "error"),
    "flag over the environment": ("error", None, "warning", "error"),
}


@pytest.fixture
def write(tmp_path):
    def write(text):
        file = tmp_path / "hyperjobs.yaml"
        file.write_text(text)
        return file

    return write


def refused(*args, **kwargs):
    with pytest.raises(ConfigError) as refusal:
        load_config(*args, **kwargs)
    return str(refusal.value)


@pytest.mark.parametrize("case", SOURCES.values(), ids=SOURCES)
def test_defaults_yield_to_the_file_to_the_environment_to_flags(case, write):
    expected, text, variable, flag = case
    file = write(text) if text else None
    environ = {"HYPERJOBS_LOG__LEVEL": variable} if variable else {}

    config = load_config(file, environ=environ, overrides={"log.level": flag} if flag else {})

    assert config.log.level == expected
    assert config.source == file


def test_sources_complete_each_other(write):
    file = write("store: {path: /file.db, busy_timeout: 1s}\nlog: {level: error}")

    config = load_config(
        file, environ={"HYPERJOBS_STORE__BUSY_TIMEOUT": "2s"}, overrides={"store.ledger": "scan"}, require_store=True
    )

    assert config.store.path == Path("/file.db")
    assert config.store.busy_timeout == timedelta(seconds=2)
    assert config.store.ledger is Ledger.SCAN
    assert config.log.level is Level.ERROR


def test_a_list_is_replaced_and_not_added_to(write):
    file = write("web: {listen: ['a:1', 'b:2']}")

    config = load_config(file, environ={"HYPERJOBS_WEB__LISTEN": "['c:3']"})

    assert config.web.listen == ("c:3",)


@pytest.mark.parametrize(
    ("name", "text", "read"),
    [
        ("STORE__PATH", "/data/jobs.db", lambda config: config.store.path == Path("/data/jobs.db")),
        ("STORE__PATH", "/data/a: b #c.db", lambda config: config.store.path == Path("/data/a: b #c.db")),
        ("STORE__PATH", '"/data/jobs.db"', lambda config: config.store.path == Path("/data/jobs.db")),
        ("STORE__PATH", "null", lambda config: config.store.path is None),
        ("STORE__CREATE", "true", lambda config: config.store.create is True),
        ("STORE__CREATE", " true ", lambda config: config.store.create is True),
        ("METRICS__MAX_PROVIDERS", "7", lambda config: config.metrics.max_providers == 7),
        ("METRICS__PROVIDERS", "[on, 'a, b']", lambda config: config.metrics.providers == ("on", "a, b")),
        ("METRICS__PROVIDERS", "[]", lambda config: config.metrics.providers == ()),
        ("METRICS__DURATION_BUCKETS", "[0.5, 60]", lambda config: config.metrics.duration_buckets == (0.5, 60)),
    ],
)
def test_a_variable_holds_a_yaml_scalar_or_list(name, text, read):
    assert read(load_config(environ={f"HYPERJOBS_{name}": text}))


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        (
            {"HYPERJOBS_STORE__PAHT": "/x"},
            "HYPERJOBS_STORE__PAHT: is no option; did you mean HYPERJOBS_STORE__PATH?",
        ),
        ({"HYPERJOBS__STORE__PATH": "/x"}, "is no option; did you mean HYPERJOBS_STORE__PATH?"),
        ({"HYPERJOBS_store__path": "/x"}, "is no option; did you mean HYPERJOBS_STORE__PATH?"),
        ({"HYPERJOBS_QQ__ZZ": "hunter2"}, "HYPERJOBS_QQ__ZZ: is no option; `hyperjobs config show` lists all"),
        ({"HYPERJOBS_STORE__PATH": ""}, "HYPERJOBS_STORE__PATH: store.path: is empty; give a value or unset"),
        ({"HYPERJOBS_LOG__LEVEL": "loud"}, "HYPERJOBS_LOG__LEVEL: log.level: must be one of"),
        ({"HYPERJOBS_WEB__LISTEN": "a:1"}, "HYPERJOBS_WEB__LISTEN: web.listen: must be a list, such as [a, b]"),
        ({"HYPERJOBS_WEB__LISTEN": "[a"}, "web.listen: the value is not YAML: while parsing a flow sequence"),
        ({"HYPERJOBS_WEB__LISTEN": "[!!python/name:x y]"}, "web.listen: the value has the tag"),
        ({"HYPERJOBS_WEB__LISTEN": "[" * 5000}, "web.listen: the value is nested more than 16 levels deep"),
        ({"HYPERJOBS_WEB__LISTEN": "['a:1', 'b']"}, "HYPERJOBS_WEB__LISTEN: web.listen[1]: must be host:port"),
        ({"HYPERJOBS_STORE__PATH": "/x\udcff"}, "store.path: holds a character that cannot be printed"),
        ({"HYPERJOBS_STORE__HISTORY": "30"}, "HYPERJOBS_STORE__HISTORY: store.history: has no unit"),
        ({"HYPERJOBS_WEB__RELOAD": "{a: b}"}, "web.reload: is a mapping; write true or false (got a mapping)"),
        ({"HYPERJOBS_CONFIG": ""}, "HYPERJOBS_CONFIG: is empty; name a file or unset it"),
        ({"HYPERJOBS_CONFIG": "/no/such"}, "/no/such: cannot be read: No such file or directory"),
    ],
)
def test_a_wrong_variable_is_named(environ, message):
    text = refused(environ=environ)

    assert len(text.splitlines()) == 1
    assert message in text
    assert "hunter2" not in text
    assert text.isprintable()


def test_names_without_a_double_underscore_are_not_ours():
    environ = {"HYPERJOBS_PORT": "tcp://10.0.0.1:80", "HYPERJOBS_PORT_80_TCP": "x", "HYPERJOBS_DEBUG": "1", "X__Y": "z"}

    assert load_config(environ=environ).model_dump() == load_config(environ={}).model_dump()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"store.path": "~/x"}, "--store: store.path: starts with ~"),
        ({"web.listen": ["b"]}, "--listen: web.listen[0]: must be host:port"),
        ({"store.busy_timeout": "5"}, "--store-busy-timeout: store.busy_timeout: has no unit"),
        ({"store.pth": "x"}, "--store-pth: store.pth: is no option; did you mean store.path?"),
    ],
)
def test_a_wrong_flag_is_named(overrides, message):
    assert message in refused(environ={}, overrides=overrides)


@pytest.mark.parametrize("value", ["a:1", ["a:1"], "['a:1']"])
def test_a_flag_may_give_a_list_in_any_way(value):
    assert load_config(environ={}, overrides={"web.listen": value}).web.addresses == (("a", 1),)


def test_a_flag_may_give_one_ipv6_address():
    assert load_config(environ={}, overrides={"web.listen": "[::1]:80"}).web.addresses == (("::1", 80),)


@pytest.mark.parametrize("path", ['"quoted".db', "a: b", "#x", "*x", "&x", "!x", "null.db"])
def test_the_text_of_a_flag_stands_for_itself(path):
    assert load_config(environ={}, overrides={"store.path": path}).store.path == Path(path)


def test_run_needs_a_store(write):
    file = write("log: {level: info}")

    assert refused(environ={}, require_store=True).startswith(
        "configuration: store.path: is not set; name the job store"
    )
    assert refused(file, environ={}, require_store=True).startswith(f"{file}: store.path: is not set")
    assert load_config(file, environ={"HYPERJOBS_STORE__PATH": "/x"}, require_store=True).store.path == Path("/x")


def test_a_store_that_may_have_been_named_is_not_called_missing(write):
    text = refused(write("store: {path: /x"), environ={}, require_store=True)

    assert "is not YAML" in text
    assert "is not set" not in text


@pytest.fixture
def places(tmp_path):
    system, home = tmp_path / "etc" / "hyperjobs.yaml", tmp_path / "home"
    users = home / ".config" / "hyperjobs" / "hyperjobs.yaml"
    for file in (system, users):
        file.parent.mkdir(parents=True)
    return system, users, {"HOME": str(home)}


def test_the_first_of_the_usual_files_is_read(places):
    system, users, environ = places

    found = [source.locate(environ, Problems(), system_file=system)]
    users.touch()
    found.append(source.locate(environ, Problems(), system_file=system))
    system.touch()
    found.append(source.locate(environ, Problems(), system_file=system))
    found.append(source.locate({**environ, "HYPERJOBS_CONFIG": "/named"}, Problems(), system_file=system))

    assert found == [None, users, system, Path("/named")]


def test_a_dangling_link_to_the_configuration_is_not_overlooked(places):
    system, _, environ = places
    system.symlink_to("/no/such")

    assert source.locate(environ, Problems(), system_file=system) == system


def test_xdg_directories_are_heeded_unless_relative(tmp_path):
    own = tmp_path / "own" / "hyperjobs" / "hyperjobs.yaml"
    own.parent.mkdir(parents=True)
    own.touch()
    nowhere = tmp_path / "none"

    assert source.locate({"XDG_CONFIG_HOME": str(tmp_path / "own")}, Problems(), system_file=nowhere) == own
    assert source.locate({"XDG_CONFIG_HOME": "own"}, Problems(), system_file=nowhere) is None


@pytest.mark.parametrize(
    ("environ", "is_root", "expected"),
    [
        ({"HOME": "/home/a"}, True, "/var/lib/hyperjobs"),
        ({"HOME": "/home/a"}, False, "/home/a/.local/state/hyperjobs"),
        ({"HOME": "/home/a", "XDG_STATE_HOME": "/s"}, False, "/s/hyperjobs"),
        ({"HOME": "/home/a", "XDG_STATE_HOME": "s"}, False, "/home/a/.local/state/hyperjobs"),
        ({}, False, "/var/lib/hyperjobs"),
        ({"HOME": "/home/a", "STATE_DIRECTORY": "/var/lib/hyperjobs"}, False, "/var/lib/hyperjobs"),
        ({"HOME": "/home/a", "STATE_DIRECTORY": "/var/lib/hyperjobs-2"}, True, "/var/lib/hyperjobs-2"),
        ({"HOME": "/home/a", "STATE_DIRECTORY": "/var/lib/a:/var/lib/hyperjobs"}, False, "/var/lib/hyperjobs"),
        ({"HOME": "/home/a", "STATE_DIRECTORY": "/var/lib/hypersdk"}, False, "/home/a/.local/state/hyperjobs"),
        ({"HOME": "/home/a", "STATE_DIRECTORY": "/var/lib/hypersdk"}, True, "/var/lib/hyperjobs"),
        ({"HOME": "/home/a", "STATE_DIRECTORY": "hyperjobs"}, False, "/home/a/.local/state/hyperjobs"),
    ],
)
def test_state_has_its_place_for_root_for_a_service_and_for_others(environ, is_root, expected):
    assert default_state_dir(environ, is_root=is_root) == Path(expected)


def test_a_state_directory_that_is_named_is_used(write):
    assert load_config(write("store: {state_dir: /srv/state}"), environ={}).store.state_dir == Path("/srv/state")


def test_a_directory_is_no_file(tmp_path):
    assert refused(tmp_path, environ={}) == f"{tmp_path}: cannot be read: it is a directory"


def test_a_fifo_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "fifo")

    assert "it is not a regular file" in refused(tmp_path / "fifo", environ={})


def test_dev_null_is_no_file_whatever_names_it(tmp_path):
    environ = {"HYPERJOBS_STORE__PATH": str(tmp_path / "jobs.db")}

    for named in (
        load_config(Path("/dev/null"), environ=environ),
        load_config(environ={**environ, "HYPERJOBS_CONFIG": "/dev/null"}),
    ):
        assert named.source is None
        assert named.store.path == tmp_path / "jobs.db"


def test_a_device_is_refused():
    assert "it is not a regular file" in refused(Path("/dev/zero"), environ={})


def test_a_socket_is_refused(tmp_path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))

        assert "cannot be read" in refused(tmp_path / "socket", environ={})


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "a\nb", "a\x1b[2J"])
def test_an_impossible_file_name_is_one_printable_line(name, tmp_path):
    assert refused(tmp_path / name, environ={}).isprintable()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("127.0.0.1:0", ("127.0.0.1", 0)),
        ("[::1]:65535", ("::1", 65535)),
        ("my-host.example:80", ("my-host.example", 80)),
    ],
)
def test_an_address_is_taken_apart(text, parts):
    assert load_config(environ={}, overrides={"web.listen": [text]}).web.addresses == (parts,)


@pytest.mark.parametrize(("text", "expected"), [("1h", "1h"), ("60m", "1h"), ("3650d", "3650d"), ("24h", "1d")])
def test_the_bounds_themselves_are_allowed(text, expected, write):
    config = load_config(write(f"store: {{history: {text}}}"), environ={})

    assert config.model_dump(mode="json")["store"]["history"] == expected


def test_a_configuration_does_not_change():
    config = Config(store=Store(path=Path("/x"), busy_timeout=timedelta(seconds=1)))

    with pytest.raises(ValueError, match="frozen"):
        config.store.path = Path("/y")
    with pytest.raises(ValueError, match="Extra inputs"):
        Config(sotre=Store())


@pytest.mark.parametrize(
    ("environ", "is_root", "directory"),
    [
        ({"HOME": "/home/ana"}, True, "/var/backups/hyperjobs"),
        ({"HOME": "/home/ana"}, False, "/home/ana/.local/state/hyperjobs/backups"),
        ({"HOME": "/home/ana", "XDG_STATE_HOME": "/srv/state"}, False, "/srv/state/hyperjobs/backups"),
        ({"HOME": "/home/ana", "STATE_DIRECTORY": "/var/lib/hyperjobs"}, False, "/var/backups/hyperjobs"),
    ],
)
def test_backups_of_root_and_of_a_service_go_to_the_systems_place_and_others_to_the_users_own(
    environ, is_root, directory
):
    assert str(default_backups(environ, is_root=is_root)) == directory
