"""Mail through a real server: by STARTTLS, by TLS, and never a password in clear."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from dataclasses import replace
from email import message_from_string, policy

import pytest

from hyperjobs.notify.channel import NotSentError, Words
from hyperjobs.notify.smtp import Smtp
from hyperjobs.secret import Secret
from support.processes import free_port
from support.receivers import mail_receiver

PASSWORD = "canary-Snark-8"  # noqa: S105 - of a server that lives as long as a test


@pytest.fixture
def channel(authority):
    return Smtp(
        host="localhost",
        port=0,
        tls="starttls",
        sender="hyperjobs@example.net",
        to=("ops@example.net", "night@example.net"),
        words=Words(host="db1"),
        username="agent",
        password=Secret(PASSWORD),
        ca_file=authority.crt,
    )


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_a_mail_is_sent_through_tls_with_the_password(channel, certificate, failure, tls):
    with mail_receiver(certificate, password=PASSWORD, is_tls=tls == "tls") as server:
        replace(channel, port=server.port, tls=tls).send(failure, timeout_s=10)

    assert server.logins == [("agent", PASSWORD, True)]
    [(sender, recipients, content)] = server.mails
    assert (sender, recipients) == ("hyperjobs@example.net", ["ops@example.net", "night@example.net"])
    mail = message_from_string(content, policy=policy.default)
    assert mail["Subject"] == "hyperjobs on db1: backup failed"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "no_space" in mail.get_content()
    assert "free" not in mail.get_content()


def test_a_server_that_offers_no_tls_gets_no_password(channel, failure):
    with mail_receiver(None, password=PASSWORD) as server:
        with pytest.raises(NotSentError, match="offers no STARTTLS") as said:
            replace(channel, port=server.port).send(failure, timeout_s=10)

        assert said.value.is_final
        assert (server.logins, server.mails) == ([], [])


def test_a_server_whose_certificate_is_not_trusted_gets_no_password(channel, certificate, failure):
    for is_tls, tls in ((False, "starttls"), (True, "tls")):
        with mail_receiver(certificate, password=PASSWORD, is_tls=is_tls) as server:
            with pytest.raises(NotSentError):
                replace(channel, port=server.port, tls=tls, ca_file=None).send(failure, timeout_s=10)
            assert (server.logins, server.mails) == ([], [])


def test_without_a_password_none_is_sent(channel, failure):
    with mail_receiver(None) as server:
        replace(channel, port=server.port, tls="none", username=None, password=None).send(failure, timeout_s=10)

    assert (len(server.mails), server.logins) == (1, [])


def test_a_wrong_password_is_final_and_not_repeated_in_the_error(channel, certificate, failure):
    refusal = pytest.raises(NotSentError, match="refuses the user or the password")
    with mail_receiver(certificate, password="other") as server, refusal as said:  # noqa: S106 - as above
        replace(channel, port=server.port).send(failure, timeout_s=10)

    assert said.value.is_final
    assert PASSWORD not in repr(said.value) + repr(channel)


@pytest.mark.parametrize(("answer", "is_final"), [("451 4.3.0 later", False), ("550 5.7.1 canary no", True)])
def test_what_a_server_refuses_for_now_is_tried_again(channel, certificate, failure, answer, is_final):
    with mail_receiver(certificate, password=PASSWORD) as server:
        server.answer = answer
        with pytest.raises(NotSentError, match=f"localhost answered {answer[:3]}$") as said:
            replace(channel, port=server.port).send(failure, timeout_s=10)

    assert said.value.is_final is is_final


def test_a_server_that_is_silent_or_gone_is_given_the_time_and_no_more(channel, failure):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for port in (silent.getsockname()[1], free_port()):
            began = time.monotonic()
            with pytest.raises(NotSentError) as said:
                replace(channel, port=port).send(failure, timeout_s=0.5)
            assert time.monotonic() - began < 3
            assert not said.value.is_final


def test_a_server_that_drips_its_greeting_is_given_the_time_and_no_more(channel, failure):
    with socket.create_server(("127.0.0.1", 0)) as dripping:
        is_over = threading.Event()

        def drip():
            client, _ = dripping.accept()
            with client, contextlib.suppress(OSError):
                while not is_over.wait(0.2):
                    client.sendall(b"2")

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            began = time.monotonic()
            with pytest.raises(NotSentError, match="did not answer in time") as said:
                replace(channel, port=dripping.getsockname()[1]).send(failure, timeout_s=0.7)
            assert time.monotonic() - began < 5
            assert not said.value.is_final
        finally:
            is_over.set()
            thread.join()
