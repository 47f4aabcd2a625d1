"""Where values come from: the file, the environment and the flags."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, get_origin

from hyperjobs.config.document import (
    MAX_BYTES,
    DocumentError,
    Listing,
    Node,
    Raw,
    Scalar,
    Table,
    compose,
    parse,
)
from hyperjobs.config.model import Config, OptionPath, options, section_of
from hyperjobs.config.problem import Origin, Problems, describe, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hyperjobs.config.section import Section

SYSTEM_FILE = Path("/etc/hyperjobs/hyperjobs.yaml")
FILE_VARIABLE = "HYPERJOBS_CONFIG"

_PREFIX = "HYPERJOBS_"
_FLAGS = {"store.path": "--store", "web.listen": "--listen"}


@dataclass(frozen=True, slots=True)
class Setting:
    """One option's value as somebody wrote it.

    Attributes:
        item_lines: for a list from a file, the line of each item.
    """

    raw: Raw
    origin: Origin
    item_lines: tuple[int, ...] = ()


Settings: TypeAlias = dict[tuple[str, ...], Setting]


def locate(environ: Mapping[str, str], problems: Problems, *, system_file: Path = SYSTEM_FILE) -> Path | None:
    """The file to read when no flag names one: ``HYPERJOBS_CONFIG``, the system's, the user's, or none."""
    if (named := environ.get(FILE_VARIABLE)) is not None:
        if not named:
            problems.add(Origin(FILE_VARIABLE), (), "is empty; name a file or unset it")
            return None
        return Path(named)
    places = [system_file]
    if home := user_directory(environ, "XDG_CONFIG_HOME", ".config"):
        places.append(home / "hyperjobs" / "hyperjobs.yaml")
    return next((place for place in places if os.path.lexists(place)), None)


def user_directory(environ: Mapping[str, str], variable: str, under_home: str) -> Path | None:
    """A directory of the XDG base directory specification; ``None`` when the environment knows no home."""
    # The specification says that a relative value is to be ignored.
    if (named := environ.get(variable, "")).startswith("/"):
        return Path(named)
    home = environ.get("HOME", "")
    return Path(home) / under_home if home.startswith("/") else None


def read_file(path: Path, problems: Problems) -> Settings:
    """What the file says; everything wrong with its shape and names goes to ``problems``."""
    origin = Origin(str(path))
    settings: Settings = {}
    try:
        root = parse(read_bytes(path))
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
        problems.add(origin, (), f"cannot be read: {reason}")
        return settings
    except DocumentError as exc:
        problems.add(Origin(origin.name, exc.line), (), str(exc))
        return settings
    if root is None or root.raw is None:
        problems.add(origin, (), "is empty; remove the file to run with defaults, or set an option")
    elif isinstance(root, Table):
        _walk(root, Config, _Walk(origin.name, settings, problems), ())
    else:
        where = Origin(origin.name, root.line)
        problems.add(where, (), "must be a mapping of sections, such as `store:`", got=describe(root.raw))
    return settings


def read_environment(environ: Mapping[str, str], problems: Problems) -> Settings:
    """What the variables ``HYPERJOBS_SECTION__OPTION`` say.

    Other names that begin with ``HYPERJOBS_`` are not ours: Kubernetes sets ``HYPERJOBS_PORT`` for a service.
    """
    known = {_PREFIX + "__".join(path).upper(): path for path in options()}
    settings: Settings = {}
    for name in sorted(environ):
        if not name.startswith(_PREFIX) or "__" not in name:
            continue
        origin = Origin(name)
        path = known.get(name)
        if path is None:
            problems.add(origin, (), f"is no option; {_nearest_variable(name, known)}")
        elif not environ[name]:
            problems.add(origin, path, "is empty; give a value or unset the variable")
        else:
            _add_text(environ[name], origin, path, settings, problems)
    return settings


def read_flags(overrides: Mapping[str, str | Sequence[str]], problems: Problems) -> Settings:
    """What the command line says; a shell has quoted already, so text stands for itself."""
    known = {".".join(path): (path, field) for path, field in options().items()}
    settings: Settings = {}
    for name, value in overrides.items():
        origin = Origin(_FLAGS.get(name, "--" + name.replace(".", "-").replace("_", "-")))
        if name not in known:
            problems.add(origin, (name,), f"is no option; {nearest(name, known)}")
            continue
        path, field = known[name]
        is_list = get_origin(field.annotation) is tuple
        if not isinstance(value, str):
            settings[path] = Setting(list(value), origin)
        elif is_list and value.startswith("[") and value.endswith("]"):  # "[::1]:80" is one address
            _add_text(value, origin, path, settings, problems)
        else:
            settings[path] = Setting([value] if is_list else value, origin)
    return settings


def _add_text(text: str, origin: Origin, path: OptionPath, settings: Settings, problems: Problems) -> None:
    """Read a YAML scalar or flow list; only what begins like a quote or a list needs YAML's rules."""
    node: Node | None = Scalar(text.strip(), 0)
    if text.lstrip()[:1] in {"[", "{", '"', "'"}:
        try:
            node = compose(text)
        except DocumentError as exc:
            problems.add(origin, path, f"the value {exc}", got=describe(text, name=path[-1]))
            return
    settings[path] = Setting(node.raw if node else None, origin)


def _nearest_variable(name: str, known: Mapping[str, OptionPath]) -> str:
    hint = nearest(name.removeprefix(_PREFIX).lower(), [key.removeprefix(_PREFIX).lower() for key in known])
    if "?" not in hint:
        return "`hyperjobs config show` lists all"
    return f"did you mean {_PREFIX}{hint.removeprefix('did you mean ').removesuffix('?').upper()}?"


def read_bytes(path: Path) -> bytes:
    """The file's first bytes, one more than allowed at most; never waits on a FIFO or a device."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        mode = os.fstat(handle).st_mode
        if not stat.S_ISREG(mode):
            raise ValueError("it is a directory" if stat.S_ISDIR(mode) else "it is not a regular file")
        data = b""
        while len(data) <= MAX_BYTES and (more := os.read(handle, MAX_BYTES + 1 - len(data))):
            data += more
        return data
    finally:
        os.close(handle)


@dataclass(frozen=True, slots=True)
class _Walk:
    file: str
    settings: Settings
    problems: Problems

    def add(self, line: int, path: OptionPath, message: str, *, got: str | None = None) -> None:
        self.problems.add(Origin(self.file, line), path, message, got=got)


def _walk(table: Table, model: type[Section], walk: _Walk, prefix: OptionPath) -> None:
    """Sort the entries of one section into settings, deeper sections and unknown names."""
    for key in table.repeated:
        first = table.key_lines[key.text]
        walk.add(key.line, (*prefix, key.text), f"is written twice; the first is on line {first}")
    for key_text, node in table.entries.items():
        path, line = (*prefix, key_text), table.key_lines[key_text]
        field = model.model_fields.get(key_text)
        if field is None:
            hint = "" if walk.problems.is_full else nearest(key_text, model.model_fields)
            walk.add(line, path, f"is no option; {hint}", got=describe(node.raw, name=key_text))
        elif (section := section_of(field)) is None:
            items = tuple(item.line for item in node.items) if isinstance(node, Listing) else ()
            walk.settings[path] = Setting(node.raw, Origin(walk.file, node.line or line), items)
        elif isinstance(node, Table):
            _walk(node, section, walk, path)
        elif node.raw is not None:  # a section whose options are all commented out is fine
            walk.add(node.line, path, "must be a mapping of options", got=describe(node.raw))
