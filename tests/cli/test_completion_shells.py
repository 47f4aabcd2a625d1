"""Completion in real shells, on a terminal: what Tab writes is the id, and nothing of it is run."""

from __future__ import annotations

import json
import os
from importlib.resources import files

import pytest

from support.ledgers import make_store
from support.stores import insert
from support.terminals import shell
from support.tools import require

ODD = [
    "odd-a two words",
    "odd-b:colon:2026-11-24T10:00",
    "odd-c'quote\"s",
    "odd-d$(touch pwned)`touch pwned`${HOME}",
    "odd-e;touch pwned|tee pwned>pwned&",
    "odd-f!bang!! *glob?[a-z]{brace,d}",
    "odd-g~\\back\\n#=%@^(touch pwned)",
    "odd-h žluťoučký データ",
]
NEVER = ["odd-x\ntouch pwned", "odd-y\x1b[31m", "odd-z\u202eelif", "--yes", ""]


@pytest.fixture
def odd(tmp_path):
    """A store of jobs with odd ids."""
    insert(make_store(tmp_path / "jobs.db"), *({"id": job_id} for job_id in [*ODD, *NEVER]))


@pytest.fixture
def usual(tmp_path):
    """A store of four jobs."""
    statuses = {"job-1": "completed", "job-3": "failed", "job-4": "running", "job-5": "pending"}
    insert(make_store(tmp_path / "jobs.db"), *({"id": job_id, "status": each} for job_id, each in statuses.items()))


@pytest.fixture(params=["bash", "zsh", "fish"])
def terminal(request, tmp_path):
    """Each shell, with its completion, beside the store."""
    require(request.param)
    script = tmp_path / "functions" / "_hyperjobs"
    script.parent.mkdir()
    script.write_text(files("hyperjobs.cli").joinpath("scripts", f"hyperjobs.{request.param}").read_text())
    here = tmp_path / "here"
    here.mkdir()
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HYPERJOBS_", "XDG_"))}
    environment = {**kept, "HYPERJOBS_STORE__PATH": str(tmp_path / "jobs.db"), "LC_ALL": "C.UTF-8"}
    with shell(request.param, script, here, environment) as started:
        yield started


def found_by(terminal, written):
    """The id of the job that the program was asked for by what was written and completed."""
    terminal.run(f"hyperjobs show {written}\t--json > out")
    text = (terminal.here / "out").read_text()
    return json.loads(text)["id"] if text else terminal.said


@pytest.mark.usefixtures("odd")
def test_an_odd_id_is_completed_to_itself_and_runs_nothing(terminal):
    for job_id in ODD:
        assert found_by(terminal, job_id[:5]) == job_id

    assert sorted(path.name for path in terminal.here.iterdir() if not path.name.startswith(".")) == ["out"]


@pytest.mark.usefixtures("odd")
def test_an_id_with_colons_is_completed_from_any_place_in_it(terminal):
    for written in ("odd-b:", "odd-b:co", "odd-b:colon:2026"):
        assert found_by(terminal, written) == "odd-b:colon:2026-11-24T10:00"


@pytest.mark.usefixtures("odd")
def test_an_id_is_completed_within_quotes(terminal):
    for quote in "'\"":
        assert found_by(terminal, f"{quote}odd-a tw") == "odd-a two words"


@pytest.mark.usefixtures("usual")
def test_only_ids_of_a_status_that_fits_are_shown(terminal):
    terminal.press("hyperjobs cancel job-\t\t")
    shown = terminal.until_it_says("job-4", "job-5")

    assert "job-1" not in shown
    assert "job-3" not in shown


@pytest.mark.usefixtures("usual")
def test_a_status_after_an_equals_sign_is_completed(terminal):
    terminal.run("hyperjobs list --status=fai\t > out")

    assert (terminal.here / "out").read_text().startswith("job-3\tfailed")


@pytest.mark.usefixtures("usual")
def test_a_file_is_completed_where_an_option_takes_one(terminal):
    (terminal.here / "some file.yaml").write_text("unknown: 1\n")

    terminal.run("hyperjobs config show --config some\t 2> out")

    assert "some file.yaml:1: unknown" in (terminal.here / "out").read_text()
