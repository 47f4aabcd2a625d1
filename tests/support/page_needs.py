"""What each page takes for granted before its first line is followed, and how its lines end when not with 0."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from support.certificates import Authority
from support.doc_world import backups, configuration, job, make_store, old, old_backup
from support.pages import blocks
from support.processes import until
from support.receivers import http_receiver, mail_receiver
from support.stores import insert

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.follower import World

CODES = {
    # what the page shows is a store that its writers are kept out of; its table of exit codes has 4 for it
    ("docs/doctor.md", "hyperjobs doctor"): 4,
    # "Exit code 1 when anything is not there", and what is shown says that two are not
    ("docs/commands.md", "hyperjobs check-metrics dashboard.json"): 1,
    # "The exit code is 1 when one did not arrive", and what is shown says that one did not
    ("docs/commands.md", "hyperjobs notify test"): 1,
}
"""Page and line → exit code, where the page says that it is not 0."""

Need = "Callable[[World], contextlib.AbstractContextManager[None]]"
_NEEDS: dict[str, Need] = {}

_DAY = timedelta(days=1)
_HOLDER = """
import sys, threading, apsw
db = apsw.Connection(sys.argv[1])
db.execute("BEGIN IMMEDIATE")
db.execute("UPDATE jobs SET progress=1 WHERE id='job-4'")
print("held", flush=True)
threading.Event().wait()
"""
_DASHBOARD = {
    "panels": [
        {"title": title, "targets": [{"expr": query}], "type": "timeseries"}
        for title, query in (
            ("Failures", "rate(hypersdk_jobs_failed_total[5m])"),
            ("By machine", "sum by (vm) (hyperjobs_jobs)"),
            ("Load", "node_load1 + node_load5 + node_load15"),
        )
    ]
}


@contextlib.contextmanager
def met(world: World, page: str) -> Iterator[None]:
    """For the length of a block: all that the page takes for granted."""
    world.words.update({"JOB": lambda: "job-3", "RUN": lambda: "latest", "BACKUP": lambda: backups(world)[-1]})
    with _NEEDS.get(page, _nothing)(world):
        yield


def _of(*pages: str) -> Callable[[Callable[[World], Iterator[None]]], Need]:
    def mark(function: Callable[[World], Iterator[None]]) -> Need:
        need = contextlib.contextmanager(function)
        _NEEDS.update(dict.fromkeys(pages, need))
        return need

    return mark


@contextlib.contextmanager
def _nothing(_: World) -> Iterator[None]:
    yield


@_of("docs/runbooks.md", "docs/backup.md", "docs/api.md", "docs/upgrade.md")
def _an_agent_and_what_it_keeps(world: World) -> Iterator[None]:
    """Backups, an export and an audit log, and a copy of the backups on another disk."""
    log = world.root / "var/log/hyperjobs/audit.jsonl"
    configuration(world, audit={"path": str(log)})
    (world.root / "srv/exports").mkdir()
    (world.root / "mnt/usb").mkdir()
    for line in ("backup create", "export /srv/exports/jobs.jsonl.zst"):
        done = world.run(f"hyperjobs {line}")
        assert done.code == 0, done.written
    shutil.copytree(world.root / "var/backups/hyperjobs", world.root / "mnt/usb/backups")
    world.start("hyperjobs")
    until(log.exists, "the audit log")
    yield


@_of("docs/alerts.md")
def _the_values_that_the_page_shows(world: World) -> Iterator[None]:
    [shown] = blocks("docs/alerts.md", "yaml")
    (world.checkout / "mine.yaml").write_text(shown.text)
    yield


@_of("docs/dashboards.md")
def _a_grafana(world: World) -> Iterator[None]:
    (world.root / "etc/grafana/provisioning/dashboards").mkdir(parents=True)
    yield


@_of("docs/data.md")
def _an_old_export_and_another_store(world: World) -> Iterator[None]:
    world.run("hyperjobs export old.jsonl.gz --limit 5")
    make_store(world.root / "home/.hypersdk/jobs.db", [job("elsewhere", "completed", _DAY)])
    yield


@_of("docs/doctor.md")
def _a_writer_that_was_stopped_in_a_transaction(world: World) -> Iterator[None]:
    old_backup(world, 3 * _DAY)
    world.start("hyperjobs")
    world.add_unit("holder", [sys.executable, "-c", _HOLDER, world.store], "held")
    world.start("holder")
    holder = world.process("holder")
    assert holder is not None
    holder.signal(signal.SIGSTOP)
    yield


@_of("docs/deploy.md")
def _defaults(world: World) -> Iterator[None]:
    """The page writes a configuration that leaves these as they are: where that leads on the reader's machine."""
    world.environment.update(
        HYPERJOBS_WEB__LISTEN=json.dumps([f"127.0.0.1:{world.port}"]),
        HYPERJOBS_STORE__STATE_DIR=str(world.root / "var/lib/hyperjobs"),
        HYPERJOBS_MAINTENANCE__BACKUP__DIRECTORY=str(world.root / "var/backups/hyperjobs"),
        HYPERJOBS_MAINTENANCE__RESERVE="0",
    )
    yield


@_of("docs/commands.md")
def _all_that_the_reference_names(world: World) -> Iterator[None]:
    home, checkout = world.root / "home", world.checkout
    old_backup(world, 2 * _DAY)
    make_store(checkout / "jobs.db")
    make_store(home / ".hypersdk/jobs.db", [job("elsewhere", "completed", _DAY)])
    aside = make_store(world.root / "mnt/old/jobs.db", [job("old", "completed", 30 * _DAY)])
    os.utime(aside, (0, (datetime.now(UTC) - 30 * _DAY).timestamp()))
    (home / ".hyperexport").mkdir()
    (home / ".hyperexport/history.json").write_text("[]")
    (checkout / "mine.yaml").write_text("alerts:\n  HyperJobsStalled: {enabled: false}\n")
    (checkout / "dashboard.json").write_text(json.dumps(_DASHBOARD))
    with _channels(world) as channels:
        audit = {"path": str(world.root / "var/log/hyperjobs/audit.jsonl")}
        written = json.loads(configuration(world, audit=audit, notifications=channels).read_text())
        written["maintenance"]["prune"]["retention"]["completed"] = "3d"
        (checkout / "new.yaml").write_text(json.dumps(written))
        written["maintenance"]["backup"]["directory"] = str(world.root / "var/backups/new")
        (checkout / "hyperjobs.yaml").write_text(json.dumps(written))
        # enough that prune leaves free pages, and not so many that a vacuum would pay
        insert(
            world.store,
            *old("older", 150),
            *(job(f"young-{number}", "completed", _DAY, name="Export " * 20) for number in range(600)),
        )
        for line in ("backup create", "backup create --dir /srv/backups", "prune --yes"):
            done = world.run(f"hyperjobs {line}")
            assert done.code == 0, done.written
        insert(world.store, *old("oldest", 5))
        world.start("hyperjobs")
        yield


@contextlib.contextmanager
def _channels(world: World) -> Iterator[list[dict[str, object]]]:
    """A webhook that takes messages, and a mail server that refuses the password."""
    authority = Authority(world.root / "etc/hyperjobs")
    secret = world.root / "etc/hyperjobs/mail-password"
    secret.write_text("wrong")
    with (
        http_receiver() as receiver,
        mail_receiver(authority.issue("localhost"), password="right") as mails,  # noqa: S106 - of a server that goes with the test
    ):
        yield [
            {"name": "ops", "type": "webhook", "url": receiver.url},
            {
                "name": "mail",
                "type": "smtp",
                "host": "127.0.0.1",
                "port": mails.port,
                "sender": "hyperjobs@example.net",
                "to": ["ops@example.net"],
                "username": "agent",
                "password_file": str(secret),
                "ca_file": str(authority.crt),
            },
        ]
