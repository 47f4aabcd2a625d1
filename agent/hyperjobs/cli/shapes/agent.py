"""What is told of the agent, its configuration, its rules and its channels."""

from typing import Literal, TypedDict

from hyperjobs.cli.shapes.kinds import Document, Time


class HealthShape(TypedDict):
    """An agent that is as it was asked to be.

    Attributes:
        ready: ``true`` with ``--ready``; else ``null``, for it was not asked.
        store_readable: ``true`` with ``--store``; else ``null``.
        message: the same in words.
    """

    url: str
    alive: Literal[True]
    ready: Literal[True] | None
    store_readable: Literal[True] | None
    message: str


class InstallShape(TypedDict):
    """The ledger is in place.

    Attributes:
        changed: it was not before.
    """

    store: str
    changed: bool


class UninstallShape(TypedDict):
    """The ledger is gone.

    Attributes:
        dropped: the tables, triggers and indexes that were dropped, or would be; empty when there was no ledger.
    """

    store: str
    dry_run: bool
    dropped: list[str]


class OptionFindingShape(TypedDict):
    """What does not fit on this machine.

    Attributes:
        level: the agent would not do what is asked (``wrong``), or somebody should look (``warning``).
        option: of the configuration.
    """

    level: Literal["wrong", "warning"]
    option: str
    message: str


class LossShape(TypedDict):
    """What a configuration would delete beside the one in force.

    Attributes:
        more: so many; ``null`` when it could not be counted.
        total: of so many; ``null`` likewise.
        unknown: why it could not be counted; empty when it was.
        changes: the options that decide, as ``completed: 30d → 3d``.
    """

    more: int | None
    total: int | None
    unknown: str
    changes: list[str]


class EffectShape(TypedDict):
    """What a configuration would delete.

    Attributes:
        destinations: the second places of backups whose rules change, by name.
        max_share: the largest share, 0 to 1, that a reload may delete.
        refused: a reload would be.
        digest: of the configuration of maintenance.
    """

    jobs: LossShape
    backups: LossShape
    archives: LossShape
    destinations: dict[str, LossShape]
    max_share: float
    refused: bool
    digest: str


class AcknowledgedShape(EffectShape):
    """A configuration that was acknowledged.

    Attributes:
        until: the acknowledgement holds until then.
    """

    until: Time


class RuleFilesShape(TypedDict):
    """Rule files that were written."""

    files: list[str]


class RulesShape(TypedDict):
    """Rules, as a rule file of Prometheus has them.

    Attributes:
        groups: of rules.
    """

    groups: list[Document]


class MetricShape(TypedDict):
    """A metric or label that is asked for and not there.

    Attributes:
        place: the panel or the rule.
        metric: ``null`` when the whole query is meant.
        label: ``null`` when the metric is meant.
        fault: ``false`` for a metric of others, which ``--all`` lists.
    """

    file: str
    place: str
    metric: str | None
    label: str | None
    message: str
    fault: bool


class ChannelShape(TypedDict):
    """What came of a test message.

    Attributes:
        error: why it did not arrive; ``null`` when it did.
    """

    channel: str
    sent: bool
    error: str | None
