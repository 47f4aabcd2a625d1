"""Channels that speak HTTP, with receivers that obey, refuse, hang, drip, redirect and lie about who they are."""

from __future__ import annotations

import contextlib
import socket
import time
from dataclasses import replace

import pytest

from hyperjobs.errors import ConfigError
from hyperjobs.notify.channel import NotSentError, Words
from hyperjobs.notify.event import Event, recovery_of
from hyperjobs.notify.healthchecks import Healthchecks
from hyperjobs.notify.http import Http, split_url
from hyperjobs.notify.ntfy import Ntfy
from hyperjobs.notify.webhook import Webhook
from hyperjobs.secret import Secret
from support.processes import free_port
from support.receivers import http_receiver

WORDS = Words(host="db1", store="/var/lib/hypersdk/jobs.db")
TOKEN = "canary-tk-Vorpal"  # noqa: S105 - of a receiver that lives as long as a test


def webhook(url, **changes):
    return Webhook(**{"url": Secret(f"{url}/hook/canary-path"), "words": WORDS, "http": Http(), **changes})


@pytest.fixture
def receiver():
    with http_receiver() as running:
        yield running


def test_a_webhook_gets_the_event_as_json_with_its_headers(receiver, failure):
    webhook(receiver.url, headers=(("Authorization", Secret(f"Bearer {TOKEN}")),)).send(failure, timeout_s=5)

    [request] = receiver.requests
    assert (request.path, request.headers["Content-Type"]) == ("/hook/canary-path", "application/json")
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    assert request.headers["User-Agent"].startswith("hyperjobs/")
    assert request.json() == {
        "event": "backup.failed",
        "severity": "critical",
        "title": "backup failed",
        "at": "2026-09-10T01:30:07Z",
        "since": None,
        "task": "backup",
        "reason": "no_space",
        "host": "db1",
    }


def test_details_go_out_only_where_they_are_wanted(receiver, failure):
    webhook(receiver.url, words=replace(WORDS, has_details=True)).send(failure, timeout_s=5)

    told = receiver.requests[0].json()
    assert told["detail"].endswith("1.1 MiB free")
    assert told["store"] == "/var/lib/hypersdk/jobs.db"


def test_ntfy_gets_a_message_with_a_priority_by_severity(receiver, failure):
    channel = Ntfy(url=Secret(receiver.url), topic="ops", words=WORDS, http=Http(), token=Secret(TOKEN))

    for event in (failure, recovery_of(failure, failure.at)):
        channel.send(event, timeout_s=5)

    bad, good = (request.json() for request in receiver.requests)
    assert [request.path for request in receiver.requests] == ["/", "/"]
    assert receiver.requests[0].headers["Authorization"] == f"Bearer {TOKEN}"
    assert (bad["topic"], bad["title"], bad["priority"]) == ("ops", "hyperjobs on db1: backup failed", 5)
    assert "no_space" in bad["message"]
    assert "free" not in bad["message"]
    assert (good["title"], good["priority"]) == ("hyperjobs on db1: backup works again", 3)
    assert "since 2026-09-10 01:30:07 UTC" in good["message"]


def test_healthchecks_is_pinged_for_start_success_and_failure_of_each_task(receiver, failure):
    slugs = {"backup": "nightly"}
    channel = Healthchecks(url=Secret(f"{receiver.url}/ping/key/"), words=WORDS, http=Http(), slugs=slugs)

    for name, reason in (
        ("task.started", ""),
        ("task.ok", ""),
        ("task.skipped", "nothing_to_do"),
        ("task.skipped", "paused"),  # not its turn: no ping
        ("backup.failed", "no_space"),
        ("test", ""),
    ):
        channel.send(replace(failure, name=name, reason=reason), timeout_s=5)

    ends = ["/start", "", "", "/fail", "/log"]
    assert [request.path for request in receiver.requests] == [f"/ping/key/nightly{end}" for end in ends]
    assert {request.body for request in receiver.requests} == {b""}


@pytest.mark.parametrize(
    ("status", "is_final"),
    [(400, True), (401, True), (403, True), (404, True), (410, True), (408, False), (425, False), (429, False),
     (500, False), (502, False), (503, False), (301, True), (302, True), (303, True), (304, True)],
)  # fmt: skip
def test_what_a_receiver_refuses_is_final_where_trying_again_would_not_help(receiver, failure, status, is_final):
    receiver.rule = lambda _: (status, {"Location": f"{receiver.url}/elsewhere", "Retry-After": "7"})

    with pytest.raises(NotSentError, match=f"^localhost answered {status}$") as said:
        webhook(receiver.url).send(failure, timeout_s=5)

    assert (said.value.is_final, said.value.retry_after_s) == (is_final, 7)
    assert len(receiver.requests) == 1


def test_a_redirect_on_the_same_host_is_followed_and_one_that_leads_round_is_not(receiver, failure):
    receiver.rule = lambda request: (308, {"Location": "/new"}) if request.number == 1 else 200
    webhook(receiver.url).send(failure, timeout_s=5)
    assert [request.path for request in receiver.requests] == ["/hook/canary-path", "/new"]
    assert receiver.requests[1].body == receiver.requests[0].body

    receiver.rule = lambda _: (307, {"Location": "/new"})
    with pytest.raises(NotSentError, match="answered 307"):
        webhook(receiver.url).send(failure, timeout_s=5)


@pytest.mark.parametrize(
    "where", ["http://127.0.0.1:{port}/x", "https://localhost:{port}/x", "//evil.example/x", "file:///etc/passwd"]
)
def test_a_redirect_to_another_place_takes_the_message_nowhere(receiver, failure, where):
    with http_receiver() as other:
        port = other.url.rpartition(":")[2]
        receiver.rule = lambda _: (307, {"Location": where.format(port=port)})
        with pytest.raises(NotSentError, match="a redirect to another place") as said:
            webhook(receiver.url, headers=(("Authorization", Secret(TOKEN)),)).send(failure, timeout_s=5)

        assert said.value.is_final
        assert other.requests == []


@pytest.mark.parametrize("how", ["hang", "drip"])
def test_a_receiver_that_takes_for_ever_is_given_the_time_and_no_more(receiver, failure, how):
    receiver.rule = lambda _: how
    began = time.monotonic()

    with pytest.raises(NotSentError, match="did not answer in time") as said:
        webhook(receiver.url).send(failure, timeout_s=0.5)

    assert 0.4 < time.monotonic() - began < 3
    assert not said.value.is_final


def test_a_receiver_that_is_not_there_is_tried_again_later(failure):
    with pytest.raises(NotSentError, match="localhost: Connection refused") as said:
        webhook(f"http://localhost:{free_port()}").send(failure, timeout_s=5)

    assert not said.value.is_final


@pytest.mark.parametrize("said", [b"SSH-2.0-x\r\n", b"", b"HTTP/1.1 abc\r\n\r\n", b"\xff" * 100])
def test_what_does_not_speak_http_is_no_trouble(failure, said):
    with socket.create_server(("127.0.0.1", 0)) as server:
        import threading  # noqa: PLC0415 - one use

        def answer() -> None:
            client, _ = server.accept()
            with client, contextlib.suppress(OSError):
                client.sendall(said)
                client.recv(100)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        with pytest.raises(NotSentError):
            webhook(f"http://localhost:{server.getsockname()[1]}").send(failure, timeout_s=2)
        thread.join(10)


def test_a_certificate_must_be_trusted(certificate, authority, failure):
    with http_receiver(certificate) as receiver:
        webhook(receiver.url, http=Http(ca_file=authority.crt)).send(failure, timeout_s=5)
        with pytest.raises(NotSentError, match="its certificate is not trusted"):
            webhook(receiver.url).send(failure, timeout_s=5)

        assert len(receiver.requests) == 1


def test_a_certificate_must_be_in_date_and_of_this_host(authority, failure):
    for made in (authority.issue("late", days=-1), authority.issue("other", sans="DNS:other.example")):
        with http_receiver(made) as receiver, pytest.raises(NotSentError, match="its certificate is not trusted"):
            webhook(receiver.url, http=Http(ca_file=authority.crt)).send(failure, timeout_s=5)


def test_a_proxy_of_the_environment_is_used_only_when_asked_for(receiver, failure, monkeypatch):
    monkeypatch.setenv("no_proxy", "")
    with http_receiver() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        webhook(receiver.url).send(failure, timeout_s=5)
        assert (len(receiver.requests), len(proxy.requests)) == (1, 0)

        webhook("http://hooks.example", http=Http(is_proxied=True)).send(failure, timeout_s=5)

        assert proxy.requests[0].path == "http://hooks.example/hook/canary-path"


@pytest.mark.parametrize(
    "url", ["ftp://host/x", "file:///etc/passwd", "host", "http://", "http://h:99999/", "http://h:0/", "http://u:p@h/",
            "http://h /", "http://h/\nx", "http://h/#x", "http://hö.example/", "javascript:alert(1)", "http://[::1/"]
)  # fmt: skip
def test_what_is_no_address_to_post_to_is_refused_and_not_repeated(url):
    with pytest.raises(ValueError, match=r".") as said:
        split_url(url)

    assert url not in str(said.value)


def test_no_error_shows_the_path_or_a_header(receiver, failure):
    receiver.rule = lambda _: 403
    said = []
    for url in (receiver.url, f"http://localhost:{free_port()}", "http://canary-host.invalid"):
        channel = webhook(url, headers=(("Authorization", Secret(TOKEN)),))
        said.append(repr(channel))
        with pytest.raises(NotSentError) as error:
            channel.send(failure, timeout_s=5)
        said += [str(error.value), repr(error.value), str(error.value.__cause__)]

    assert "canary-path" not in "".join(said)
    assert TOKEN not in "".join(said)


def test_a_file_without_certificates_is_a_wrong_configuration(tmp_path):
    (tmp_path / "ca.pem").write_text("nothing")

    for path in (tmp_path / "ca.pem", tmp_path / "missing"):
        with pytest.raises(ConfigError, match="holds no certificates"):
            Http(ca_file=path)


def test_equal_settings_make_equal_channels():
    assert webhook("http://a") == webhook("http://a")
    assert webhook("http://a") != webhook("http://b")
    assert Event(name="test", subject="x", at=None) == Event(name="test", subject="x", at=None)
