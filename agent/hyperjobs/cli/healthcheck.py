"""``hyperjobs healthcheck``: for containers and scripts that have no curl."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hyperjobs.cli.argument import Number
from hyperjobs.cli.command import Command
from hyperjobs.cli.place import configuration_file, raw_option
from hyperjobs.cli.setting import json_option, verbose_option
from hyperjobs.cli.table import emit, emit_json
from hyperjobs.errors import AgentUnhealthyError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hyperjobs.cli.shapes.agent import HealthShape
    from hyperjobs.web.probe import Answer, Target

_DEFAULT_LISTEN = "127.0.0.1:10985"
_URL = re.compile(r"(https?)://([^/@?#]+)/?")
_OK, _UNAUTHORIZED, _TOO_MANY, _STARTING = 200, 401, 429, 503
_STORE_UP = re.compile(rb"^hyperjobs_store_up ([\d.]+)$", re.MULTILINE)


class _Url(click.ParamType):  # type: ignore[type-arg]  # generic only in newer releases of click
    """The address of an agent."""

    name = "url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Its scheme, and ``host:port``."""
        found = _URL.fullmatch(str(value))
        if found is None:
            self.fail(f"{value!r} is not like http://127.0.0.1:10985 or https://host:10985", param, ctx)
        port = "" if re.search(r":\d+\Z", found[2]) else ":443" if found[1] == "https" else ":80"
        return found[1], found[2] + port


@click.command(
    "healthcheck",
    cls=Command,
    examples=[
        ("Whether the agent lives", "hyperjobs healthcheck"),
        ("Whether it is ready, and reads its store", "hyperjobs healthcheck --ready --store"),
    ],
)
@click.option(
    "--url",
    type=_Url(),
    metavar="URL",
    help="The agent's address, http://127.0.0.1:10985 or https://host:10985, instead of the configured one.",
)
@click.option("--ready", is_flag=True, help="Fail also while it starts or stops.")
@click.option(
    "--store", is_flag=True, help="Fail also when it cannot read its store; asks /metrics, which counts as a scrape."
)
@click.option(
    "--timeout",
    "timeout_s",
    type=Number(0.1, 600.0),
    default=5.0,
    metavar="SECONDS",
    help="How long all of it may take; 5 when not given.",
)
@click.option(
    "--ca",
    metavar="FILE",
    help="Trust only these certificates; without it the system's, and on a loopback address any.",
)
@click.option("--cert", metavar="FILE", help="Show this certificate to an agent that wants one.")
@click.option("--key", metavar="FILE", help="Its key, when the file of --cert does not hold it.")
@click.option("--login", metavar="FILE", help="Sign in with the user:password in this file.")
@click.option("--config", "file", metavar="FILE", help="The configuration file whose web.listen is read.")
@json_option("One line of JSON when it is well; else the error is one.")
@verbose_option
def healthcheck_command(  # noqa: PLR0913 - one for each option
    *,
    url: tuple[str, str] | None,
    ready: bool,
    store: bool,
    timeout_s: float,
    ca: str | None,
    cert: str | None,
    key: str | None,
    login: str | None,
    file: str | None,
    as_json: bool,
) -> None:
    """Ask the running agent whether it is well.

    Without options it says whether the agent lives. Exit code 0 when all that was asked for holds, else 1.
    """
    from hyperjobs.web.probe import Target  # noqa: PLC0415 - a client only where one is needed

    if key is not None and cert is None:
        raise click.UsageError("--key goes with --cert")
    host, port, schemes = _named(*url) if url else _configured(file, os.environ)
    target = Target(host, port, schemes, ca, cert, key, _login(login))
    paths = ["/-/healthy", *(["/-/ready"] if ready else []), *(["/metrics?name[]=hyperjobs_store_up"] if store else [])]
    deadline = time.monotonic() + timeout_s
    says = [_judged(target, path, deadline) for path in (paths[1:] or paths)]
    if as_json:
        emit_json(_shape(says, ready=ready, store=store))
    else:
        emit(f"{says[0][0]}: {', '.join(words for _, words in says)}")


def _shape(says: Sequence[tuple[str, str]], *, ready: bool, store: bool) -> HealthShape:
    return {
        "url": says[0][0],
        "alive": True,
        "ready": True if ready else None,
        "store_readable": True if store else None,
        "message": ", ".join(words for _, words in says),
    }


def _judged(target: Target, path: str, deadline: float) -> tuple[str, str]:
    """The agent's address, and what is well with it, in words.

    Raises:
        AgentUnhealthyError: it is not.
    """
    from hyperjobs.web.probe import ProbeError, ask  # noqa: PLC0415 - as above

    is_alive_enough = path == "/-/healthy"
    try:
        answer = ask(target, path, deadline=deadline)
    except ProbeError as exc:
        if exc.is_alive and is_alive_enough:
            return target.address, f"alive ({exc})"
        is_down = "refused" in str(exc)
        remedy = "; give one with --cert" if exc.is_alive else "; is the agent running?" if is_down else ""
        raise AgentUnhealthyError(f"{target.address}: {exc}{remedy}") from exc
    if answer.status in {_UNAUTHORIZED, _TOO_MANY} and is_alive_enough:
        return answer.url, f"alive ({'it wants a password' if answer.status == _UNAUTHORIZED else 'asked too often'})"
    if answer.status == _UNAUTHORIZED:
        raise AgentUnhealthyError(f"{answer.url}: it wants a password; give user:password in a file with --login")
    if path == "/-/ready" and answer.status == _STARTING:
        raise AgentUnhealthyError(f"{answer.url}: starting or stopping")
    if answer.status != _OK:
        raise AgentUnhealthyError(f"{answer.url}{path.partition('?')[0]}: answered {answer.status}")
    return answer.url, _words(answer, path)


def _words(answer: Answer, path: str) -> str:
    if not path.startswith("/metrics"):
        return "ready" if path == "/-/ready" else "alive"
    found = _STORE_UP.search(answer.body)
    if found is None:
        raise AgentUnhealthyError(f"{answer.url}/metrics: says nothing about a store; is it hyperjobs?")
    if float(found[1]) != 1:
        raise AgentUnhealthyError(
            f"{answer.url}: cannot read its store; its log and hyperjobs_store_errors_total say why"
        )
    return "reads its store"


def _login(file: str | None) -> str | None:
    return Path(file).read_text(encoding="utf-8").strip() if file is not None else None


def _named(scheme: str, address: str) -> tuple[str, int, tuple[str, ...]]:
    return (*_split(address, "--url"), (scheme,))


def _configured(file: str | None, environment: Mapping[str, str]) -> tuple[str, int, tuple[str, ...]]:
    """Where the agent of this configuration listens, and which protocol is the likelier one.

    The file is read without judging the rest of it: the agent has done that, and it costs more than all else here.
    """
    from hyperjobs.web.probe import on_this_machine  # noqa: PLC0415 - as above

    listen, place = _option(file, environment, "listen")
    texts = listen if isinstance(listen, list) else [listen or _DEFAULT_LISTEN]
    host, port = on_this_machine([_split(str(text), place) for text in texts or [_DEFAULT_LISTEN]])
    if port == 0:
        raise ConfigError(f"{place}: web.listen takes any free port; name the agent's address with --url")
    has_web_file = _option(file, environment, "config_file")[0] is not None
    return host, port, ("https", "http") if has_web_file else ("http", "https")


def _option(file: str | None, environment: Mapping[str, str], name: str) -> tuple[Any, str]:
    """An option of ``web`` as it was written, and where; ``None`` when nobody did."""
    variable = f"HYPERJOBS_WEB__{name.upper()}"
    if text := environment.get(variable):
        return _read(text, variable), variable
    path = configuration_file(file, environment)
    if path is None:
        return None, "the default"
    return raw_option(path, "web", name, instead="name the agent's address with --url"), str(path)


def _read(text: str, variable: str) -> Any:
    """A value of the environment: a list in brackets, or the text itself."""
    if not text.startswith("["):
        return text
    from hyperjobs.config.document import DocumentError, compose  # noqa: PLC0415 - YAML only here

    try:
        node = compose(text)
    except DocumentError as exc:
        raise ConfigError(f"{variable}: the value {exc}") from exc
    return node.raw if node is not None else None


def _split(address: str, place: str) -> tuple[str, int]:
    from hyperjobs.web.listen import ListenError, parse_address  # noqa: PLC0415 - as above

    try:
        return parse_address(address)
    except ListenError as exc:
        raise ConfigError(f"{place}: {exc}") from exc
