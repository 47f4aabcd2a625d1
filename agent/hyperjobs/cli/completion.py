"""``hyperjobs completion``: what a shell reads to complete command lines of hyperjobs."""

from __future__ import annotations

from importlib.resources import files

import click

from hyperjobs.cli.command import Command
from hyperjobs.cli.setting import verbose_option
from hyperjobs.cli.table import emit

_SHELLS = ["bash", "zsh", "fish"]


@click.command(
    "completion",
    cls=Command,
    examples=[
        ("In this bash", 'eval "$(hyperjobs completion bash)"'),
        ("In every zsh", "hyperjobs completion zsh > ~/.zfunc/_hyperjobs"),
        ("In every fish", "hyperjobs completion fish > ~/.config/fish/completions/hyperjobs.fish"),
    ],
)
@click.argument("shell", type=click.Choice(_SHELLS), metavar="SHELL")
@verbose_option
def completion_command(*, shell: str) -> None:
    """Print the completion for bash, zsh or fish.

    Commands, options and values are completed, and what is in the store and beside it now: ids of jobs in a status that
    fits, providers, users and machines, backups, prunes that can be undone, tasks, channels, indexes. Nothing is written
    for it, and what cannot be had within a second is left out.
    """
    emit(files("hyperjobs.cli").joinpath("scripts", f"hyperjobs.{shell}").read_text(encoding="utf-8").rstrip("\n"))
