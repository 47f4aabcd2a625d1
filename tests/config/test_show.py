"""The configuration as text: what is in force, the example, the schema and the documentation agree with the code."""

import json
import os
import re
from datetime import timedelta
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hyperjobs.config import Config, Store, destination_table, example, json_schema, load_config, options_table, render
from hyperjobs.config.model import Metrics, bounds, fixed_options, options
from hyperjobs.duration import format_duration

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "config" / "example.yaml"
GUIDE = ROOT / "docs" / "configure.md"
OPERATE = ROOT / "docs" / "operate.md"
WRITE = "write it anew with HYPERJOBS_UPDATE_GOLDEN=1"


def leaves(values, path=()):
    """The path of each option in a tree of values, in order."""
    for name, value in values.items():
        if (*path, name) in options():
            yield (*path, name)
        else:
            yield from leaves(value, (*path, name))


def test_the_example_is_what_the_code_says():
    if os.environ.get("HYPERJOBS_UPDATE_GOLDEN"):
        EXAMPLE.write_text(example())

    assert EXAMPLE.read_text() == example(), WRITE


def test_the_example_holds_every_option_at_its_default():
    config = load_config(EXAMPLE, environ={}, require_store=True)

    assert config.model_dump() == Config(store=Store(path=Path("/var/lib/hypersdk/jobs.db"))).model_dump()
    assert list(leaves(yaml.safe_load(EXAMPLE.read_text()))) == list(options())


def test_any_reader_of_yaml_reads_the_example_alike():
    read = yaml.safe_load(EXAMPLE.read_text())

    assert read["store"]["busy_timeout"] == "5s"
    assert read["web"] == {
        "listen": ["127.0.0.1:10985"],
        "config_file": None,
        "expect_scrape_every": None,
        "reload": False,
        "jobs": True,
        "hosts": [],
    }
    jsonschema.validate(read, json_schema())


@pytest.mark.parametrize(("name", "table"), [("options", options_table), ("destination", destination_table)])
def test_the_guide_lists_every_option(name, table):
    shown = re.compile(rf"(?<=<!-- {name} -->\n\n)\|.*?(?=\n<!-- /{name} -->)", re.DOTALL)
    if os.environ.get("HYPERJOBS_UPDATE_GOLDEN"):
        GUIDE.write_text(shown.sub(lambda _: table(), GUIDE.read_text()))

    assert shown.findall(GUIDE.read_text()) == [table()], WRITE


def test_the_page_for_operators_names_what_a_reload_cannot_change():
    named = re.search(r"((?:`[a-z_]+\.[a-z_]+`(?:,| and)?\s+)+)need a restart", OPERATE.read_text())

    assert set(re.findall(r"`([^`]+)`", named[1])) == {".".join(path) for path in fixed_options()}


def test_the_files_shown_in_the_guide_are_right(tmp_path):
    shown = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(), re.DOTALL)

    assert shown
    for text in shown:
        (tmp_path / "hyperjobs.yaml").write_text(text)
        load_config(tmp_path / "hyperjobs.yaml", environ={})


@pytest.mark.parametrize("path", options(), ids=".".join)
def test_every_option_says_what_it_is_for(path):
    field = options()[path]

    assert field.description.endswith(".")
    assert field.json_schema_extra["reason"]
    assert field.json_schema_extra["unit"]
    if field.annotation in {timedelta, int} and " from " not in field.json_schema_extra["unit"]:
        assert bounds(field)


def test_the_schema_is_one_and_refuses_what_the_loader_refuses():
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)

    for wrong in ({"stor": {}}, {"store": {"pth": 1}}, {"store": {"history": "30"}}, {"log": {"level": "loud"}}):
        assert not validator.is_valid(wrong)
    assert validator.is_valid({"store": {"history": "1d2h30m", "path": None}, "metrics": {"duration_buckets": [1.5]}})
    assert "PT" not in json.dumps(schema)


def test_the_defaults_in_the_schema_are_valid_in_it():
    schema = json_schema()
    validator = jsonschema.Draft202012Validator(schema)

    def defaults_of(section):
        """What the schema says of a section, and of those in it."""
        found = {}
        for name, described in section["properties"].items():
            deeper = schema["$defs"][described["$ref"].rpartition("/")[2]] if "$ref" in described else {}
            found[name] = defaults_of(deeper) if "properties" in deeper else described["default"]
        return found

    defaults = defaults_of(schema)

    validator.validate(defaults)
    assert defaults == Config().model_dump(mode="json")


printable = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=20)
durations = st.timedeltas(
    min_value=options()["store", "history"].metadata[0].ge, max_value=options()["store", "history"].metadata[1].le
)


@given(
    path=st.one_of(st.none(), printable.map(lambda name: f"/{name}".replace("://", ""))),
    providers=st.lists(
        printable | st.sampled_from(["yes", "NO", "null", "~", "1", "2:30", "1e3", "a b", "#", "- x", "5m"]),
        unique=True,
    ),
    buckets=st.lists(st.floats(0.001, 3e8), min_size=1, max_size=50, unique=True).map(sorted),
    history=durations,
)
def test_what_is_shown_reads_back_as_the_same(tmp_path_factory, path, providers, buckets, history):
    buckets = [float(f"{bucket:.3f}") for bucket in buckets]
    buckets = sorted(set(buckets))
    config = Config(
        store=Store(path=path, history=history),
        metrics=Metrics(providers=tuple(providers), duration_buckets=tuple(buckets)),
    )
    file = tmp_path_factory.mktemp("shown") / "hyperjobs.yaml"
    file.write_text(render(config))

    read = load_config(file, environ={})

    assert read.model_dump() == config.model_dump()
    shown = yaml.safe_load(render(config))
    assert shown["metrics"]["providers"] == providers
    assert shown["store"]["history"] == format_duration(history)


def test_secrets_are_not_shown():
    config = Config(metrics=Metrics(providers=("https://user:hunter2@host/x",)))

    assert "hunter2" not in render(config)
    assert "https://***@host/x" in render(config)
