"""Backup confidence: what there is, how old it is, and whether a restore of it has been proven."""

from __future__ import annotations

from typing import Any, Final

from dashboards.frame import framed
from dashboards.panels import BAD, CALM, GOOD, HOUR, WARN, bars, graph, row, single, states
from dashboards.query import age, highest, increase, lowest, metric, total

_DAY_S: Final = 86_400
_STATE_COLOURS: Final = {"verified": GOOD, "unverified": WARN, "failed": BAD, "damaged": "purple"}


def build() -> dict[str, Any]:
    """The dashboard."""
    return framed(
        "hyperjobs-backup",
        "hyperjobs / Backup confidence",
        "Backups by destination and state, their age, and what restore drills measured.",
        [row("Now"), *_now(), row("Backups"), *_backups(), row("Restores"), *_drills(), row("Room"), *_room()],
        since="now-30d",
        refresh="5m",
    )


def _now() -> list[Any]:
    backups = metric("backups")
    verified = metric("backups", 'state="verified"')
    return [
        single(
            "Newest verified",
            "Age of the newest backup that stood its proof, of the best destination.",
            age(highest(metric("backup_newest_timestamp_seconds", 'state="verified"'))),
            unit="s",
            steps=((None, GOOD), (1.5 * _DAY_S, WARN), (3 * _DAY_S, BAD)),
            width=4,
            unknown="none",
        ),
        single(
            "Worst destination",
            "Age of the newest verified backup at the destination that is furthest behind.",
            age(
                lowest(
                    highest(metric("backup_newest_timestamp_seconds", 'state="verified"'), "instance", "destination")
                )
            ),
            unit="s",
            steps=((None, GOOD), (1.5 * _DAY_S, WARN), (3 * _DAY_S, BAD)),
            width=4,
            unknown="none",
        ),
        single(
            "Verified",
            "Backups that count, at all destinations. Below two there is no second chance.",
            total(verified),
            unit="none",
            steps=((None, BAD), (2, GOOD)),
            width=4,
        ),
        single(
            "Share verified",
            "Verified ones of all that lie there.",
            f"{total(verified)} / ({total(backups)} > 0)",
            unit="percentunit",
            steps=((None, BAD), (0.8, WARN), (0.95, GOOD)),
            decimals=0,
            width=4,
        ),
        single(
            "Reaches back",
            "Age of the oldest backup at hand: how far back a restore can go.",
            age(lowest(metric("backup_oldest_timestamp_seconds"))),
            unit="s",
            width=4,
        ),
        single(
            "Pinned",
            "Backups that stay whatever retention says.",
            total(metric("backups_pinned")),
            unit="none",
            width=4,
        ),
    ]


def _backups() -> list[Any]:
    newest = metric("backup_newest_timestamp_seconds")
    return [
        graph(
            "Backups by state",
            "How many lie at all destinations together, by state. Only verified ones count.",
            (total(metric("backups"), "state"), "{{state}}"),
            unit="short",
            stack=True,
            colours=_STATE_COLOURS,
            step="5m",
        ),
        graph(
            "Age of the newest, by destination",
            "A destination whose line goes on rising gets no backups any more.",
            (age(highest(newest, "instance", "destination", "state")), "{{destination}} {{state}}"),
            unit="s",
            steps=((None, "transparent"), (1.5 * _DAY_S, WARN), (3 * _DAY_S, BAD)),
        ),
        graph(
            "Size of the newest",
            "Size of the newest verified backup, and its mean over two weeks. Half of the mean at once is suspicious, unless a prune or a vacuum was at work that day.",
            (highest(metric("backup_size_bytes"), "instance"), "newest {{instance}}"),
            (f"max by (instance) (avg_over_time({metric('backup_size_bytes')}[14d]))", "mean {{instance}}"),
            unit="bytes",
        ),
        graph(
            "Backup runs",
            "Runs of the backup task by outcome.",
            (total(increase(metric("task_runs_total", 'task="backup"')), "outcome"), "{{outcome}}"),
            unit="short",
            bars=True,
            stack=True,
            step=HOUR,
            colours={"ok": GOOD, "skipped": CALM, "interrupted": WARN, "failed": BAD},
            width=6,
        ),
        bars(
            "At each destination",
            "Backups by destination and state, now.",
            total(metric("backups"), "destination", "state"),
            "{{destination}} {{state}}",
            unit="short",
            width=6,
        ),
    ]


def _drills() -> list[Any]:
    drilled = metric("drill_last_success_timestamp_seconds")
    return [
        single(
            "Last drill",
            "Whether the last restore drill passed.",
            lowest(metric("drill_ok")),
            unit="none",
            words={"1": ("passed", GOOD), "0": ("FAILED", BAD)},
            width=4,
            unknown="never ran",
        ),
        single(
            "Proven",
            "Time since a drill last passed.",
            age(lowest(drilled)),
            unit="s",
            steps=((None, GOOD), (8 * _DAY_S, WARN), (22 * _DAY_S, BAD)),
            width=4,
            unknown="never",
        ),
        single(
            "Recovery time, measured",
            "From the start of the last good drill until the restored store was open and counted.",
            highest(metric("drill_duration_seconds")),
            unit="s",
            width=4,
        ),
        single(
            "Recovery point, measured",
            "Age of the data that the last good drill gave back.",
            highest(metric("drill_data_age_seconds")),
            unit="s",
            width=4,
        ),
        graph(
            "Recovery time and point",
            "What drills measured, over time.",
            (highest(metric("drill_duration_seconds")), "recovery time"),
            (highest(metric("drill_data_age_seconds")), "recovery point"),
            unit="s",
            width=8,
            height=4,
        ),
        states(
            "Drills",
            "Whether the newest drill had passed, and how often the store was found rolled back or replaced, as by a restore.",
            (lowest(metric("drill_ok")), "newest drill"),
            words={"0": ("failed", BAD), "1": ("passed", GOOD)},
            height=4,
        ),
        graph(
            "Restores of the store",
            "Times the agent found the store rolled back or replaced: each restore is one.",
            (highest(metric("ledger_epoch"), "instance"), "{{instance}}"),
            unit="short",
            width=24,
            height=6,
        ),
    ]


def _room() -> list[Any]:
    return [
        graph(
            "Free where backups lie",
            "What the agent may still use on the file system of the backups.",
            (lowest(metric("backup_filesystem_avail_bytes"), "instance"), "{{instance}}"),
            unit="bytes",
        ),
        graph(
            "Backups that would fit",
            "Free room over the size of the newest backup, with half of it for the copy that is made first.",
            (
                f"min by (instance) ({metric('backup_filesystem_avail_bytes')} / (2 * ({metric('backup_size_bytes')} > 0)))",
                "{{instance}}",
            ),
            unit="short",
        ),
    ]
