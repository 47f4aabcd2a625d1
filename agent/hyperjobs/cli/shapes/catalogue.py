"""Which command writes which JSON with ``--json``; a command that is not here has its reason."""

from dataclasses import dataclass
from typing import Any, Final

from hyperjobs.cli.shapes import agent, backups, doctor, jobs, maintenance, transfer
from hyperjobs.cli.shapes.kinds import Document


@dataclass(frozen=True, slots=True)
class Output:
    """What a command writes to standard output.

    Attributes:
        shapes: what it can be; each but the first with the words of the command line that make it so.
        is_list: one object a line, none where there is nothing; else one object.
        note: more to know, one sentence.
    """

    shapes: tuple[tuple[str, Any], ...]
    is_list: bool = False
    note: str = ""


def _one(shape: Any, note: str = "", **others: Any) -> Output:
    return Output((("", shape), *((_words(name), each) for name, each in others.items())), note=note)


def _many(shape: Any, note: str = "", **others: Any) -> Output:
    return Output((("", shape), *((_words(name), each) for name, each in others.items())), is_list=True, note=note)


def _words(name: str) -> str:
    return f"--{name.replace('_', '-')}"


_RUN: Final = _one(maintenance.RunShape, "It is written whatever the outcome; one that failed is an error too.")
_EDIT: Final = _many(
    jobs.EditShape, "A line for each job, those that could not be edited last; each of these is an error too."
)

OUTPUTS: Final[dict[str, Output]] = {
    "list": _many(jobs.JobShape),
    "running": _many(jobs.JobShape),
    "failed": _many(jobs.JobShape, group=jobs.FailureKindShape),
    "show": _one(jobs.JobShape),
    "history": _many(jobs.JobEventShape),
    "watch": _many(jobs.WatchShape, "Lines come as things happen, until it is stopped; without a terminal also without --json."),
    "top failures": _many(jobs.FailureKindShape),
    "diff": _one(jobs.DifferenceShape),
    "cancel": _EDIT,
    "retry": _EDIT,
    "set-status": _EDIT,
    "delete": _EDIT,
    "stats": _many(jobs.StatsShape, "One line; with --by one a group."),
    "export": _one(transfer.ExportShape, "Of a file; on standard output are the jobs themselves, and --json is refused."),
    "import": _one(transfer.ImportShape),
    "copy": _one(transfer.CopyShape),
    "rebuild": _one(transfer.RebuildShape),
    "audit verify": _one(transfer.AuditShape, "Exit code 3 when it is not whole."),
    "audit show": _many(transfer.AuditLineShape, "To the bit as the log has it, so that a line can be proven again."),
    "healthcheck": _one(agent.HealthShape, "Only of an agent that is well; anything else is an error, and exit code 1."),
    "install": _one(agent.InstallShape),
    "uninstall": _one(agent.UninstallShape),
    "backup create": _one(backups.ManifestShape, dry_run=maintenance.RunShape),
    "backup list": _many(backups.BackupShape),
    "backup show": _one(backups.MarkedManifestShape, "Also without --json."),
    "backup verify": _many(backups.ProofShape, "One line; with --all one a backup. One that is damaged is an error too."),
    "backup diff": _one(backups.BackupDifferenceShape),
    "backup pin": _one(backups.BackupPinShape),
    "backup unpin": _one(backups.BackupPinShape),
    "backup prune": _many(backups.DecisionShape),
    "backup adopt": _one(backups.ManifestShape),
    "restore": _one(backups.RestoreShape),
    "salvage": _one(backups.SalvageShape, "Exit code 3 when something is lost."),
    "prune": _RUN,
    "prune list": _many(backups.ArchiveShape),
    "prune undo": _one(backups.UndoneShape),
    "pin": _one(jobs.PinShape),
    "unpin": _one(jobs.PinShape),
    "pins": _many(jobs.PinnedShape),
    **dict.fromkeys(("integrity", "vacuum", "checkpoint", "reindex", "optimize", "drill"), _RUN),
    "retention simulate": _many(backups.KeptShape, daily=backups.RetentionDayShape),
    "schedule": _many(maintenance.PlannedShape),
    "schedule preview": _many(maintenance.SlotShape),
    "runs": _many(maintenance.RunShape),
    "pause": _one(maintenance.PauseShape),
    "resume": _one(maintenance.ResumeShape),
    "freeze": _one(maintenance.FreezeShape),
    "unfreeze": _one(maintenance.UnfreezeShape),
    "rules render": _one(
        agent.RulesShape, "A manifest with --format operator. JSON is YAML, so Prometheus reads it too.", out=agent.RuleFilesShape
    ),
    "rules values": _one(Document, "Every value by its name, and below alerts those of each alert: a values file."),
    "check-metrics": _many(agent.MetricShape),
    "notify test": _many(agent.ChannelShape),
    "doctor": _many(
        doctor.FindingShape, "The worst first; --fix and --undo write one object.", fix=doctor.FixShape, undo=doctor.FixShape
    ),
    "config check": _many(agent.OptionFindingShape, "Of --host; a mistake in the file itself is an error, one line each."),
    "config diff-effect": _one(agent.EffectShape),
    "config ack": _one(agent.AcknowledgedShape),
    "config show": _one(Document, "Every option by its name, as `config schema` describes them; secrets are hidden."),
    "config schema": _one(Document, "A JSON Schema; without --json too, on many lines."),
}  # fmt: skip

WITHOUT: Final = {
    "": "it is a glance for a person; `doctor`, `stats`, `runs`, `backup list` and `schedule` tell a program the same",
    "man": "it prints a manual page, which is roff",
    "completion": "it prints a script for a shell",
    "run": "it does not end by itself: its log is JSON (`log.format`), and its HTTP server answers programs",
}
"""Command → why it has no ``--json``; the empty one is the program without a command."""
