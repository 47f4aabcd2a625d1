"""The checks there are. A new one is a function in the file it belongs to, and a line here and in docs/doctor.md."""

from __future__ import annotations

from typing import Final

from hyperjobs.doctor import counting, files, host, libraries, locking, pages, safety, times
from hyperjobs.doctor.check import Check

FIRST: Final = Check(name="store", question="Is it a job store?", look=files.look_at_store, limit_s=3.0)
"""The others go by what it finds."""

OTHERS: Final = (
    Check(name="integrity", question="Are its pages whole?", look=pages.look_at_integrity),
    Check(name="lock", question="Who keeps writers out?", look=locking.look_at_lock, needs_file=True, limit_s=7.0),
    Check(
        name="wal", question="How long is the -wal, and who holds it back?", look=locking.look_at_wal, needs_store=True
    ),
    Check(name="journal", question="Is it in WAL mode?", look=pages.look_at_journal, needs_store=True),
    Check(
        name="permissions", question="May the agent read and write it?", look=files.look_at_permissions, needs_file=True
    ),
    Check(name="filesystem", question="Is its disk one of this host?", look=files.look_at_filesystem, needs_file=True),
    Check(name="room", question="Has its disk room?", look=files.look_at_room, needs_store=True),
    Check(name="rows", question="Can every row be, and be read?", look=counting.look_at_rows, needs_store=True),
    Check(name="orphans", question="Has every row its parent?", look=counting.look_for_orphans, needs_store=True),
    Check(
        name="indexes",
        question="Are hypersdk's indexes there?",
        look=pages.look_at_indexes,
        needs_store=True,
        needs_hypersdk=True,
    ),
    Check(
        name="plans",
        question="Are they used?",
        look=pages.look_at_plans,
        needs_store=True,
        needs_hypersdk=True,
    ),
    Check(name="free-pages", question="How much of the file is free?", look=files.look_at_pages, needs_store=True),
    Check(
        name="ledger",
        question="Are the numbers exact?",
        look=counting.look_at_ledger,
        needs_store=True,
        needs_hypersdk=True,
    ),
    Check(
        name="sqlite",
        question="Which SQLite do we and the writers use?",
        look=libraries.look_at_libraries,
        needs_file=True,
    ),
    Check(name="backup", question="How old is the newest verified backup?", look=safety.look_at_backups),
    Check(name="drill", question="When was one last restored for proof?", look=safety.look_at_drill),
    Check(name="holds", question="Is maintenance frozen or paused?", look=safety.look_at_holds),
    Check(name="clock", question="Can the clock be right?", look=times.look_at_clock),
    Check(name="zones", question="Can time zones be read?", look=times.look_at_zones),
    Check(name="schedule", question="Do the tasks run when they should?", look=times.look_at_schedule),
    Check(name="config", question="Can the configuration be used?", look=host.look_at_config),
    Check(name="host", question="Is this machine as configured?", look=host.look_at_host),
    Check(name="agent", question="Does an agent answer, and is it scraped?", look=host.look_at_agent, limit_s=6.0),
    Check(
        name="litestream",
        question="Does Litestream look after it too?",
        look=host.look_for_litestream,
        needs_store=True,
    ),
    Check(name="limits", question="How many files may the agent open?", look=host.look_at_limits),
    Check(name="leftovers", question="What was left behind?", look=files.look_for_leftovers),
)

NAMES: Final = tuple(check.name for check in (FIRST, *OTHERS))
