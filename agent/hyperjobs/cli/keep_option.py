"""``--keep-last`` and its like: a policy of retention on the command line."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import click

from hyperjobs.cli.argument import Number

if TYPE_CHECKING:
    from collections.abc import Callable

    from hyperjobs.cli.backup_setting import BackupSettings
    from hyperjobs.maintenance.backup.retention import Policy

RULES = ("last", "hourly", "daily", "weekly", "monthly", "yearly")
_MOST = 100_000


class Keep:
    """What the command line said of what stays.

    Attributes:
        rules: rule → how many, of those that were given.
        minimum: so many at least; ``None`` when it was not given.
    """

    def __init__(self, rules: dict[str, int], minimum: int | None) -> None:
        self.rules = rules
        self.minimum = minimum

    def policy(self, found: BackupSettings) -> Policy:
        """The rules that were given and no others, or those of the configuration when none was."""
        from hyperjobs.maintenance.backup.retention import Policy  # noqa: PLC0415 - only where it is used

        return Policy(**self.rules) if self.rules else found.policy

    def least(self, found: BackupSettings) -> int:
        """The minimum that was given, or that of the configuration."""
        return found.minimum if self.minimum is None else self.minimum


def keep_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--keep-last`` to ``--keep-yearly`` and ``--minimum``; the command gets them as one :class:`Keep`."""

    @functools.wraps(command)
    def with_keep(*args: Any, minimum: int | None, **options: Any) -> Any:
        given = {rule: options.pop(f"keep_{rule}") for rule in RULES}
        rules = {rule: count for rule, count in given.items() if count is not None}
        return command(*args, keep=Keep(rules, minimum), **options)

    decorated: Callable[..., Any] = click.option(
        "--minimum", type=Number(1, _MOST), metavar="N", help="So many verified ones stay at least."
    )(with_keep)
    for rule in reversed(RULES):
        what = (
            "the newest N" if rule == "last" else f"the newest of each of the newest N {_PERIODS[rule]} that have one"
        )
        decorated = click.option(
            f"--keep-{rule}",
            type=Number(0, _MOST),
            metavar="N",
            help=f"Keep {what}; given one rule, those of the configuration do not count.",
        )(decorated)
    return decorated


_PERIODS = {"hourly": "hours", "daily": "days", "weekly": "ISO weeks", "monthly": "months", "yearly": "years"}
