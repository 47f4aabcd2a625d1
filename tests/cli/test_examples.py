"""Every command shows examples, and each of them works: it is run, in a world with a past."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess

import pytest

from hyperjobs.cli.command import Command
from hyperjobs.cli.edge import answer
from hyperjobs.cli.program import program
from support.agents import started
from support.command_tree import every_command
from support.processes import running
from support.receivers import http_receiver
from support.world import make_world

COMMANDS = every_command()
EXAMPLES = [
    pytest.param(name, example, id=example.line)
    for name, command in COMMANDS.items()
    for example in getattr(command, "examples", ())
]
LONG_RUNNING = {"run", "watch"}
NEEDS_AGENT = {"healthcheck"}
SHELL = re.compile(r"[|<>&;$`]")
WIDEST = 110
DEADLINE_S = 60


@pytest.fixture(scope="module")
def whole_world(tmp_path_factory):
    with http_receiver() as receiver:
        yield make_world(tmp_path_factory.mktemp("examples"), receiver=receiver.url)


@pytest.fixture
def world(whole_world, monkeypatch):
    """The world as it was first, and this process in it."""
    whole_world.put_back()
    monkeypatch.chdir(whole_world.here)
    for name in [name for name in os.environ if name.startswith(("HYPERJOBS_", "XDG_"))]:
        monkeypatch.delenv(name)
    for name, value in whole_world.environment.items():
        monkeypatch.setenv(name, value)
    return whole_world


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_examples(name):
    command = COMMANDS[name]

    assert isinstance(command, Command)
    assert command.examples


@pytest.mark.parametrize(("name", "example"), EXAMPLES)
def test_an_example_is_of_its_command_and_can_be_read(name, example):
    assert f"hyperjobs {name}".strip() in example.line
    assert len(example.line) <= WIDEST
    assert example.purpose[0].isupper()
    assert not example.purpose.endswith(".")


def test_no_two_examples_of_a_command_say_the_same():
    for command in COMMANDS.values():
        lines = [example.line for example in command.examples]
        assert len(set(lines)) == len(lines)


@pytest.mark.parametrize(("name", "example"), EXAMPLES)
def test_an_example_is_in_the_help_as_it_can_be_copied(name, example):
    command = COMMANDS[name]
    with program.make_context("hyperjobs", [], resilient_parsing=True) as context:
        shown = command.get_help(command.context_class(command, parent=context, info_name=name))

    assert f"\n  # {example.purpose}\n  {example.line}\n" in f"{shown}\n"


@pytest.mark.parametrize(("name", "example"), EXAMPLES)
def test_an_example_works(world, name, example, capfd):
    if name in LONG_RUNNING:
        code = run_until_it_speaks(world, name, example.line)
    elif name in NEEDS_AGENT:
        with world.agent():
            code = run_here(world, example.line)
    elif SHELL.search(example.line):
        code = run_in_shell(world, example.line)
    else:
        code = run_here(world, example.line)

    said = capfd.readouterr()
    assert code == example.code, said.err
    assert "Traceback" not in said.err


def run_here(world, line):
    """In this process, where starting one would take most of the time."""
    return answer(program, world.words(line))


def run_in_shell(world, line):
    assert not re.search(r"\s/", line), "a shell would take this path for one of the machine"
    command = ["bash", "-o", "pipefail", "-ec", line]
    done = subprocess.run(
        command, env=world.environment, cwd=world.here, timeout=DEADLINE_S, check=False, stdin=subprocess.DEVNULL
    )
    return done.returncode


def run_until_it_speaks(world, name, line):
    """One that goes on until it is told to end; its exit code where that is well."""
    with running(["hyperjobs", *world.words(line)], env=world.environment, cwd=world.here) as process:
        if name == "run":
            started(process)
            return process.stop()
        process.until(lambda: "\n" in process.output, "its first line")
        process.signal(signal.SIGINT)
        return 0 if process.wait() == 128 + signal.SIGINT else process.exit_code


def test_a_line_with_an_option_that_is_not_there_would_be_found_out(world):
    assert run_here(world, "hyperjobs list --no-such-option") == 2
    assert run_in_shell(world, f"{shlex.quote('hyperjobs')} list --no-such-option | cut -f 1") == 2
