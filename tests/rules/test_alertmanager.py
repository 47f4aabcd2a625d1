"""The example of an Alertmanager routes every alert to whose it is, and keeps back what follows from another."""

from __future__ import annotations

import subprocess

import pytest

from hyperjobs.rules.render import Kind, groups
from hyperjobs.rules.values import default_values
from support.alerting import EXAMPLE, alertmanager, receiving

TARGET = {"job": "hyperjobs", "instance": "a"}
TEAMS = {"jobs": "team-jobs", "provider": "team-providers", "system": "team-infra"}
RULES = {
    (rule["alert"], rule["labels"]["severity"]): rule["labels"]
    for group in groups(Kind.ALERTS, default_values(), with_reserved=True)
    for rule in group["rules"]
}


def alert(name, severity, *, target=TARGET, **labels):
    """The labels of an alert as Prometheus sends it."""
    return {"alertname": name, **RULES[name, severity], **target, **labels}


@pytest.mark.tool("amtool")
def test_alertmanager_takes_the_example():
    checked = subprocess.run(
        ["amtool", "check-config", EXAMPLE], capture_output=True, text=True, check=False, timeout=60
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.tool("amtool")
@pytest.mark.parametrize(("name", "severity"), RULES)
def test_every_alert_goes_to_whose_it_is_and_a_critical_one_wakes_somebody_too(name, severity):
    labels = [f"{key}={value}" for key, value in alert(name, severity).items()]
    routed = subprocess.run(
        ["amtool", "config", "routes", "test", f"--config.file={EXAMPLE}", *labels],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    team = TEAMS[RULES[name, severity]["component"]]
    wanted = {"critical": f"on-call,{team}", "warning": team, "info": "nobody"}[severity]
    assert routed.stdout.strip() == ("watchdog" if name == "HyperJobsAlive" else wanted)


DOWN = alert("HyperJobsDown", "critical")
DAMAGED = alert("HyperJobsIntegrityFailed", "critical")
PAUSED = alert("HyperJobsMaintenanceWindow", "info")
OVERDUE = alert("HyperJobsTaskOverdue", "warning", task="prune")
OVERDUE_BACKUP = alert("HyperJobsTaskOverdue", "critical", task="backup")
ELSEWHERE = {"job": "hyperjobs", "instance": "b"}


@pytest.mark.tool("prometheus-alertmanager")
@pytest.mark.parametrize(
    ("source", "kept_back", "goes_on"),
    [
        pytest.param(
            DOWN,
            [DAMAGED, alert("HyperJobsBacklogAge", "critical", provider="vsphere"), PAUSED],
            [alert("HyperJobsIntegrityFailed", "critical", target=ELSEWHERE), alert("HyperJobsAlive", "info", target={})],
            id="an agent that is down keeps back all others of its own",
        ),
        pytest.param(
            alert("HyperJobsDown", "critical", target={"job": "hyperjobs"}),
            [],
            [alert("HyperJobsAlive", "info", target={}), OVERDUE],
            id="no target at all does not keep back the dead man's switch",
        ),
        pytest.param(
            PAUSED,
            [OVERDUE, alert("HyperJobsBloat", "warning")],
            [
                OVERDUE_BACKUP,
                alert("HyperJobsBacklogAge", "warning", provider="vsphere"),
                alert("HyperJobsProviderSilent", "warning", provider="vsphere"),
                alert("HyperJobsBloat", "warning", target=ELSEWHERE),
            ],
            id="a pause keeps back warnings about the system",
        ),
        pytest.param(
            DAMAGED,
            [OVERDUE, OVERDUE_BACKUP, alert("HyperJobsTaskFailing", "warning", task="integrity-quick")],
            [
                alert("HyperJobsBackupTooOld", "critical", destination="local"),
                alert("HyperJobsTaskOverdue", "critical", task="backup", target=ELSEWHERE),
            ],
            id="damage keeps back tasks that do not succeed because of it",
        ),
        pytest.param(
            alert("HyperJobsFrozen", "warning", reason="person"),
            [OVERDUE],
            [OVERDUE_BACKUP],
            id="a freeze keeps back the tasks that it holds",
        ),
        pytest.param(
            alert("HyperJobsBacklogAge", "critical", provider="vsphere"),
            [alert("HyperJobsBacklogAge", "warning", provider="vsphere")],
            [
                alert("HyperJobsBacklogAge", "warning", provider="hyperv"),
                alert("HyperJobsBacklogAge", "warning", provider="vsphere", target=ELSEWHERE),
                alert("HyperJobsHighFailureRatio", "warning", provider="vsphere"),
            ],
            id="a critical keeps back the warning of the same thing",
        ),
    ],
)  # fmt: skip
def test_what_follows_from_another_is_kept_back(source, kept_back, goes_on, tmp_path):
    wanted = {
        **{frozenset(each.items()): "suppressed" for each in kept_back},
        **{frozenset(each.items()): "active" for each in (source, *goes_on)},
    }
    with receiving() as receiver, alertmanager(tmp_path, receiver.url) as server:
        server.post(*kept_back, *goes_on)
        alone = dict.fromkeys(wanted.keys() - {frozenset(source.items())}, "active")
        server.process.until(lambda: server.states() == alone, "the alerts alone")

        server.post(source)

        server.process.until(lambda: server.states() == wanted, "the inhibition")
