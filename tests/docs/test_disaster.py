"""docs/disaster.md is rehearsed: what each part is for happens for real, its lines are typed, and the jobs are counted."""

from __future__ import annotations

import re

import pytest

from support import catastrophes, s3
from support.catastrophes import A_MOMENT, CASES, NOTHING, SINCE_BACKUP, lives_on
from support.doc_world import DAEMON, acknowledged, configuration, ids
from support.following import follow
from support.pages import command_lines, text_of
from support.processes import until

PAGE = "docs/disaster.md"
PARTS = ["You see", "Type", "You lose", "It is over when"]
FULL = "The disk is full"
NO_BACKUP = "Store and backups are gone"


def sections():
    """Heading → the lines under it."""
    text = text_of(PAGE)
    found, starts = {}, [(each.start(), each[1]) for each in re.finditer(r"^## (.+)$", text, re.MULTILINE)]
    for (start, heading), end in zip(starts, [at for at, _ in starts[1:]] + [len(text)], strict=True):
        first, last = text.count("\n", 0, start) + 1, text.count("\n", 0, end) + 1
        found[heading] = [line for line in command_lines(PAGE) if first < line.number < last]
    return found


def prose_of(heading):
    return text_of(PAGE).partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


@pytest.fixture
def alive(here):
    """A world with a backup here and there, whose agent looks after it and whose writer writes on."""
    begin(here)
    return here


def begin(world, offsite=None, audit=None, **options):
    """Start everything, take a backup, and let the writer go on; it goes to a directory too, or where ``offsite`` says."""
    if offsite is None:
        elsewhere = world.root / "mnt/offsite"
        elsewhere.mkdir()
        offsite = {"directory": str(elsewhere)}
    destinations = [{"name": "offsite", **offsite}]
    backup = {"directory": str(world.root / "var/backups/hyperjobs"), "host": "db1", "destinations": destinations}
    configuration(world, maintenance={"reserve": 0, "backup": backup, **options}, audit=audit or {})
    world.start(DAEMON)
    world.start("hyperjobs")
    lives_on(world)
    world.backed_up = ids(world.store)
    done = world.run("hyperjobs backup create")
    assert done.code == 0, done.written
    lives_on(world)
    world.words.update(
        PID=lambda: str(world.process(DAEMON).pid),
        KEPT=lambda: str(max(world.store.parent.glob("jobs.db.before-restore-*"))),
        RUN=lambda: "latest",
        JOB=lambda: "job-3",
        FILE=lambda: str(world.store.parent / "core.4242"),
    )


def rehearse(world, heading):
    """Type all lines of a part; then writer and agent work on."""
    wrong = follow(world, sections()[heading])
    assert not wrong, "\n\n".join(wrong)
    lives_on(world)


def is_well(world):
    """Whether agent and store say so."""
    return world.run("hyperjobs doctor --only store --only integrity --only holds --only agent").code == 0


def holds_all(world, before, after, loses):
    """Whether the store has every job that the page promises: of those before the backup, and of those after it."""
    lost = (before | after) - ids(world.store)
    if loses == A_MOMENT:
        return len(lost) <= 1 and not lost & before
    return lost <= (set() if loses == NOTHING else after - before)


@pytest.mark.parametrize(("heading", "happens", "loses"), CASES, ids=[case[1].__name__ for case in CASES])
def test_whoever_types_what_the_page_says_is_out_of_it_again(alive, heading, happens, loses):
    before = alive.backed_up
    happens(alive)

    rehearse(alive, heading)

    assert holds_all(alive, before, set(acknowledged(alive)), loses)
    assert is_well(alive)


@pytest.mark.tool("rclone")
def test_a_host_is_brought_back_from_a_bucket(here, tmp_path):
    for name, text in (("access", s3.KEY), ("secret", s3.SECRET)):
        (here.root / f"etc/hyperjobs/{name}").write_text(text)
    keys = {f"{name}_key_file": str(here.root / f"etc/hyperjobs/{name}") for name in ("access", "secret")}
    with s3.s3_server(tmp_path / "s3") as server:
        server.make_bucket("backups")
        begin(here, offsite={"bucket": "backups", "prefix": "prod/jobs", "endpoint": server.url, **keys})
        catastrophes.lose_host(here)

        rehearse(here, "The host is gone")

        assert holds_all(here, here.backed_up, set(acknowledged(here)), SINCE_BACKUP)
        assert is_well(here)


def test_a_full_disk_loses_nothing_and_is_left_by_what_the_page_says(here):
    with catastrophes.on_a_small_disk(here) as disk:
        begin(here, reserve="1MiB")
        catastrophes.fill_disk(here, disk)

        rehearse(here, FULL)

        assert holds_all(here, here.backed_up, set(acknowledged(here)), NOTHING)
        assert is_well(here)
        here.close()


def test_a_store_is_made_again_from_an_export_and_the_audit_log(here):
    log = here.root / "var/log/hyperjobs/audit.jsonl"
    begin(here, audit={"path": str(log)})
    (here.root / "srv/exports").mkdir()
    done = here.run("hyperjobs export /srv/exports/jobs.jsonl.zst")
    assert done.code == 0, done.written
    lives_on(here)
    audited = acknowledged(here)
    until(lambda: f'"{audited[-1]}"' in log.read_text(), "the last job in the audit log")
    catastrophes.lose_all_but_pieces(here)

    rehearse(here, NO_BACKUP)

    assert {*here.backed_up, *audited} <= ids(here.store)
    assert is_well(here)


def test_what_is_lost_is_seen(alive):
    catastrophes.delete_by_another_program(alive)

    assert not holds_all(alive, alive.backed_up, set(acknowledged(alive)), SINCE_BACKUP)


def test_every_part_of_the_page_says_all_that_one_wants_to_know_and_is_rehearsed():
    assert {case[0] for case in CASES} | {FULL, NO_BACKUP} == set(sections())
    for heading, lines in sections().items():
        assert re.findall(r"^\*\*(.+?)\*\*", prose_of(heading), re.MULTILINE) == PARTS, heading
        assert len(lines) > len(PARTS), heading


def test_the_page_leads_to_every_part_by_what_one_sees():
    rows = re.findall(r"^\| [^|]+ \| \[([^\]]+)\]\(#", text_of(PAGE), re.MULTILINE)

    assert rows == list(sections())
