"""Maintenance on a disk that fails, for :func:`support.faults.sweep_in_child`: a scenario for each kind of it."""

from __future__ import annotations

import shutil
import traceback
from functools import partial
from typing import TYPE_CHECKING

import apsw

from hyperjobs.errors import HyperjobsError
from support.upkeep import UPKEEP, User

if TYPE_CHECKING:
    from pathlib import Path

    from support.faults import Faults, Kind, Scenario


def _scenario(name: str, directory: Path) -> Scenario:
    upkeep = UPKEEP[name](directory / "work")
    template = directory / "template"
    upkeep.folder.mkdir(parents=True)
    upkeep.prepare()
    shutil.copytree(upkeep.folder, template)

    def run(faults: Faults, kind: Kind | None, nth: int, is_sticky: bool) -> tuple[str | None, str]:  # noqa: FBT001 - as sweep calls it
        shutil.rmtree(upkeep.folder)
        shutil.copytree(template, upkeep.folder)
        user = User(upkeep.store) if upkeep.is_user_connected else None
        if user is not None:
            user.save()  # acknowledged, and only in the -wal
        error = None
        faults.arm(kind, nth, is_sticky=is_sticky)
        try:
            # the user is not what is under test: while the disk fails it does not write
            upkeep.work(None)
        except HyperjobsError as exc:
            error = type(exc).__name__
        except SystemError as exc:
            # a disk written in Python leaves its exception behind where SQLite goes on; one in C has none to leave
            error = "StoreError" if isinstance(exc.__cause__, apsw.Error) else f"not ours: {exc!r}"
        except Exception as exc:  # noqa: BLE001 - one that is not ours is what is looked for
            error = f"not ours: {exc!r} {chr(10).join(traceback.format_tb(exc.__traceback__)[-4:])}"
        finally:
            faults.disarm()
        saved = set()
        if user is not None:
            if name != "live restore":  # its store must be the old one or the new one, to the row
                user.save()
            saved = user.jobs
            user.close()
        try:
            return error, upkeep.wrong(saved, is_done=error is None)
        except HyperjobsError as exc:
            return error, f"{type(exc).__name__}: {exc}"

    return run


backup = partial(_scenario, "backup")
plain_backup = partial(_scenario, "plain backup")
drill = partial(_scenario, "drill")
restore = partial(_scenario, "restore")
live_restore = partial(_scenario, "live restore")
prune = partial(_scenario, "prune")
