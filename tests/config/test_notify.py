"""The options of channels: each type has its own, mistakes have words of their own, and no secret is shown."""

from __future__ import annotations

import json

import pytest

from hyperjobs.agent.channels import channels_of
from hyperjobs.config import load_config, render
from hyperjobs.config.notify import Channel
from hyperjobs.errors import ConfigError

HOOK = {"name": "ops", "type": "webhook", "url": "https://hooks.example/T0/canary"}
PING = {"name": "ping", "type": "healthchecks", "url": "https://hc.example/canary", "tasks": ["backup"]}
NTFY = {"name": "phone", "type": "ntfy", "url": "https://ntfy.example", "topic": "ops"}
MAIL = {"name": "mail", "type": "smtp", "host": "mail.example", "sender": "a@example.net", "to": ["b@example.net"]}
EVERYTHING = {"name": "all", "type": "apprise", "urls_file": "/urls"}


def loaded(tmp_path, *channels):
    file = tmp_path / "hyperjobs.yaml"
    file.write_text(json.dumps({"notifications": channels}))
    return load_config(file, environ={})


@pytest.mark.parametrize(
    "channel",
    [
        HOOK,
        HOOK | {"events": ["backup.*", "store.down"], "headers": {"X-Team": "ops"}, "timeout": "3s", "retry": "0"},
        HOOK | {"enabled": "false", "repeat": "6h", "details": "true", "proxy": "true"},
        PING,
        {**PING, "tasks": [], "slugs": {"backup": "nightly", "drill": "drill"}},
        NTFY | {"token_file": "/t"},
        MAIL | {"username": "u", "password_env": "PASS", "tls": "tls", "port": "2465"},
        EVERYTHING,
    ],
)
def test_a_channel_of_each_type_is_read_and_what_is_shown_reads_back(tmp_path, channel):
    config = loaded(tmp_path, channel)
    shown = render(config)

    assert "canary" not in shown
    (tmp_path / "shown.yaml").write_text(shown)
    again = load_config(tmp_path / "shown.yaml", environ={})
    hidden = {"url"}
    for name in Channel.model_fields.keys() - hidden:
        assert getattr(again.notifications[0], name) == getattr(config.notifications[0], name)


@pytest.mark.parametrize(
    ("channel", "words"),
    [
        ({"name": "x", "type": "slack"}, "must be one of webhook, healthchecks, ntfy, smtp, apprise"),
        ({"name": "x", "type": "webhook"}, "url: is missing; type webhook needs url or url_file or url_env"),
        (HOOK | {"url_file": "/x"}, "url_file: stands beside url"),
        (HOOK | {"url": "ftp://x"}, "must begin with https:// or http://"),
        (HOOK | {"url": "https://u:canary@host/"}, "holds a user or password"),
        (HOOK | {"topic": "x"}, "topic: is no option of type webhook"),
        (HOOK | {"headers": {"Authorization": "canary"}}, "Authorization: sounds like a secret"),
        (HOOK | {"headers": {"X-Api-Key": "canary"}}, "X-Api-Key: sounds like a secret"),
        (HOOK | {"headers": {"A B": "x"}}, "has a name that is no header's"),
        (HOOK | {"headers": {"X-A": "a\nb"}}, "cannot be printed"),
        (HOOK | {"headers": {"X-A": "x"}, "header_files": {"x-a": "/x"}}, "names x-a, as header_files does"),
        (HOOK | {"events": []}, "must not be empty"),
        (HOOK | {"retry": "21"}, "must be from 0 to 20"),
        (HOOK | {"timeout": "2m"}, "timeout: must be from 1s to 1m"),
        (HOOK | {"name": "Ops Team"}, "must be a short name"),
        (HOOK | {"passwort": "canary"}, "is no option of it"),
        (PING | {"tasks": ["backup", "drill"]}, "one check is for one task"),
        (PING | {"events": ["task.ok"]}, "events: type healthchecks pings by itself"),
        (PING | {"slugs": {"drill": "x"}}, "slugs: has none for backup"),
        (PING | {"slugs": {"backup": "../x"}}, "a slug that is not"),
        ({**NTFY, "topic": "a/b"}, "must be a topic"),
        (NTFY | {"token": "canary"}, "is no option of it"),
        (NTFY | {"token_file": "/x", "token_env": "X"}, "token_env: stands beside token_file"),
        (MAIL | {"to": []}, "to: is missing"),
        (MAIL | {"to": ["b@example.net\nBcc: x"]}, "cannot be printed"),
        (MAIL | {"sender": "nobody"}, "must be a mail address"),
        (MAIL | {"password_file": "/p"}, "username: goes with password_file"),
        (MAIL | {"username": "u", "password_file": "/p", "tls": "none"}, "for all to read"),
        ({"name": "x", "type": "apprise"}, "urls_file: is missing"),
    ],
)
def test_a_mistake_is_named_with_its_channel_and_no_secret(tmp_path, channel, words):
    with pytest.raises(ConfigError) as said:
        loaded(tmp_path, HOOK | {"name": "first"}, channel)

    assert words in str(said.value)
    assert "notifications[1]" in str(said.value)
    assert "canary" not in str(said.value)


def test_a_name_stands_for_one_channel(tmp_path):
    with pytest.raises(ConfigError, match="names ops twice"):
        loaded(tmp_path, HOOK, HOOK)


def test_secrets_come_from_files_and_variables_and_are_read_when_channels_are_made(tmp_path):
    for name, text in (("token", "canary-t\n"), ("url", "https://hooks.example/canary-u"), ("pass", " canary-p ")):
        (tmp_path / name).write_text(text)
    config = loaded(
        tmp_path,
        {"name": "hook", "type": "webhook", "url_file": str(tmp_path / "url"),
         "header_files": {"Authorization": str(tmp_path / "token")}},
        NTFY | {"token_env": "NTFY_TOKEN"},
        MAIL | {"username": "u", "password_file": str(tmp_path / "pass")},
        HOOK | {"enabled": "false", "url": "http://off"},
    )  # fmt: skip

    hook, ntfy, mail = (channel for _, channel in channels_of(config, environ={"NTFY_TOKEN": "canary-n"}))

    assert hook.url.reveal() == "https://hooks.example/canary-u"
    assert [(name, value.reveal()) for name, value in hook.headers] == [("Authorization", "canary-t")]
    assert (ntfy.token.reveal(), mail.password.reveal(), mail.port) == ("canary-n", "canary-p", 587)
    assert "canary" not in repr([hook, ntfy, mail])
    assert "canary" not in render(config)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"url": None, "url_file": "missing"}, "missing: cannot be read"),
        ({"url": None, "url_file": "empty"}, "empty: is empty"),
        ({"url": None, "url_file": "lines"}, "lines: holds more than one line"),
        ({"url": None, "url_file": "ftp"}, "ftp: must begin with https://"),
        ({"url": None, "url_env": "NOT_SET"}, "NOT_SET: there is no such variable"),
        ({"header_files": {"Authorization": "missing"}}, "missing: cannot be read"),
        ({"ca_file": "empty"}, "empty: holds no certificates"),
        ({"events": ["task.faild"]}, "events: task.faild is none"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_channel(tmp_path, changes, words):
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "lines").write_text("canary\ncanary")
    (tmp_path / "ftp").write_text("ftp://canary")
    options = HOOK | {
        name: str(tmp_path / value) if name.endswith("_file") else value for name, value in changes.items() if value
    }
    if "header_files" in changes:
        options["header_files"] = {"Authorization": str(tmp_path / "missing")}
    options = {name: value for name, value in options.items() if not (name == "url" and "url" in changes)}

    with pytest.raises(ConfigError, match=r"^notifications: ops: ") as said:
        channels_of(loaded(tmp_path, options), environ={})

    assert words in str(said.value)
    assert "canary" not in str(said.value)
