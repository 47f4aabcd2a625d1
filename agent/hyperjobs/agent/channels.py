"""The configured channels made, with what their files and variables hold."""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from hyperjobs.config.notify import ChannelType
from hyperjobs.errors import ConfigError
from hyperjobs.notify.apprise import Apprise
from hyperjobs.notify.channel import Words
from hyperjobs.notify.event import is_pattern
from hyperjobs.notify.healthchecks import PINGS, Healthchecks
from hyperjobs.notify.http import Http, split_url
from hyperjobs.notify.ntfy import Ntfy
from hyperjobs.notify.outbox import Rules
from hyperjobs.notify.smtp import Smtp
from hyperjobs.notify.webhook import Webhook
from hyperjobs.secret import Secret, read_lines, read_secret, secret_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from hyperjobs.config import Config
    from hyperjobs.config.notify import Channel as Settings
    from hyperjobs.notify.channel import Channel

_EVERY_TIME = timedelta(0)
_PORTS = {"starttls": 587, "tls": 465, "none": 25}


def channels_of(config: Config, *, environ: Mapping[str, str] | None = None) -> list[tuple[Rules, Channel]]:
    """Every channel that is enabled; nothing is sent yet.

    Raises:
        ConfigError: a file or variable of a channel cannot be read, or it names an event or task that there is not.
    """
    variables = os.environ if environ is None else environ
    host, store = socket.gethostname(), str(config.store.path or "")
    found = []
    for settings in config.notifications:
        try:
            if settings.enabled:
                words = Words(host=host, store=store, has_details=settings.details)
                found.append((_rules(settings), _MAKERS[settings.type](settings, words, variables)))
        except (ConfigError, ValueError) as exc:
            raise ConfigError(f"notifications: {settings.name}: {exc}") from exc
    return found


def _rules(settings: Settings) -> Rules:
    for event in settings.events or ():
        if not is_pattern(event):
            raise ConfigError(f"events: {event} is none, nor a pattern of any; docs/notifications.md lists them")
    events, repeat, tasks = settings.events, settings.repeat, settings.tasks
    if settings.type is ChannelType.HEALTHCHECKS:
        events, repeat, tasks = PINGS, _EVERY_TIME, settings.tasks or tuple(settings.slugs)
    return Rules(name=settings.name, events=events, tasks=tasks, repeat=repeat, retry=settings.retry)


def _webhook(settings: Settings, words: Words, environ: Mapping[str, str]) -> Channel:
    own = [(name, Secret(value)) for name, value in settings.headers.items()]
    kept = [(name, _header(name, path)) for name, path in settings.header_files.items()]
    return Webhook(url=_url(settings, environ), words=words, headers=(*own, *kept), **_shared(settings))


def _healthchecks(settings: Settings, words: Words, environ: Mapping[str, str]) -> Channel:
    return Healthchecks(url=_url(settings, environ), words=words, slugs=settings.slugs, **_shared(settings))


def _ntfy(settings: Settings, words: Words, environ: Mapping[str, str]) -> Channel:
    token = _kept(settings.token_file, settings.token_env, "the token of ntfy", environ)
    if token is not None and not token.reveal().isascii():
        raise ConfigError("the token holds a character that is not ASCII")
    topic = settings.topic or ""
    return Ntfy(url=_url(settings, environ), topic=topic, words=words, token=token, **_shared(settings))


def _smtp(settings: Settings, words: Words, environ: Mapping[str, str]) -> Channel:
    return Smtp(
        host=settings.host or "",
        port=settings.port or _PORTS[settings.tls.value],
        tls=settings.tls.value,
        sender=settings.sender or "",
        to=settings.to,
        words=words,
        username=settings.username,
        password=_kept(settings.password_file, settings.password_env, "the password of mail", environ),
        ca_file=settings.ca_file,
        timeout_s=settings.timeout.total_seconds(),
    )


def _apprise(settings: Settings, words: Words, _environ: Mapping[str, str]) -> Channel:
    assert settings.urls_file is not None  # noqa: S101 - the configuration was checked
    return Apprise(urls=read_lines(settings.urls_file, "addresses of apprise"), source=settings.urls_file, words=words)


_MAKERS: Mapping[ChannelType, Callable[[Settings, Words, Mapping[str, str]], Channel]] = {
    ChannelType.WEBHOOK: _webhook,
    ChannelType.HEALTHCHECKS: _healthchecks,
    ChannelType.NTFY: _ntfy,
    ChannelType.SMTP: _smtp,
    ChannelType.APPRISE: _apprise,
}


def _shared(settings: Settings) -> dict[str, Any]:
    """What all that speak HTTP have."""
    http = Http(ca_file=settings.ca_file, is_proxied=settings.proxy)
    return {"http": http, "timeout_s": settings.timeout.total_seconds()}


def _url(settings: Settings, environ: Mapping[str, str]) -> Secret:
    url = settings.url or _kept(settings.url_file, settings.url_env, "an address (https://…)", environ)
    assert url is not None  # noqa: S101 - the configuration was checked
    try:
        split_url(url.reveal())
    except ValueError as exc:
        raise ConfigError(f"{settings.url_file or settings.url_env or 'url'}: {exc}") from None
    return url


def _kept(file: Path | None, variable: str | None, meaning: str, environ: Mapping[str, str]) -> Secret | None:
    if file is not None:
        return read_secret(file, meaning)
    return secret_of(environ, variable, meaning) if variable is not None else None


def _header(name: str, path: Path) -> Secret:
    value = read_secret(path, f"the header {name}")
    if not value.reveal().isascii():
        raise ConfigError(f"{path}: holds a character that is not ASCII, as no header may")
    return value
