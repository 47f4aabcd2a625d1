"""The project speaks of itself alone, and stands on its own files."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PLACES = ("agent", "config", "tools", "demo", "deploy", "docs", "grafana", "requirements", "tests", ".ci")
FILES = ("Makefile", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "pyproject.toml", ".gitignore")
BINARY = {".db", ".pyc", ".png", ".ico", ".gz", ".zst"}
SKIPPED = {"__pycache__", "fixtures", "node_modules", "dist"}

# A folder of one machine, a number in one tracker, a registry of one network: nothing of it means anything elsewhere.
FOREIGN = re.compile(r"(?<![\w.$}])/(?:work|root)\b|\bissue #?\d|--(?:extra-)?index-url|--find-links")
NAMED_PAGE = re.compile(r"(?<![\w/.-])(?:[\w-]+/)*[\w-]+\.md\b")
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")


def texts() -> list[Path]:
    """Every text file of the project."""
    found = [ROOT / name for name in FILES]
    for place in PLACES:
        found += [
            path
            for path in sorted((ROOT / place).rglob("*"))
            if path.is_file() and path.suffix not in BINARY and not SKIPPED & set(path.parts)
        ]
    return [path for path in found if path.exists() and path != Path(__file__)]


def test_no_text_names_a_place_outside_the_project() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in texts()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if FOREIGN.search(line)
    ]

    assert found == []


def test_no_text_leaves_the_project_by_a_relative_link() -> None:
    broken = [
        f"{path.relative_to(ROOT)}: {target}"
        for path in texts()
        if path.suffix == ".md"
        for target in LINK.findall(path.read_text(encoding="utf-8"))
        if not ((path.parent / target).exists() and (path.parent / target).resolve().is_relative_to(ROOT))
    ]

    assert broken == []


def test_every_page_that_is_named_exists() -> None:
    pages = {path.name for path in ROOT.glob("*.md")} | {
        path.name for place in PLACES for path in (ROOT / place).rglob("*.md")
    }
    unknown = [
        f"{path.relative_to(ROOT)}: {page}"
        for path in texts()
        for page in NAMED_PAGE.findall(path.read_text(encoding="utf-8"))
        if page.rpartition("/")[2] not in pages
    ]

    assert unknown == []


@pytest.mark.parametrize("name", ["run.txt", "test.txt", "deploy.txt", "peers.txt"])
def test_a_lock_names_no_place_to_fetch_from(name: str) -> None:
    """Where packages come from is the machine's to say."""
    assert "://" not in (ROOT / "requirements" / name).read_text()


def imports(path: Path) -> set[str]:
    """The top-level names that a module imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def test_the_package_never_imports_the_other_sqlite() -> None:
    """Two SQLite libraries in one process drop each other's locks on the file, and lose rows."""
    guilty = [str(path.relative_to(ROOT)) for path in (ROOT / "agent").rglob("*.py") if "sqlite3" in imports(path)]

    assert guilty == []


@pytest.mark.parametrize("name", ["run.txt", "test.txt", "deploy.txt", "peers.txt"])
def test_every_line_of_a_lock_is_pinned_and_hashed(name: str) -> None:
    joined = (ROOT / "requirements" / name).read_text().replace("\\\n", " ")
    lines = [line.split("#")[0].strip() for line in joined.splitlines()]

    loose = [line for line in lines if line and not re.match(r"[a-z0-9.-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line)]

    assert loose == []


@pytest.mark.parametrize(("name", "groups"), [("run.txt", ["build"]), ("test.txt", ["build", "test"])])
def test_a_lock_holds_all_that_the_project_asks_for(name: str, groups: list[str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = project["project"]["dependencies"] + project["build-system"]["requires"]
    asked += [line for group in groups for line in project["dependency-groups"][group]]
    locked = set(re.findall(r"^([a-z0-9.-]+)==", (ROOT / "requirements" / name).read_text(), re.MULTILINE))

    missing = {re.split(r"[\[<>=~! ;]", line)[0].lower() for line in asked} - locked

    assert missing == set()


def test_the_locks_agree() -> None:
    def pins(name: str) -> dict[str, str]:
        text = (ROOT / "requirements" / name).read_text()
        return dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", text, re.MULTILINE))

    test = pins("test.txt")

    for name in ("run.txt", "deploy.txt"):
        assert {package: test.get(package) for package in pins(name)} == pins(name)


def test_the_changelog_keeps_its_form() -> None:
    lines = (ROOT / "CHANGELOG.md").read_text().splitlines()
    versions = [line for line in lines if line.startswith("## ")]
    kinds = {line.removeprefix("### ") for line in lines if line.startswith("### ")}

    assert lines[0] == "# Changelog"
    assert versions[0] == "## [Unreleased]"
    assert all(re.fullmatch(r"## \[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", line) for line in versions[1:])
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_every_make_target_is_explained_where_people_look() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^\.PHONY: (\S+)$", makefile, re.MULTILINE))
    explained = set(re.findall(r"^([a-z-]+):.* ## ", makefile, re.MULTILINE))
    documented = set(re.findall(r"^\| `make ([a-z-]+)`", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE))

    assert targets == explained == documented
