"""The manual pages: sound roff, one for every command, and the same as its help."""

from __future__ import annotations

import re
import subprocess
import sys

import click
import pytest

from hyperjobs.cli import manual, roff
from hyperjobs.cli.manual_config import configuration_page
from hyperjobs.cli.program import program
from hyperjobs.config import Config
from support.command_tree import every_command

COMMANDS = manual.every_command(program)
ABOUT = {"date": "2026-09-01", "version": "1.2.3"}
DEADLINE_S = 60


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The directory that all of them are written into."""
    out = tmp_path_factory.mktemp("man")
    command = [sys.executable, "-m", "hyperjobs", "man", "--out", str(out)]
    subprocess.run(command, check=True, timeout=DEADLINE_S, capture_output=True)
    return out


def shown(text):
    """A page as a person reads it, each paragraph on one line."""
    command = ["mandoc", "-T", "utf8", "-O", "width=900"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True, timeout=DEADLINE_S)
    return re.sub(".\b", "", done.stdout)


def plain(text):
    """Words of a help without the marks of what is quoted."""
    return " ".join(re.sub(r"'([^' ][^']*)'", r"\1", " ".join(text.split())).split())


def test_there_is_a_page_for_every_command_and_one_for_the_configuration(pages):
    names = {manual.page_name(path) for path in COMMANDS}

    assert {path.name for path in (pages / "man1").iterdir()} == {f"{name}.1" for name in names}
    assert {path.name for path in (pages / "man5").iterdir()} == {"hyperjobs.yaml.5"}
    assert {f"hyperjobs {name}".strip() for name in every_command()} == set(COMMANDS)


@pytest.mark.tool("mandoc", "groff", "man")
def test_no_judge_of_manual_pages_has_anything_to_say(pages):
    files = sorted(map(str, pages.glob("man*/*")))
    judges = (["mandoc", "-T", "lint", "-W", "warning"], ["groff", "-ww", "-z", "-man", "-Tutf8"])
    for judge in judges:
        done = subprocess.run([*judge, *files], capture_output=True, text=True, check=False, timeout=DEADLINE_S)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), judge
    for file in (pages / "man1" / "hyperjobs.1", pages / "man5" / "hyperjobs.yaml.5"):
        command = ["man", "--warnings", "-P", "cat", "-l", str(file)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=DEADLINE_S)
        assert done.stderr == ""
        assert "SEE ALSO" in done.stdout


@pytest.mark.tool("mandoc")
@pytest.mark.parametrize("path", COMMANDS)
def test_a_page_says_what_the_help_says(path):
    context = COMMANDS[path]

    page = shown(manual.command_page(path, COMMANDS, **ABOUT))

    words = " ".join(page.split())
    for paragraph in context.command.help.split("\n\n"):
        assert plain(paragraph) in words
    for option in (each for each in context.command.get_params(context) if isinstance(each, click.Option)):
        assert all(name in words for name in option.opts)
        assert plain(option.help) in words
    for example in context.command.examples:
        assert f" {example.line}\n" in page
        assert f"{example.purpose}:" in page


@pytest.mark.tool("mandoc")
def test_the_page_of_the_configuration_has_every_option():
    page = shown(configuration_page(**ABOUT))

    def names(model, prefix=""):
        for name, field in model.model_fields.items():
            if isinstance(field.annotation, type) and hasattr(field.annotation, "model_fields"):
                yield from names(field.annotation, f"{prefix}{name}.")
            else:
                yield prefix + name

    assert [name for name in names(Config) if f" {name}\n" not in page] == []


@pytest.mark.tool("mandoc")
@pytest.mark.parametrize(
    "text",
    [
        ".SH SEE",
        "'br quoted",
        r"a \fB bold \n(.x \e \\",
        'say "so" -- --really -1',
        "~ ^ ` ' | % # . ..",
        "data データ … → é",
        "a.\n.b",
    ],
)
def test_no_text_of_a_page_is_taken_for_an_order(text):
    lines = [roff.heading("x", 1, **ABOUT), ".SH NAME", r"x \- y", ".SH A", roff.prose(f"{text} end")]
    page = "\n".join([*lines, ".SH B", *roff.verbatim([text.replace("\n", " ")]), ""])

    found = " ".join(shown(page).split())

    assert f"A {plain(text)} end B {' '.join(text.split())}" in found


def test_one_page_is_printed_as_it_would_be_written(hj, pages):
    epoch = {"SOURCE_DATE_EPOCH": "1790000000"}

    assert "2026-09-21" in hj.run("man", "list", env=epoch).stdout
    assert (
        hj.run("man", "backup", "list", env=epoch).stdout.replace(
            "2026-09-21", (pages / "man1" / "hyperjobs-backup-list.1").read_text().split('"')[5]
        )
        == (pages / "man1" / "hyperjobs-backup-list.1").read_text()
    )
    assert hj.run("man", "hyperjobs.yaml").stdout.startswith('.TH "HYPERJOBS.YAML" "5"')


def test_a_command_that_is_not_there_has_no_page(hj, tmp_path):
    done = hj.run("man", "lst")

    assert (done.returncode, done.stdout) == (2, "")
    assert "did you mean 'hyperjobs list'" in done.stderr
    assert hj.run("man", "list", "--out", str(tmp_path)).returncode == 2


def test_pages_are_for_everybody_to_read_and_replace_older_ones(hj, tmp_path):
    old = tmp_path / "man" / "man1" / "hyperjobs-list.1"
    old.parent.mkdir(parents=True)
    old.write_text("old")

    assert hj.run("man", "--out", str(tmp_path / "man"), preexec_fn=None, umask=0o077).returncode == 0

    assert "List jobs" in old.read_text()
    assert old.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in old.parent.iterdir() if path.name.startswith(".")] == []
