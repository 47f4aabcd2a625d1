"""SIGHUP and POST /-/reload put a good configuration into force and leave a bad one outside."""

from __future__ import annotations

import json
import signal
import sys
import threading
import urllib.error
import urllib.request

import pytest

from support.agents import logged, started
from support.processes import get, running


class Configured:
    """An agent with a configuration file, and the file."""

    def __init__(self, process, file, options):
        self.process, self.file, self.options = process, file, options
        self.url = started(process)

    def write(self, **changes):
        """Changes of the file, ``section__option=value``."""
        for name, value in changes.items():
            section, option = name.split("__")
            self.options.setdefault(section, {})[option] = value
        self.file.write_text(json.dumps(self.options))

    def hup(self, event):
        """Send SIGHUP; the line that tells how it went."""
        before = len(logged(self.process, event))
        self.process.signal(signal.SIGHUP)
        return self.process.until(lambda: logged(self.process, event)[before:], event)[0]

    def value(self, name):
        """One sample without labels."""
        found = [line for line in self.text().splitlines() if line.startswith(f"hyperjobs_{name} ")]
        return float(found[0].split()[1]) if found else None

    def text(self):
        return get(f"{self.url}/metrics").text

    def post(self, path="/-/reload", **headers):
        request = urllib.request.Request(self.url + path, method="POST", headers=headers)  # noqa: S310 - our own address
        try:
            with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310 - as above
                return response.status, response.read().decode()
        except urllib.error.HTTPError as exc:
            with exc:
                return exc.code, exc.read().decode()


@pytest.fixture
def configured(store, tmp_path, request):
    options = {
        "store": {"path": str(store), "state_dir": str(tmp_path / "state")},
        "web": {"listen": ["127.0.0.1:0"], "reload": getattr(request, "param", False)},
    }
    file = tmp_path / "hyperjobs.yaml"
    file.write_text(json.dumps(options))
    with running([sys.executable, "-m", "hyperjobs", "run", "--config", file]) as process:
        found = Configured(process, file, options)
        process.until(lambda: found.value("ledger_ready") == 1, "the first count")
        yield found
        assert process.stop() == 0
        assert "Traceback" not in process.output


def test_a_good_file_is_in_force_after_sighup(configured):
    before = configured.value("config_last_reload_success_timestamp_seconds")
    configured.write(log__level="debug", metrics__stalled_after="2h", store__fold_interval="100ms")

    line = configured.hup("config.reloaded")

    assert line["path"] == str(configured.file)
    assert configured.value("config_last_reload_successful") == 1
    assert configured.value("config_last_reload_success_timestamp_seconds") > before
    assert configured.value("store_up") == 1


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ("store: {path: [}", "hyperjobs.yaml:1"),
        ('{"store": {"pth": "/x"}}', "store.pth"),
        ('{"store": {"fold_interval": "1h"}}', "store.fold_interval"),
    ],
)
def test_a_bad_file_changes_nothing_is_logged_and_shows_until_it_is_good_again(configured, broken, words):
    good = configured.file.read_text()
    before = configured.value("config_last_reload_success_timestamp_seconds")
    configured.file.write_text(broken)

    line = configured.hup("config.reload_failed")

    assert words in line["error"]
    assert configured.value("config_last_reload_successful") == 0
    assert configured.value("config_last_reload_success_timestamp_seconds") == before
    assert configured.value("store_up") == 1
    assert configured.value("ledger_ready") == 1
    assert get(f"{configured.url}/-/ready").status == 200

    configured.file.write_text(good)
    configured.hup("config.reloaded")
    assert configured.value("config_last_reload_successful") == 1


def test_a_file_that_is_gone_changes_nothing(configured):
    configured.file.unlink()

    configured.hup("config.reload_failed")

    assert configured.value("config_last_reload_successful") == 0
    assert configured.value("store_up") == 1


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("web.listen", ["127.0.0.1:1"]),
        ("web.reload", True),
        ("store.path", "/elsewhere/jobs.db"),
        ("store.state_dir", "/elsewhere"),
        ("store.ledger", "scan"),
        ("store.create", True),
    ],
)
def test_what_only_a_restart_can_change_is_refused_by_name(configured, option, value):
    configured.write(**{option.replace(".", "__"): value})

    line = configured.hup("config.reload_failed")

    assert option in line["error"]
    assert "restart" in line["error"]
    assert configured.value("config_last_reload_successful") == 0
    assert get(f"{configured.url}/-/healthy").status == 200


def test_reload_over_http_is_off_unless_it_is_switched_on(configured):
    status, text = configured.post()

    assert (status, "web.reload" in text) == (403, True)
    assert not logged(configured.process, "config.reloaded")


@pytest.mark.parametrize("configured", [True], indirect=True)
def test_reload_over_http_does_what_sighup_does(configured):
    configured.write(log__level="warning")
    assert configured.post()[0] == 200
    assert logged(configured.process, "config.reloaded") == []  # the new level is in force already

    configured.file.write_text("nonsense: [")
    status, text = configured.post()

    assert (status, "old configuration stays" in text) == (500, True)
    assert configured.value("config_last_reload_successful") == 0
    assert configured.post(Origin="http://evil.example")[0] == 403
    configured.write(log__level="info")


def test_no_scrape_is_lost_or_empty_while_reloads_go_on(configured):
    bodies, stop = [], threading.Event()

    def scrape():
        while not stop.is_set():
            bodies.append(configured.text())

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        for _ in range(5):
            configured.hup("config.reloaded")
    finally:
        stop.set()
        thread.join()

    assert len(bodies) > 5
    assert all("\nhyperjobs_jobs_created_total{" in body for body in bodies if "\nhyperjobs_store_up 1.0\n" in body)
    assert all("\nhyperjobs_store_up " in body for body in bodies)


def test_a_reload_sets_no_counter_back(configured):
    configured.process.until(lambda: configured.value("ledger_folds_total") is not None, "the counters")
    names = ("ledger_folds_total", "ledger_rebaselines_total", "ledger_epoch", "store_busy_total")
    before = {name: configured.value(name) for name in names}

    configured.hup("config.reloaded")

    assert all(configured.value(name) >= before[name] for name in names)
