"""The log: what a line looks like, what cannot be forged, and that it never stops the work."""

import io
import json
import logging
import os
import subprocess
import sys
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from hyperjobs.logs import configure_logs, get_logger

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class StoppedClock:
    def __init__(self):
        self.seconds = 0.0

    def now(self):
        return NOON

    def monotonic(self):
        return self.seconds


@pytest.fixture
def log():
    """Configures the log and gives the stream it goes to."""

    def configure(level="info", log_format="json"):
        stream = io.StringIO()
        configure_logs(level, log_format, stream=stream, clock=StoppedClock())
        return stream

    return configure


def lines(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def log_failure(message):
    try:
        int(message)
    except ValueError as exc:
        get_logger().error("task.failed", exc_info=ValueError(message).with_traceback(exc.__traceback__))


def test_a_line_is_one_json_object_with_time_level_and_event_first(log):
    stream = log()

    get_logger(path=Path("/x")).warning("store.became_slow", waited=timedelta(seconds=1.5), at=NOON)

    assert stream.getvalue() == (
        '{"timestamp": "2026-03-01T12:00:00.000Z", "level": "warning", "event": "store.became_slow", '
        '"path": "/x", "waited": 1.5, "at": "2026-03-01T12:00:00+00:00"}\n'
    )


def test_a_console_line_is_for_people(log):
    stream = log(log_format="console")

    get_logger().info("agent.started", path="/x", note="two words", count=3)

    assert stream.getvalue() == ('2026-03-01T12:00:00.000Z info    agent.started path=/x note="two words" count=3\n')


@pytest.mark.parametrize(("level", "written"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_lines_below_the_level_are_dropped(log, level, written):
    stream = log(level)

    for name in ("debug", "info", "warning", "error"):
        getattr(get_logger(), name)("agent.said_something")

    assert len(lines(stream)) == written


def test_a_logger_bound_before_a_reload_follows_it(log):
    log("error", "console")
    early = get_logger(area="x").bind()
    stream = log("debug", "json")

    early.debug("agent.reloaded")

    assert lines(stream)[0]["event"] == "agent.reloaded"


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize(
    "name",
    ["x\n2026 error forged", "x\r\n", "x\x1b[2K", "x\x85y", "x\u2028y", "\u202eevil", "\udcff", "x\x9b1A", "x\0"],
)
def test_a_name_cannot_forge_a_line_or_move_the_cursor(log, log_format, name):
    stream = log(log_format=log_format)

    get_logger().info("job.read", name=name, nested=[{name: name}])
    logging.getLogger("other").error("%s", name)

    text = stream.getvalue()
    assert len(text.split("\n")) == 3
    assert text.replace("\n", "").isprintable()


def test_a_forged_line_in_an_exception_stays_indented(log):
    stream = log(log_format="console")

    log_failure("x\n2026-03-01 error forged")

    first, *rest = stream.getvalue().splitlines()
    assert "task.failed" in first
    assert all(line.startswith("    ") for line in rest)


def test_an_exception_is_one_field(log):
    stream = log()

    log_failure("broken")

    (line,) = lines(stream)
    assert line["level"] == "error"
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("ValueError: broken")


def test_standard_loggers_and_warnings_take_the_same_way(log):
    stream = log()

    logging.getLogger("some.library").warning("missed %d runs", 3)
    logging.getLogger("some.library").debug("chatter")
    logging.getLogger("odd").log(35, "between two levels")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("old\nthing", UserWarning, stacklevel=1)

    first, odd, warned = lines(stream)
    assert (first["level"], first["event"], first["logger"]) == ("warning", "missed 3 runs", "some.library")
    assert odd["level"] == "warning"
    assert "old\nthing" in warned["event"]


def test_a_record_whose_arguments_do_not_fit_is_still_logged(log):
    stream = log()

    logging.getLogger("x").error("%d jobs", "many")
    logging.getLogger("x").error("100 % sure")

    assert [line["event"] for line in lines(stream)] == ["%d jobs", "100 % sure"]


class Unprintable:
    def __repr__(self):
        raise RuntimeError("no")


def _loop():
    loop: list = []
    loop.append(loop)
    return loop


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (10**5000, None),
        ({(1, 2): b"\xff"}, {"(1, 2)": "b'\\xff'"}),
        (Unprintable(), "<Unprintable>"),
        (_loop(), None),
        ("x" * 20_000, "x" * 16_384 + "… (20000 characters)"),
        (list(range(200)), list(range(100))),
        (ValueError("why"), "why"),
        ({3}, [3]),
    ],
    ids=["nan", "infinity", "huge", "keys", "repr raises", "loop", "long", "many", "exception", "set"],
)
def test_any_value_makes_a_bounded_line_of_valid_json(log, value, expected):
    stream = log()

    get_logger().info("job.read", value=value)

    def refuse(constant):
        raise AssertionError(constant)

    (line,) = [json.loads(text, parse_constant=refuse) for text in stream.getvalue().splitlines()]
    assert expected is None or line["value"] == expected
    assert len(stream.getvalue()) < 40_000


def test_events_can_be_captured(log):
    log()

    with capture_logs() as captured:
        get_logger().info("agent.started", version="1")

    assert captured == [{"event": "agent.started", "version": "1", "log_level": "info"}]


def test_auto_is_console_on_a_terminal_and_json_elsewhere():
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "w") as terminal:
        configure_logs(stream=terminal, clock=StoppedClock())
        get_logger().info("agent.started")
        shown = os.read(ours, 1000)
    os.close(ours)

    assert shown == b"2026-03-01T12:00:00.000Z info    agent.started\r\n"


PROGRAM = """
import logging, sys
from hyperjobs.logs import configure_logs, get_logger
sink = configure_logs()
for _ in range(100):
    get_logger().error("agent.worked")
    logging.getLogger("other").error("worked")
print("done", sink.lost)
"""


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-"])
def test_a_log_that_cannot_be_written_never_stops_the_work(redirection):
    done = subprocess.run(
        ["bash", "-c", f'"$0" -c "$1" {redirection}', sys.executable, PROGRAM],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "done 200\n"
    assert "Traceback" not in done.stderr


def test_a_log_whose_reader_has_gone_never_stops_the_work():
    reader, writer = os.pipe()
    os.close(reader)

    done = subprocess.run([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=writer, text=True, check=True)

    os.close(writer)
    assert done.stdout == "done 200\n"


def test_a_closed_descriptor_is_never_written_to_again(tmp_path):
    # With descriptor 2 closed at start, the next file opened gets that number: a database, for example.
    program = PROGRAM.replace("sink =", f"victim = open({str(tmp_path / 'db')!r}, 'w'); sink =")

    subprocess.run(["bash", "-c", '"$0" -c "$1" 2>&-', sys.executable, program], check=True, capture_output=True)

    assert (tmp_path / "db").read_bytes() == b""


def test_lost_lines_are_counted():
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        sink = configure_logs(stream=full)
        get_logger().info("agent.started")

    assert sink.lost == 1


def test_a_closed_stream_loses_lines_quietly():
    stream = io.StringIO()
    sink = configure_logs(stream=stream)
    stream.close()

    get_logger().info("agent.started")

    assert sink.lost == 1
