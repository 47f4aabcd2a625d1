"""docs/architecture.md is the code's own: its layers are the contract that a tool holds, its packages all that there are."""

from __future__ import annotations

import re
import tomllib

from support.pages import ROOT, blocks, text_of

PAGE = "docs/architecture.md"
PACKAGE = ROOT / "agent" / "hyperjobs"


def contract():
    """The layers that import-linter holds, the uppermost first."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    [found] = [each for each in settings["contracts"] if each["type"] == "layers"]
    return found


def modules():
    """Every package, and every module beside them, by its path."""
    packages = {str(path.parent.relative_to(PACKAGE)) for path in PACKAGE.rglob("__init__.py")} - {"."}
    return packages | {path.stem for path in PACKAGE.glob("[a-z]*.py")}


def told():
    """What the page's table says the purpose of."""
    cells = re.findall(r"^\| ((?:`[\w/]+`(?:, )?)+) \| [^|]+ \|$", text_of(PAGE), re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([\w/]+)`", cell)}


def test_the_layers_on_the_page_are_those_that_imports_are_held_to():
    [shown] = [block.text.splitlines() for block in blocks(PAGE, "text") if block.text.startswith("cli\n")]

    assert shown == contract()["layers"]


def test_the_contributors_page_has_them_in_the_same_order():
    [line] = re.findall(r"Imports run one way: `([^`]+)`", text_of("CONTRIBUTING.md").replace("\n  ", " "))

    assert line.split(" → ") == contract()["layers"]


def test_every_package_is_told_of_and_no_other():
    assert told() == modules()


def test_every_layer_is_a_package_and_the_other_way_round():
    layers = {name for layer in contract()["layers"] for name in layer.split(" | ")}

    assert layers | set(contract()["exhaustive_ignores"]) - {"__main__"} == {name.split("/")[0] for name in modules()}


def test_every_file_that_is_named_exists():
    named = re.findall(r"`([\w/-]+\.(?:py|sql|toml))`", text_of(PAGE))

    assert len(named) > 10
    assert [name for name in named if not (PACKAGE / name).exists()] == []


def test_it_is_one_page():
    assert len(text_of(PAGE).splitlines()) < 140
