"""What a timetable remembers, kept in memory, and a ledger of runs as the runner keeps it."""

from __future__ import annotations

from collections import Counter


class MemoryMarks:
    """Marks that last as long as the test."""

    def __init__(self):
        self.marks = {}
        self.runs = []
        self.missed = Counter()
        self.asked = 0

    def mark(self, task, schedule):
        kept = self.marks.get(task)
        return kept[1] if kept and kept[0] == schedule else None

    def set_mark(self, task, schedule, at):
        self.marks[task] = (schedule, at)

    def has_run(self, task, slot):
        self.asked += 1
        return (task, slot) in self.runs

    def add_missed(self, task, count):
        assert count > 0
        self.missed[task] += count

    def record(self, task, slot):
        """A run begins; its slot is unique."""
        assert (task, slot.nominal) not in self.runs, f"{slot} ran twice"
        self.runs.append((task, slot.nominal))
