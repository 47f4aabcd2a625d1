"""Store and maintenance: sizes, growth, what each task did, and what stands in its way."""

from __future__ import annotations

from typing import Any, Final

from dashboards.frame import framed
from dashboards.panels import BAD, CALM, GOOD, HOUR, WARN, bars, graph, listing, row, single, states
from dashboards.query import age, highest, increase, lowest, metric, rate, total

_OUTCOMES: Final = ("ok", "skipped", "interrupted", "failed")
_OUTCOME_WORDS: Final = {
    "0": ("ok", GOOD),
    "1": ("skipped", CALM),
    "2": ("interrupted", WARN),
    "3": ("failed", BAD),
}


def build() -> dict[str, Any]:
    """The dashboard."""
    return framed(
        "hyperjobs-store",
        "hyperjobs / Store and maintenance",
        "The store's files, their growth, the ledger, and every maintenance task.",
        [
            row("Files"),
            *_files(),
            row("Tasks"),
            *_tasks(),
            row("Prune and vacuum"),
            *_deleting(),
            row("Soundness"),
            *_soundness(),
            row("Ledger"),
            *_ledger(),
        ],
        since="now-7d",
    )


def _files() -> list[Any]:
    size, main = metric("store_size_bytes"), metric("store_size_bytes", 'file="main"')
    free = metric("store_filesystem_avail_bytes")
    pages = f"{metric('store_pages')} * {metric('store_page_size_bytes')}"
    return [
        graph(
            "Size",
            "The main file, its -wal and its -shm. A -wal that grows and stays has a reader that pins it.",
            (total(size, "file"), "{{file}}"),
            unit="bytes",
            stack=True,
        ),
        graph(
            "Free pages",
            "Space inside the file that a vacuum could give back, and its share of the file.",
            (total(metric("store_freelist_bytes")), "reclaimable"),
            unit="bytes",
            width=6,
        ),
        single(
            "Free share",
            "Free pages of all pages. Above maintenance.vacuum.min_free a vacuum pays.",
            highest(f"{metric('store_freelist_bytes')} / ({pages})"),
            unit="percentunit",
            steps=((None, GOOD), (0.2, WARN), (0.4, BAD)),
            trend=True,
            decimals=1,
            height=8,
        ),
        single(
            "Rows",
            "Jobs in the table.",
            total(metric("store_rows", 'table="jobs"')),
            unit="short",
            trend=True,
            height=8,
        ),
        graph(
            "Free disk, and in a week",
            "What is left on the store's file system, and what would be left in seven days at the rate of the last six hours.",
            (lowest(free), "now"),
            (lowest(metric("store_filesystem_size_bytes")), "size of the file system"),
            (f"min(predict_linear({free}[6h], 7 * 86400))", "in 7 days"),
            unit="bytes",
            least=None,
        ),
        graph(
            "Growth a day",
            "By how much the main file grows a day, at the rate of the last day.",
            (f"sum(deriv({main}[1d])) * 86400", "growth"),
            unit="bytes",
            least=None,
        ),
    ]


def _tasks() -> list[Any]:
    runs = metric("task_runs_total")
    ended = [total(increase(metric("task_runs_total", f'outcome="{name}"')), "task") for name in _OUTCOMES]
    outcome = " or ".join(f"({runs_of} > 0) * 0 + {number}" for number, runs_of in reversed(list(enumerate(ended))))
    return [
        states(
            "Runs",
            "How the runs of each task ended; of several within one step the worst is shown.",
            (outcome, "{{task}}"),
            words=_OUTCOME_WORDS,
            step="5m",
            height=9,
        ),
        listing(
            "Timetable",
            "Each task: when it runs next, when it last succeeded, what its schedule allows between two runs, and how long the last run took.",
            {
                "A": ("next run", f"{lowest(metric('task_next_run_timestamp_seconds'), 'task')} * 1000"),
                "B": ("last success", f"{lowest(metric('task_last_success_timestamp_seconds'), 'task')} * 1000"),
                "C": ("interval", highest(metric("task_expected_interval_seconds"), "task")),
                "D": ("took", highest(metric("task_duration_seconds"), "task")),
                "E": ("running", highest(metric("task_running"), "task")),
                "F": ("missed", total(metric("task_missed_runs_total"), "task")),
            },
            by="task",
            units={
                "next run": "dateTimeFromNow",
                "last success": "dateTimeFromNow",
                "interval": "s",
                "took": "s",
            },
            words={"running": {"0": ("no", "transparent"), "1": ("running", CALM)}},
            width=14,
            height=10,
        ),
        graph(
            "Runs by outcome",
            "Runs of all tasks that ended.",
            (total(increase(runs), "outcome"), "{{outcome}}"),
            unit="short",
            bars=True,
            stack=True,
            step=HOUR,
            colours={"ok": GOOD, "skipped": CALM, "interrupted": WARN, "failed": BAD},
            width=10,
            height=10,
        ),
        graph(
            "Overdue",
            "Time since the last success of each task over what its schedule allows: at 1.5 an alert warns, at 3 it pages.",
            (
                f"max by (task) ((time() - {metric('task_last_success_timestamp_seconds')}) / {metric('task_expected_interval_seconds')})",
                "{{task}}",
            ),
            unit="short",
            steps=((None, "transparent"), (1.5, WARN), (3, BAD)),
        ),
        graph(
            "Time of the last run",
            "How long the last run of each task took.",
            (highest(metric("task_duration_seconds"), "task"), "{{task}}"),
            unit="s",
        ),
    ]


def _deleting() -> list[Any]:
    return [
        graph(
            "Pruned",
            "Jobs deleted by prune, by their status. Counters of jobs do not fall by it.",
            (total(increase(metric("pruned_jobs_total")), "status"), "{{status}}"),
            unit="short",
            bars=True,
            stack=True,
            step=HOUR,
            colours={"completed": GOOD, "failed": BAD, "cancelled": "#8e8e8e"},
        ),
        graph(
            "Given back by vacuum",
            "Bytes that vacuum gave back to the file system.",
            (total(increase(metric("vacuum_reclaimed_bytes_total"))), "given back"),
            unit="bytes",
            bars=True,
            step=HOUR,
        ),
    ]


def _soundness() -> list[Any]:
    return [
        states(
            "State of the store",
            "Whether it is readable, whole, free of a freeze and of a reader that blocks checkpoints, and whether a person has paused maintenance.",
            (f"1 - {lowest(metric('store_up'))}", "unreadable"),
            (f"1 - {lowest(metric('store_integrity_ok'))}", "damaged"),
            (f"{highest(metric('store_frozen'))} or vector(0)", "frozen"),
            (highest(metric("store_checkpoint_blocked")), "checkpoint blocked"),
            (highest(metric("maintenance_window")) + " * 2", "paused"),
            words={"0": ("no", GOOD), "1": ("yes", BAD), "2": ("paused", CALM)},
            height=7,
        ),
        graph(
            "Locks and errors",
            "Times an hour that the agent gave up waiting for a lock, and failures to read or tend the store by reason.",
            (total(increase(metric("store_busy_total"))), "gave up waiting"),
            (f"{total(increase(metric('store_errors_total')), 'reason')}", "{{reason}}"),
            unit="short",
            step=HOUR,
        ),
        bars(
            "Rows that cannot be",
            "Rows that the newest check found impossible, by kind.",
            f"{highest(metric('store_anomalies'), 'kind')} > 0",
            "{{kind}}",
            unit="short",
            steps=((None, WARN),),
        ),
        bars(
            "Values not counted",
            "Values of jobs that could not be counted as they stand, since the agent started.",
            total(metric("rows_skipped_total"), "reason"),
            "{{reason}}",
            unit="short",
            steps=((None, WARN),),
        ),
        single(
            "Flavour and journal",
            "What kind of store it is, and how it journals.",
            highest(metric("store_info"), "flavour", "schema_version", "journal_mode"),
            unit="none",
            legend="{{flavour}} v{{schema_version}}, {{journal_mode}}",
            width=12,
        ),
        single(
            "Free of the WAL-reset bug",
            "Whether the agent's own SQLite is; a writer's may not be.",
            lowest(metric("store_wal_reset_safe")),
            unit="none",
            words={"1": ("yes", GOOD), "0": ("NO", BAD)},
            width=12,
        ),
    ]


def _ledger() -> list[Any]:
    return [
        graph(
            "Changes not yet folded",
            "Changes of the store that are logged and not yet in the totals; up to 10,000 are added at each scrape.",
            (highest(metric("ledger_unfolded_rows")), "unfolded"),
            unit="short",
            width=8,
        ),
        graph(
            "Folds",
            "Folds of the change log a second.",
            (total(rate(metric("ledger_folds_total"))), "folds"),
            unit="ops",
            width=8,
        ),
        graph(
            "Corrections",
            "Jobs by which gauges were found off and put right, times the store was counted anew, and changes counted under provider other.",
            (total(metric("ledger_drift_total")), "drift"),
            (total(metric("ledger_rebaselines_total")), "counted anew"),
            (total(metric("label_overflow_total")), "provider other"),
            unit="short",
            width=8,
        ),
        graph(
            "Changes that wait for the audit log",
            "With audit.path: changes of status that are in the store and not in the log yet. It should fall to 0 at every look.",
            (highest(metric("audit_waiting_changes")), "waiting"),
            unit="short",
            width=24,
        ),
        single(
            "Audit log",
            "Whether the audit log could be written at the last try; empty without audit.path.",
            lowest(metric("audit_up")),
            unit="none",
            words={"1": ("written", GOOD), "0": ("not written", BAD)},
            width=6,
        ),
        single(
            "Audit log last added to",
            "Nothing is added while no job changes its status.",
            age(highest(metric("audit_last_write_timestamp_seconds"))),
            unit="s",
            width=6,
        ),
        single(
            "First count done",
            "Until the first count of the store is in there are no metrics of jobs.",
            lowest(metric("ledger_ready")),
            unit="none",
            words={"1": ("yes", GOOD), "0": ("counting", WARN)},
            width=6,
        ),
        single(
            "Epoch",
            "Times that the store was found rolled back or replaced; counters were kept from falling.",
            highest(metric("ledger_epoch")),
            unit="none",
            width=6,
        ),
    ]
