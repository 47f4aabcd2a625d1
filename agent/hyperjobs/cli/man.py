"""``hyperjobs man``: the manual pages, to be read or installed."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import click

from hyperjobs import __version__
from hyperjobs.cli import offer
from hyperjobs.cli.command import Command
from hyperjobs.cli.lazy import nearest
from hyperjobs.cli.setting import setting_of, verbose_option
from hyperjobs.cli.table import emit
from hyperjobs.cli.text import printable

_MODE = 0o644


@click.command(
    "man",
    cls=Command,
    examples=[
        ("Read the page of one command", "hyperjobs man backup create | man -l -"),
        ("Install all of them where man looks", "hyperjobs man --out /usr/local/share/man"),
    ],
)
@click.argument("words", metavar="[COMMAND]...", nargs=-1, shell_complete=offer.commands)
@click.option("--out", metavar="DIR", help="Write every page into man1 and man5 of this directory, over what is there.")
@verbose_option
@click.pass_context
def man_command(context: click.Context, *, words: tuple[str, ...], out: str | None) -> None:
    """Print the manual page of a command, or write those of all.

    COMMAND is one or several words, as 'backup create'; without any it is hyperjobs itself, and 'hyperjobs.yaml' is the
    configuration file. SOURCE_DATE_EPOCH gives the pages their date, else it is today.
    """
    from hyperjobs.cli import manual  # noqa: PLC0415 - every command is imported for it
    from hyperjobs.cli.manual_config import configuration_page  # noqa: PLC0415 - as above

    if out is not None and words:
        raise click.UsageError("--out writes the pages of all commands: name none beside it")
    program = context.find_root().command
    assert isinstance(program, click.Group)  # noqa: S101 - for the types; this command is in it
    commands = manual.every_command(program)
    about = {"date": _date(context), "version": __version__}
    if out is None:
        path = " ".join([manual.NAME, *words])
        if words == (manual.CONFIGURATION,):
            emit(configuration_page(**about).rstrip("\n"))
        elif path not in commands:
            hint = nearest(path, commands)
            raise click.UsageError(f"there is no command {' '.join(words)!r}{hint}")
        else:
            emit(manual.command_page(path, commands, **about).rstrip("\n"))
        return
    pages = {f"man1/{manual.page_name(path)}.1": manual.command_page(path, commands, **about) for path in commands}
    pages[f"man5/{manual.CONFIGURATION}.5"] = configuration_page(**about)
    for name, text in pages.items():
        _write(Path(out) / name, text)
    emit(f"{printable(out)}: {len(pages)} pages")


def _date(context: click.Context) -> str:
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    now = datetime.fromtimestamp(int(epoch), UTC) if epoch.isdecimal() else setting_of(context).clock.now()
    return f"{now:%Y-%m-%d}"


def _write(path: Path, text: str) -> None:
    """Write a page whole or not at all, for everybody to read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text, encoding="ascii")
    beside.chmod(_MODE)
    beside.replace(path)
