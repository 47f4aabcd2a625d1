"""A canary in every place for a secret: it comes out nowhere, whatever goes wrong, at the most talkative level."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from contextlib import ExitStack
from datetime import timedelta

import bcrypt
import pytest

from hyperjobs.clock import SystemClock
from hyperjobs.cron.expression import parse_schedule
from hyperjobs.store.runs import Runs
from hyperjobs.store.state import StateFile
from support.agents import logged, started
from support.certificates import self_signed
from support.processes import free_port, get, running
from support.receivers import http_receiver, mail_receiver

CANARY = "canary7f3a"
BACKUP = "30 1 * * *"


def secret(name):
    return f"{CANARY}-{name}"


@pytest.fixture
def home(tmp_path, store):
    """A configuration with a canary wherever a secret can be; its receivers refuse, hang up or are not there."""
    state = StateFile(tmp_path / "state", store, clock=SystemClock())
    Runs(state).set_mark("backup", str(parse_schedule(BACKUP, "UTC")), SystemClock().now() - timedelta(hours=23))
    state.close()
    (tmp_path / "backups").mkdir(mode=0o700)
    certificate = self_signed(tmp_path, "localhost")
    for name in ("access", "key", "token", "password"):
        (tmp_path / name).write_text(secret(name))
    with ExitStack() as opened:
        refusing = opened.enter_context(http_receiver())
        refusing.rule = lambda _: (403, {"X-Echo": secret("echo")})
        mail = opened.enter_context(mail_receiver(certificate, password=secret("other")))
        mail.answer = f"550 {secret('mail')}"
        dead = f"http://localhost:{free_port()}"
        (tmp_path / "url").write_text(f"{dead}/{secret('path')}?key={secret('query')}")
        (tmp_path / "urls").write_text(
            f"json://{secret('user')}:{secret('pass')}@localhost:{free_port()}/{secret('p')}"
        )
        (tmp_path / "web.yaml").write_text(
            "basic_auth_users:\n  prometheus: " + bcrypt.hashpw(secret("login").encode(), bcrypt.gensalt(4)).decode()
        )
        offsite = {"name": "offsite", "bucket": "b", "endpoint": refusing.url}
        offsite |= {"access_key_file": str(tmp_path / "access"), "secret_key_file": str(tmp_path / "key")}
        token = {"header_files": {"Authorization": str(tmp_path / "token")}, "events": ["*"], "retry": "1"}
        yield {
            "store": {"path": str(store), "state_dir": str(tmp_path / "state")},
            "log": {"level": "debug"},
            "web": {"listen": ["127.0.0.1:0"], "config_file": str(tmp_path / "web.yaml"), "reload": "true"},
            "maintenance": {
                "reserve": "0",
                "backup": {"schedule": BACKUP, "directory": str(tmp_path / "backups"), "destinations": [offsite]},
            },
            "notifications": [
                {"name": "refused", "type": "webhook", "url": f"{refusing.url}/{secret('hook')}", **token},
                {"name": "dead", "type": "webhook", "url_file": str(tmp_path / "url"), **token},
                {"name": "phone", "type": "ntfy", "url": refusing.url, "topic": "ops", "token_env": "NTFY_TOKEN"},
                {"name": "ping", "type": "healthchecks", "url": f"{refusing.url}/{secret('ping')}", "tasks": ["backup"]},
                {"name": "mail", "type": "smtp", "host": "localhost", "port": str(mail.port), "sender": "a@example.net",
                 "to": ["b@example.net"], "username": "agent", "password_file": str(tmp_path / "password"),
                 "ca_file": str(certificate.crt), "details": "true"},
                {"name": "all", "type": "apprise", "urls_file": str(tmp_path / "urls")},
            ],
        }  # fmt: skip


def said(env, *words):
    """Everything that a command writes."""
    done = subprocess.run(
        [sys.executable, "-m", "hyperjobs", *words], capture_output=True, text=True, timeout=60, check=False, env=env
    )
    assert done.returncode in {0, 1, 2}, done.stderr
    assert done.stdout + done.stderr
    return done.stdout + done.stderr


def test_no_secret_comes_out_anywhere(tmp_path, home, monkeypatch):
    monkeypatch.setenv("NTFY_TOKEN", secret("ntfy"))
    file = tmp_path / "hyperjobs.yaml"
    file.write_text(json.dumps(home))
    outputs = {}
    with running([sys.executable, "-m", "hyperjobs", "run", "--config", file]) as process:
        url = started(process)
        for credentials in ("login", "wrong"):
            basic = base64.b64encode(f"prometheus:{secret(credentials)}".encode()).decode()
            for path in ("/", "/metrics", "/-/healthy", f"/{secret('address')}"):
                answer = get(url + path, headers={"Authorization": f"Basic {basic}", "X-Api-Key": secret("header")})
                outputs[f"{credentials} {path}"] = f"{answer.headers}{answer.text}"
        given_up = {"refused", "dead", "phone", "ping", "mail", "all"}
        process.until(
            lambda: (
                logged(process, "task.failed")
                and {line["channel"] for line in logged(process, "notify.failed")} >= given_up - {"dead", "all"}
            ),
            "the backup and its messages to fail",
        )
        (tmp_path / "web.yaml").write_text(f"basic_auth_users: {{prometheus: {secret('plain')}}}\n")
        get(url + "/metrics")
        file.write_text(
            json.dumps(home | {"notifications": [{"name": "x", "type": "ntfy", "token": secret("inline")}]})
        )
        process.signal(1)
        process.until(lambda: logged(process, "config.reload_failed"), "the refusal")
        assert logged(process, "web.config_refused")
        outputs["config check, wrong"] = said(None, "config", "check", "-v", "--config", str(file))
        assert process.stop() == 0
        outputs["log"] = process.output
    file.write_text(json.dumps(home | {"web": {}}))
    outputs["state"] = b"".join(path.read_bytes() for path in (tmp_path / "state").glob("*.db*")).decode("latin-1")
    for words in (("config", "show"), ("config", "check"), ("notify", "test", "-v"), ("notify", "test", "--json"),
                  ("runs", "--json"), ("backup", "create", "-v")):  # fmt: skip
        outputs[" ".join(words)] = said(None, *words, "--config", str(file))
    (tmp_path / "token").write_text(f"{secret('a')}\n{secret('b')}\n")
    outputs["two lines"] = said(None, "notify", "test", "-v", "--config", str(file))

    assert len(outputs) == 18
    assert {name: text[text.index(CANARY) - 200 :][:400] for name, text in outputs.items() if CANARY in text} == {}
    assert "uploaded" not in outputs["log"]
    assert "Traceback" not in outputs["log"]
