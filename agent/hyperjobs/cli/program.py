"""The program: its commands by name, and the entry point."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from hyperjobs import __version__
from hyperjobs.cli.edge import EXIT_CODES, INTERRUPTED, answer, prepare_streams
from hyperjobs.cli.lazy import LazyGroup
from hyperjobs.cli.setting import verbose_option
from hyperjobs.cli.signals import prepare_signals

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.group(
    "hyperjobs",
    cls=LazyGroup,
    examples=[
        ("How the store is, and what to do next", "hyperjobs"),
        ("What failed last", "hyperjobs failed"),
        ("What is wrong with the store or this machine", "hyperjobs doctor"),
        ("Take a backup", "hyperjobs backup create"),
    ],
    places={
        "list": ("hyperjobs.cli.jobs:list_command", "List jobs, newest first."),
        "running": ("hyperjobs.cli.jobs:running_command", "List the jobs that are running, with their progress."),
        "failed": ("hyperjobs.cli.jobs:failed_command", "List the newest jobs that failed, with their errors."),
        "show": ("hyperjobs.cli.show:show_command", "Show everything about one job."),
        "history": ("hyperjobs.cli.history:history_command", "List the changes of one job's status, oldest first."),
        "watch": (
            "hyperjobs.cli.watch:watch_command",
            "Watch the running jobs: their progress, speed and time left, and those that end meanwhile.",
        ),
        "top": ("hyperjobs.cli.top:top_group", "Show what there is most of."),
        "diff": (
            "hyperjobs.cli.diff:diff_command",
            "Say which jobs are only in A, only in B, or changed, and in which fields.",
        ),
        "stats": ("hyperjobs.cli.stats:stats_command", "Count jobs by status, and the success rate."),
        "cancel": ("hyperjobs.cli.edit:cancel_command", "Set jobs that are pending or running to cancelled."),
        "retry": ("hyperjobs.cli.edit:retry_command", "Set jobs that failed or were cancelled back to pending."),
        "set-status": ("hyperjobs.cli.edit:set_status_command", "Set jobs to another status that they may have next."),
        "delete": ("hyperjobs.cli.delete:delete_command", "Delete finished jobs, having archived them."),
        "export": ("hyperjobs.cli.export:export_command", "Write jobs to a file or to standard output."),
        "import": ("hyperjobs.cli.import_:import_command", "Put the jobs of a file into a store."),
        "copy": ("hyperjobs.cli.copy:copy_command", "Put the jobs of the store SRC into the store DST, to the bit."),
        "run": ("hyperjobs.cli.run:run_command", "Run the agent until it is told to stop."),
        "healthcheck": ("hyperjobs.cli.healthcheck:healthcheck_command", "Ask the running agent whether it is well."),
        "install": ("hyperjobs.cli.ledger:install_command", "Add the ledger to a store."),
        "uninstall": ("hyperjobs.cli.ledger:uninstall_command", "Take the ledger out of a store again."),
        "backup": (
            "hyperjobs.cli.backup:backup_group",
            "Take, list, prove, compare, keep and delete backups of a store.",
        ),
        "restore": ("hyperjobs.cli.restore:restore_command", "Put a backup in the store's place."),
        "salvage": (
            "hyperjobs.cli.salvage:salvage_command",
            "Get every job that can be read out of a damaged store, into a new one.",
        ),
        "rebuild": (
            "hyperjobs.cli.rebuild:rebuild_command",
            "Make a store again from what is left when it is gone: backups, archives, exports, the audit log.",
        ),
        "retention": ("hyperjobs.cli.retention:retention_group", "See what a policy of retention keeps."),
        "prune": (
            "hyperjobs.cli.prune:prune_group",
            "Delete finished jobs that are past their retention, the oldest first, having archived them.",
        ),
        "pin": ("hyperjobs.cli.pin:pin_command", "Keep a job from every prune, whatever its age."),
        "unpin": ("hyperjobs.cli.pin:unpin_command", "Let a pinned job go with the next prune that finds it too old."),
        "pins": (
            "hyperjobs.cli.pin:pins_command",
            "List the pinned jobs, the oldest pin first: id, since when, by whom, whether the job is there, why.",
        ),
        "integrity": (
            "hyperjobs.cli.care:integrity_command",
            "Check the live store, beside its writers: pages, rows, orphans, and the ledger against the table.",
        ),
        "vacuum": (
            "hyperjobs.cli.care:vacuum_command",
            "Give free pages back, in the way that writers notice least, or say why it would not pay.",
        ),
        "checkpoint": (
            "hyperjobs.cli.care:checkpoint_command",
            "Move the -wal into the store's file, and say who keeps it from being moved.",
        ),
        "reindex": (
            "hyperjobs.cli.care:reindex_command",
            "Build the indexes of a store anew, all of them or those named.",
        ),
        "optimize": (
            "hyperjobs.cli.care:optimize_command",
            "Renew the statistics that SQLite plans queries by, where the store has any.",
        ),
        "drill": (
            "hyperjobs.cli.care:drill_command",
            "Restore the newest backup to a scratch file, check it in full, and measure how long that takes.",
        ),
        "schedule": ("hyperjobs.cli.schedule:schedule_group", "Show when each task of the configuration runs next."),
        "runs": (
            "hyperjobs.cli.runs:runs_command",
            "List the newest runs of maintenance, or of one task, newest first.",
        ),
        "audit": (
            "hyperjobs.cli.audit:audit_group",
            "Prove and read the audit log, which the agent writes when audit.path is set.",
        ),
        "pause": (
            "hyperjobs.cli.hold:pause_command",
            "Let no scheduled task start for a while; what a person starts still runs.",
        ),
        "resume": ("hyperjobs.cli.hold:resume_command", "End a pause."),
        "freeze": (
            "hyperjobs.cli.hold:freeze_command",
            "Stop prune, vacuum and the rotation of backups until somebody unfreezes the store.",
        ),
        "unfreeze": (
            "hyperjobs.cli.hold:unfreeze_command",
            "Let prune, vacuum and rotation run again, after somebody has looked at what froze them.",
        ),
        "rules": (
            "hyperjobs.cli.rules:rules_group",
            "Render the alerts and recording rules for Prometheus, with thresholds of your own.",
        ),
        "check-metrics": (
            "hyperjobs.cli.check_metrics:check_metrics_command",
            "Say which metrics and labels dashboards and rules ask for that this agent does not export.",
        ),
        "notify": ("hyperjobs.cli.notify:notify_group", "Try the channels of notifications."),
        "doctor": (
            "hyperjobs.cli.doctor:doctor_command",
            "Say what is wrong with the store and its host, and what to do about it.",
        ),
        "config": ("hyperjobs.cli.config:config_group", "Check, show or describe the configuration."),
        "man": ("hyperjobs.cli.man:man_command", "Print the manual page of a command, or write those of all."),
        "completion": ("hyperjobs.cli.completion:completion_command", "Print the completion for bash, zsh or fish."),
    },
    headings={
        "list": "Jobs",
        "cancel": "Changes of jobs",
        "export": "Jobs to and from elsewhere",
        "run": "The agent",
        "backup": "Backups",
        "prune": "Pruning",
        "integrity": "Care of the store",
        "schedule": "When it happens, and what was done",
        "rules": "Alerts and dashboards",
        "doctor": "Help",
    },
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    invoke_without_command=True,
    epilog=f"Exit codes: {', '.join(f'{code} {meaning}' for code, meaning in EXIT_CODES.items() if code < INTERRUPTED)}.",
)
@click.version_option(__version__, "-V", "--version", prog_name="hyperjobs", message="%(prog)s %(version)s")
@verbose_option
@click.pass_context
def program(context: click.Context) -> int:
    """Look after hypersdk's SQLite job store.

    Without a command: how the store is, and what to do next.
    """
    if context.invoked_subcommand is not None:
        return 0
    from hyperjobs.cli.glance import glance  # noqa: PLC0415 - only where no command is

    return glance(context)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and give its exit code.

    It prepares the process for being a command (signals, standard streams), so call it in a process of your own only.

    Args:
        arguments: the words after the program's name; by default those of this process.
    """
    prepare_streams()
    prepare_signals()
    if asked := os.environ.get("_HYPERJOBS_COMPLETE"):
        from hyperjobs.cli.shell import answer_shell  # noqa: PLC0415 - only where a shell asks

        return answer_shell(program, asked)
    return answer(program, sys.argv[1:] if arguments is None else arguments)
