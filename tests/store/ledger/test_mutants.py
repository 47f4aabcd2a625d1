"""A ledger with one mistake in it must be found out by the model: else the model proves nothing."""

from __future__ import annotations

import types
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from hyperjobs.store import batch
from hyperjobs.store.ledger import fold, install, removal, replay, rollup, schema, tally
from support.ledger_model import Machine, random_operations

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.tool("sqlite3")

_RUNS, _OPERATIONS = 600, 40
"""What a mutant may not live through; most fall in the first run."""


class Mutant(NamedTuple):
    """One mistake: this text becomes that one; ``where`` is a trigger or a module."""

    where: Any
    old: str
    new: str
    recursive: bool = False


_TRIGGERS = {
    "no marker of an insert": Mutant("hyperjobs_bi", "", ""),
    "no insert": Mutant("hyperjobs_ai", "", ""),
    "no update": Mutant("hyperjobs_au", "", ""),
    "no delete": Mutant("hyperjobs_ad", "", ""),
    "no marker of a rename": Mutant("hyperjobs_bu", "", ""),
    "no rename": Mutant("hyperjobs_au_id", "", ""),
    "the marker knows no rowid": Mutant("hyperjobs_bi", "max(rowid)", "NULL"),
    "the marker knows no rowid, deletes logged": Mutant("hyperjobs_bi", "max(rowid)", "NULL", recursive=True),
    "the marker is only there for a conflict": Mutant("hyperjobs_bi", "max(rowid)", "rowid"),
    "the rowid that was named is not kept": Mutant("hyperjobs_bi", "NEW.rowid", "-1"),
    "the marker looks for another job": Mutant("hyperjobs_bi", "id=NEW.id", "id<>NEW.id"),
    "the marker comes after its insert": Mutant("hyperjobs_bi", "BEFORE INSERT", "AFTER INSERT"),
    "the insert is logged before it happens": Mutant("hyperjobs_ai", "AFTER INSERT", "BEFORE INSERT"),
    "an update of provider is not seen": Mutant("hyperjobs_au", "provider,status,created", "status,created"),
    "an update of status is not seen": Mutant("hyperjobs_au", "OF provider,status,", "OF provider,"),
    "an update of started_at is not seen": Mutant("hyperjobs_au", "created_at,started_at,completed_at,total_size,files_count ON", "created_at,completed_at,total_size,files_count ON"),
    "an update of completed_at is not seen": Mutant("hyperjobs_au", "started_at,completed_at,total_size,files_count ON", "started_at,total_size,files_count ON"),
    "an update of total_size is not seen": Mutant("hyperjobs_au", "total_size,files_count ON", "files_count ON"),
    "old and new are one": Mutant("hyperjobs_au", "OLD.status", "NEW.status"),
    "a delete of the wrong provider": Mutant("hyperjobs_ad", "OLD.provider", "NULL"),
    "a delete inside a replace is another's": Mutant("hyperjobs_ad", "OLD.rowid", "OLD.rowid+1", recursive=True),
    "a rename sees itself as the victim": Mutant("hyperjobs_bu", "id=NEW.id;", "id=OLD.id;"),
    "a rename knows no victim": Mutant("hyperjobs_bu", "max(rowid)", "NULL"),
    "started and completed are swapped": Mutant("hyperjobs_ai", "NEW.started_at,NEW.completed_at", "NEW.completed_at,NEW.started_at"),
}  # fmt: skip

_CODE = {
    "a marker is believed without its outcome": Mutant(replay, "standing, standing_rid, named_rid = (None if rid is None else Row(*row[5:12])), rid, at", "named_rid = at; standing = standing if rid is None else Row(*row[5:12])"),
    "a replace forgets what stood there": Mutant(replay, "yield Change(job_id, standing, Row(*row[5:12])", "yield Change(job_id, None, Row(*row[5:12])"),
    "a replace counts its logged delete too": Mutant(replay, "held = None\n            yield Change(job_id, standing", "yield Change(job_id, standing", recursive=True),
    "a delete is never held back": Mutant(replay, "held = delete", "yield delete", recursive=True),
    "a held delete is forgotten": Mutant(replay, "yield held\n            held = standing = None", "held = standing = None", recursive=True),
    "a held delete at the end is forgotten": Mutant(replay, "    if held is not None:\n        yield held\n", "", recursive=True),
    "a held delete leaves its job standing": Mutant(replay, "held = standing = None", "held = None", recursive=True),
    "no insert hides a job": Mutant(replay, "named_rid != _AUTOMATIC_ROWID or rid == -1", "False"),
    "a rename has no victim": Mutant(replay, "(None if rid is None else _leaving(row))", "None"),
    "a rename ends its victim though it failed": Mutant(replay, "standing, standing_rid = (None if rid is None else _leaving(row)), rid", "standing = None\n            if rid is not None: yield Change(job_id, _leaving(row), None, at, counted)"),
    "a rename ends a victim whose delete was logged": Mutant(replay, "if standing is not None and rid == standing_rid and held is None", "if False", recursive=True),
    "old and new of an update are swapped": Mutant(replay, "Row(*row[5:12]), Row(*row[12:19])", "Row(*row[12:19]), Row(*row[5:12])"),
    "the gauge is not left": Mutant(tally, "] -= change.jobs", "] -= 0"),
    "a job is created by every replace": Mutant(tally, "if before is None:\n            self.totals[CREATED", "if True:\n            self.totals[CREATED"),
    "a job finishes whenever it is written": Mutant(tally, "is_entry = before is None or before.status != status", "is_entry = True"),
    "a job finishes only from another status": Mutant(tally, "is_entry = before is None or", "is_entry = before is not None and"),
    "a duration is observed again": Mutant(tally, "(before is None or is_entry or not _is_timed(before))", "True"),
    "a duration is not observed in a second status": Mutant(tally, "before is None or is_entry or not _is_timed(before)", "before is None or not _is_timed(before)"),
    "a negative duration is subtracted": Mutant(tally, "return 0\n        return micros", "return micros\n        return micros"),
    "the wait is observed again": Mutant(tally, "(before is None or _unread(before.started_at))", "True"),
    "bytes shrink": Mutant(tally, "if grown > 0", "if True"),
    "bytes of an unfinished job were counted": Mutant(tally, "before if before is not None and before.status in FINISHED else None", "before"),
    "bytes are counted anew in each finished status": Mutant(tally, "before if before is not None and before.status in FINISHED else None", "None if is_entry else before"),
    "every finish is of the hour it was written": Mutant(tally, "if completed_s <= at_s + _HOUR_S", "if False"),
    "the hour rounds up": Mutant(tally, "return completed_s // _HOUR_S", "return -(-completed_s // _HOUR_S) + 1"),
    "an hour forgets its duration": Mutant(tally, "cell[1] += self._observe", "cell[0] += 0 * self._observe"),
    "an hour mixes bytes and files": Mutant(tally, "cell[index] += grown", "cell[2] += grown"),
    "the log is trimmed one row short": Mutant(fold, "DELETE FROM hyperjobs_log WHERE seq<=?", "DELETE FROM hyperjobs_log WHERE seq<?"),
    "the log is not read to its end": Mutant(fold, "tally.add_all(replay(log[:whole]))", "tally.add_all(replay(log[:whole - 1]))"),
    "a prune logs nothing": Mutant(removal, "        if gone.groups:", "        if False:"),
    "a prune logs what its trigger logs, too": Mutant(removal, "int(not self._is_ours)", "1"),
    "a prune logs one of many": Mutant(removal, "(json.dumps(ids), *key, len(ids))", "(json.dumps(ids), *key, 1)"),
    "a prune logs all of one provider": Mutant(removal, "setdefault((provider, status), [])", "setdefault(('aws', status), [])"),
    "a prune logs jobs that a writer kept": Mutant(batch, "[row for row in part if row.rowid in found]", "part"),
    "a prune is folded as one job": Mutant(replay, "jobs=row[_SIZE]", "jobs=1"),
    "a prune goes unread": Mutant(replay, "elif op == PRUNED:", "elif op == -1:"),
    "a rollup is replaced": Mutant(rollup, "SET {added('value')}", "SET value=excluded.value"),
    "a gauge is ignored when it is there": Mutant(rollup, 'ON CONFLICT DO UPDATE SET jobs=jobs+excluded.jobs"', 'ON CONFLICT DO NOTHING"'),
    "an hour is replaced": Mutant(rollup, "SET {added('jobs', 'micros', 'bytes', 'files')}", "SET {added('jobs', 'micros', 'files')},bytes=excluded.bytes"),
}  # fmt: skip


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[bool, Machine]]:
    made = {recursive: Machine(tmp_path_factory.mktemp("mutants"), recursive=recursive) for recursive in (False, True)}
    yield made
    for machine in made.values():
        machine.close()


@pytest.fixture(params=[*_TRIGGERS, *_CODE])
def mutant(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Mutant:
    """Puts the mistake in, for the length of the test."""
    mutant = (_TRIGGERS | _CODE)[request.param]
    if isinstance(mutant.where, str):
        _mutate_trigger(mutant, monkeypatch)
    else:
        _mutate_module(mutant, monkeypatch)
    return mutant


def test_a_ledger_with_a_mistake_is_found_out(machines: dict[bool, Machine], mutant: Mutant) -> None:
    machine = machines[mutant.recursive]

    assert _is_found_out(machine)


def test_the_ledger_without_a_mistake_is_not(machines: dict[bool, Machine]) -> None:
    assert not any(_is_found_out(machine, runs=5) for machine in machines.values())


def _is_found_out(machine: Machine, runs: int = _RUNS) -> bool:
    machine.start_anew()
    random = Random(1)  # noqa: S311 - the same operations every time
    try:
        for _ in range(runs):
            machine.run(random_operations(random, _OPERATIONS))
    except Exception:  # noqa: BLE001 - a mutant may fail in any way
        return True
    return False


def _mutate_trigger(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = schema.statements

    def statements(file: str) -> dict[str, str]:
        found = dict(sound(file))
        if mutant.where in found:
            if mutant.old:
                assert mutant.old in found[mutant.where]
                found[mutant.where] = found[mutant.where].replace(mutant.old, mutant.new)
            else:
                del found[mutant.where]
        return found

    monkeypatch.setattr(schema, "statements", statements)
    monkeypatch.setattr(install, "statements", statements)


def _mutate_module(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the module's functions the code of the mutated source: whoever imported them has it, too."""
    module = mutant.where
    source = Path(module.__file__).read_text(encoding="utf-8")
    assert source.count(mutant.old) == 1
    mutated: dict[str, Any] = {"__name__": module.__name__}
    exec(compile(source.replace(mutant.old, mutant.new), module.__file__, "exec"), mutated)  # noqa: S102 - our own source
    for name, value in vars(module).items():
        if getattr(value, "__module__", None) != module.__name__:
            continue
        pairs = vars(value).items() if isinstance(value, type) else [(name, value)]
        for inner, function in pairs:
            if isinstance(function, types.FunctionType) and function.__code__.co_filename == module.__file__:
                other = getattr(mutated[name], inner) if isinstance(value, type) else mutated[name]
                monkeypatch.setattr(function, "__code__", other.__code__)
