"""Every example of the library's page runs as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import hyperjobs
from hyperjobs import errors

PAGE = Path(__file__).parents[2] / "docs" / "library.md"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_the_examples_of_the_page_run_in_their_order(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text(encoding="utf-8")
    names: dict[str, object] = {}

    for block in BLOCK.finditer(text):
        line = text.count("\n", 0, block.start(1))
        exec(compile("\n" * line + block[1], PAGE, "exec"), names)  # noqa: S102 - the page is ours

    printed = capsys.readouterr().out
    assert "Job migration-20260121-001: web-server-01 (pending)" in printed
    assert "use datetime.now(UTC)" in printed
    assert "Success rate: 100.00%" in printed
    assert "vsphere 1 100.0" in printed
    assert "pending -> running" in printed
    assert "pruned 0" in printed
    with hyperjobs.open_store("exports.db") as exports:
        assert exports.get_job_stats().total_size == 4096


def test_the_page_names_every_error_a_store_can_raise():
    text = PAGE.read_text(encoding="utf-8")

    for name, value in vars(errors).items():
        if isinstance(value, type) and issubclass(value, errors.StoreError):
            assert f"`{name}`" in text, name


def test_every_public_name_is_there():
    for name in hyperjobs.__all__:
        assert getattr(hyperjobs, name) is not None
    assert set(hyperjobs.__all__) <= set(dir(hyperjobs))


def test_the_package_alone_loads_no_sqlite():
    program = "import sys, hyperjobs; print(hyperjobs.__version__, {'apsw', 'pydantic'} & set(sys.modules))"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout == f"{hyperjobs.__version__} set()\n"
