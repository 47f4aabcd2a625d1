"""``make demo``: starts everything, says where to look, and ends everything on Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from demo.children import DemoError
from demo.living import living

if TYPE_CHECKING:
    from demo.living import Demo

_LOOK_EVERY_S: Final = 0.5
_FOREVER_S: Final = float("inf")


class _StoppedError(BaseException):
    """A signal came; it ends whatever is being done."""


def main() -> int:
    """Run a demo; its exit code: 0 when it was ended, 1 when it could not go on."""
    given = _words()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    try:
        _run(given)
    except _StoppedError:
        pass
    except DemoError as exc:
        sys.stderr.write(f"the demo ended: {exc}\n")
        return 1
    _say("the demo ended; nothing of it runs any more")
    return 0


def _run(given: argparse.Namespace) -> None:
    with living(
        given.directory,
        speed=given.speed,
        seed=given.seed,
        with_prometheus=not given.without_prometheus,
        days=given.days,
        fresh=not given.keep,
        port=given.port,
        prometheus_port=given.prometheus_port,
        alertmanager_port=given.alertmanager_port,
        say=_say,
    ) as demo:
        _say(_where(demo, given))
        until_s = time.monotonic() + given.length_s
        while time.monotonic() < until_s:
            demo.children.check()
            threading.Event().wait(_LOOK_EVERY_S)


def _where(demo: Demo, given: argparse.Namespace) -> str:
    lines = ["", f"  the agent's page   {demo.agent}/", f"  its metrics        {demo.agent}/metrics"]
    if demo.prometheus is not None:
        lines.append(f"  Prometheus         {demo.prometheus}/graph?g0.expr=sum%20by(status)(hyperjobs_jobs)&g0.tab=0")
    elif not given.without_prometheus:
        lines.append("  Prometheus         is not installed: apt-get install prometheus, then start the demo again")
    if demo.alertmanager is not None:
        lines.append(f"  Alertmanager       {demo.alertmanager}/")
    lines += [f"  the store          {demo.store}", f"  what they say      {demo.directory}/log/", ""]
    lines.append("Beside it: .venv/bin/hyperjobs running --config demo/hyperjobs.yaml; Ctrl-C ends it all")
    return "\n".join(lines)


def _words() -> argparse.Namespace:
    words = argparse.ArgumentParser(prog="make demo ARGS=", description=__doc__)
    add = words.add_argument
    add("--speed", type=_positive, default=2.0, help="so many times faster than in life go jobs and days (2)")
    add("--seed", type=int, default=1, help="another one makes another fleet")
    add("--days", type=_positive, default=14.0, help="how long its past is (14)")
    add("--for", dest="length_s", metavar="SECONDS", type=_positive, default=_FOREVER_S, help="end by itself")
    add("--keep", action="store_true", help="go on with the store of the last demo")
    add("--port", type=int, default=10985, help="of the agent; 0 is any free one, as for the others")
    add("--prometheus-port", type=int, default=9090)
    add("--alertmanager-port", type=int, default=9093)
    add("--without-prometheus", action="store_true", help="the agent and the fleet alone")
    add("--directory", type=Path, default=Path("var/demo"), help="for everything it keeps (var/demo)")
    return words.parse_args()


def _positive(text: str) -> float:
    number = float(text)
    if not number > 0:
        raise argparse.ArgumentTypeError("must be more than 0")
    return number


def _stop(number: int, _frame: object) -> None:
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)  # one is enough
    raise _StoppedError(number)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
