"""A shell asks what a word may become: found by click from the commands themselves, answered in the shell's own way.

The answer comes quickly or not at all: whatever goes wrong, there is nothing to offer, nothing is said, and the exit
code is 0. Each line is ``word``, a tab, the word, a tab and what it is; or ``file`` or ``directory``, for which the
shell itself looks.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from typing import TYPE_CHECKING, ClassVar

from click import Parameter
from click import shell_completion as by_click

from hyperjobs.cli import quoting

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import click
    from click.shell_completion import CompletionItem

VARIABLE = "_HYPERJOBS_COMPLETE"
DEADLINE_S = 1.0
"""Beyond it a shell gets nothing: an empty answer is better than a shell that hangs."""

_HELP_LENGTH = 60
_FILES = frozenset(["FILE", "PATH", "[FILE|-]", "[PATH]", "FILE...", "[FILE]...", "SRC", "DST"])
_DIRECTORIES = frozenset(["DIR"])


class _Shell(by_click.ShellComplete):
    """What the shells share.

    Args:
        words: those of the process after the program's name.
    """

    name: ClassVar[str]
    source_template: ClassVar[str] = ""

    def __init__(self, cli: click.Command, words: Sequence[str], environment: Mapping[str, str]) -> None:
        super().__init__(cli, {}, "hyperjobs", VARIABLE)
        self.given = list(words)
        self.environment = environment

    def get_completion_args(self) -> tuple[list[str], str]:
        """The finished words, and the unfinished one."""
        return (self.given[:-1], self.given[-1]) if self.given else ([], "")

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        """What may come, by the option or argument that is being written; for a file, that it is one."""
        context = by_click._resolve_context(self.cli, self.ctx_args, self.prog_name, args)  # noqa: SLF001 - click's own way
        what, incomplete = by_click._resolve_incomplete(context, args, incomplete)  # noqa: SLF001 - as above
        found = what.shell_complete(context, incomplete)
        if not found and isinstance(what, Parameter):
            takes = what.metavar or str(what.name).upper()
            kind = "file" if takes in _FILES else "dir" if takes in _DIRECTORIES else ""
            return [by_click.CompletionItem("", type=kind)] if kind else []
        return found

    def complete(self) -> str:
        """All lines of the answer."""
        args, incomplete = self.get_completion_args()
        lines = []
        for item in self.get_completions(list(args), incomplete):
            if item.type in {"file", "dir"}:
                lines.append("file" if item.type == "file" else "directory")
            elif _is_safe(item.value, incomplete):
                written = self.written(item.value, incomplete)
                lines += [] if written is None else [f"word\t{written}\t{_short(item.help)}"]
        return "".join(f"{line}\n" for line in lines)

    def format_completion(self, item: CompletionItem[str]) -> str:
        """One word as it goes to the shell, for click."""
        return self.written(item.value, "") or ""

    def written(self, value: str, _incomplete: str) -> str | None:
        """A word as the shell is to get it; ``None`` for one that it cannot."""
        return value


class Bash(_Shell):
    """bash gives its line, and takes words that are quoted already."""

    name = "bash"
    _word = quoting.Word()

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words of ``COMP_LINE`` but the first."""
        breaks = self.environment.get("COMP_WORDBREAKS", "")
        words, self._word = quoting.split(self.environment.get("COMP_LINE", ""), breaks)
        return words[1:], self._word.value

    def written(self, value: str, incomplete: str) -> str | None:
        """Quoted, and without what bash leaves in the line."""
        return quoting.write(_option_part(incomplete) + value, self._word)


class Zsh(_Shell):
    """zsh gives words without quotes, and quotes what it gets."""

    name = "zsh"


class Fish(_Shell):
    """fish gives words without quotes but for the last, and quotes what it gets; an option's value comes with the option."""

    name = "fish"

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words, the last without its quotes."""
        args, incomplete = super().get_completion_args()
        return args, quoting.split(incomplete)[1].value

    def written(self, value: str, incomplete: str) -> str | None:
        """With what stands before the ``=``."""
        return _option_part(incomplete) + value


_KINDS = {shell.name: shell for shell in (Bash, Zsh, Fish)}


def answer_shell(program: click.Command, asked: str) -> int:
    """Answer ``bash_complete`` and the like on standard output; the exit code, which is always 0."""
    watch = threading.Timer(DEADLINE_S, os._exit, [0])
    watch.daemon = True
    watch.start()
    shell = _KINDS.get(asked.removesuffix("_complete"))
    with contextlib.suppress(Exception):
        if shell is not None:
            sys.stdout.write(shell(program, sys.argv[1:], os.environ).complete())
            sys.stdout.flush()
    watch.cancel()
    return 0


def _option_part(incomplete: str) -> str:
    """``--status=`` of ``--status=fa``, of which click completes only what follows."""
    option, equals, _ = incomplete.partition("=")
    return option + equals if equals and option.startswith("--") else ""


def _is_safe(value: str, incomplete: str) -> bool:
    """Whether a word can be offered: it drives no terminal, breaks no line, and is not taken for an option."""
    is_option = incomplete.startswith("-") or not value.startswith("-")
    return bool(value) and value.isprintable() and is_option


def _short(text: str | None) -> str:
    """A remark beside a word: its first sentence, and no more than fits."""
    line = " ".join((text or "").split()).partition(";")[0].removesuffix(".")
    return line if len(line) <= _HELP_LENGTH else f"{line[: _HELP_LENGTH - 1]}…"
