"""A bucket as a destination, on a real server: what the network and a killed process can do to it."""

from __future__ import annotations

import importlib.util
import json
import logging
import shutil
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from hyperjobs.errors import (
    BackupRunningError,
    ConfigError,
    DestinationDeniedError,
    DestinationError,
    DestinationMissingError,
    HyperjobsError,
    StoreFullError,
    StoreInterruptedError,
    StoreRefusedError,
)
from hyperjobs.maintenance.backup.destination.access import Access
from hyperjobs.maintenance.backup.destination.claim import claimed
from hyperjobs.maintenance.backup.destination.s3 import S3Destination
from hyperjobs.maintenance.backup.name import BackupName
from hyperjobs.secret import Secret
from support.destinations import JOBS, Home, make_home
from support.processes import free_port
from support.s3 import (
    DEADLINE_S,
    KEY,
    SECRET,
    Asked,
    Fate,
    Refusal,
    Relay,
    Server,
    destination,
    nobody,
    relay_to,
    s3_server,
    silent,
    unfinished,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.tool("rclone")

STOP_S = 1.5


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with s3_server(tmp_path_factory.mktemp("s3") / "served") as server:
        yield server


@pytest.fixture
def server(running: Server) -> Iterator[Server]:
    """The server, with one empty bucket of the name ``bucket``."""
    root = running.make_bucket("bucket")
    yield running
    shutil.rmtree(root)


@pytest.fixture
def relay(server: Server) -> Iterator[Relay]:
    with relay_to(server) as relay:
        yield relay


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path / "home")


def objects(server: Server) -> list[str]:
    root = server.root / "bucket"
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def pair(*names: BackupName) -> list[str]:
    return sorted(f"store/{entry}" for name in names for entry in (str(name), name.manifest))


def test_a_large_backup_is_sent_in_parts_and_a_small_one_at_once(server, relay, home):
    name = home.take()
    size = (home.path / str(name)).stat().st_size
    for part_bytes, parts in ((size, 0), (size - 1, 2), (size // 3, 4)):
        relay.asked.clear()
        destination(relay.url, prefix=f"by-{part_bytes}", part_bytes=part_bytes).put(home.path, name)

        assert sum("partNumber" in asked.query for asked in relay.asked) == parts
        assert destination(server.url, prefix=f"by-{part_bytes}").verify(name).jobs == JOBS


def test_everything_sent_carries_a_checksum_that_the_server_holds_it_to(relay, home):
    destination(relay.url).put(home.path, home.take())

    sent = [asked for asked in relay.asked if asked.method == "PUT"]
    assert len(sent) > 3
    assert all("content-md5" in asked.headers for asked in sent)


def test_a_prefix_keeps_two_stores_apart(server, home, tmp_path):
    other = make_home(tmp_path / "other")
    for prefix, where in (("one", home), ("/two/deep/", other), ("", home)):
        destination(server.url, prefix=prefix).put(where.path, where.take())

    assert [len(destination(server.url, prefix=prefix).names()) for prefix in ("one", "two/deep", "two", "")] == [
        1,
        1,
        0,
        1,
    ]


def test_thousands_of_objects_are_all_listed_and_those_of_others_are_not(server):
    root = server.root / "bucket" / "store"
    (root / "deeper").mkdir(parents=True)
    names = [BackupName(number, datetime(2026, 1, 1, tzinfo=UTC), "jobs") for number in range(1, 1501)]
    for name in names:
        (root / str(name)).write_bytes(b"12345")
        (root / name.manifest).touch()
        (root / "deeper" / str(name)).touch()
    (root.parent / str(names[0])).touch()

    sizes = destination(server.url).sizes()

    assert sorted(sizes) == names
    assert set(sizes.values()) == {5}


def test_a_server_that_is_down_is_said_in_one_line(home):
    url = nobody()

    with pytest.raises(
        DestinationError, match=r"^s3://bucket/store: http://127.* did not answer while listing"
    ) as said:
        destination(url).put(home.path, home.take())

    assert (said.value.reason, said.value.exit_code) == ("unreachable", 1)
    assert "\n" not in str(said.value)


def test_a_server_that_never_says_a_word_is_given_up(home):
    with silent() as url, pytest.raises(DestinationError, match="ReadTimeoutError") as said:
        destination(url, timeout_s=0.2, attempts=1).put(home.path, home.take())

    assert said.value.reason == "unreachable"


def test_a_stop_does_not_wait_for_a_server_that_never_says_a_word(home):
    name, began = home.take(), time.monotonic()

    def keep_on() -> None:
        if time.monotonic() > began + 0.2:
            raise StoreInterruptedError("stop")

    with silent() as url, pytest.raises(StoreInterruptedError):
        destination(url, timeout_s=DEADLINE_S).put(home.path, name, keep_on)

    assert time.monotonic() < began + STOP_S


@pytest.mark.parametrize("changes", [{"secret_key": "wrong"}, {"access_key": "nobody"}])
def test_wrong_keys_are_refused_with_what_to_check(server, home, changes):
    with pytest.raises(DestinationDeniedError, match="access_key_file and secret_key_file") as said:
        destination(server.url, **changes).put(home.path, home.take())

    assert said.value.exit_code == 6


def test_a_bucket_that_is_not_there_is_not_made(server, home):
    with pytest.raises(DestinationMissingError, match=r"^s3://other/store: there is no such bucket") as said:
        destination(server.url, "other").put(home.path, home.take())

    assert said.value.exit_code == 7
    assert not (server.root / "other").exists()


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        (Refusal(403, "AccessDenied", "no"), (DestinationDeniedError, "is not allowed")),
        (Refusal(403, "InvalidObjectState"), (DestinationError, "archive")),
        (Refusal(403, "RequestTimeTooSkewed"), (DestinationDeniedError, "clock")),
        (Refusal(403, "SomethingNew"), (DestinationDeniedError, "is not allowed")),
        (Refusal(507, "XMinioStorageFull"), (StoreFullError, "delete old backups")),
        (Refusal(507, "SomethingNew"), (StoreFullError, "delete old backups")),
        (Refusal(403, "QuotaExceeded"), (StoreFullError, "raise the quota")),
        (Refusal(400, "AuthorizationHeaderMalformed"), (DestinationError, "region")),
        (Refusal(503, "SlowDown", "too\nfast"), (DestinationError, r"503: SlowDown too fast\); try again later")),
        (Refusal(409, "ConditionalRequestConflict"), (BackupRunningError, "somebody else")),
    ],
)
def test_what_a_server_refuses_is_said_with_its_reason_and_remedy(server, relay, home, refusal, expected):
    error, words = expected
    relay.rule = lambda asked: refusal if asked.method == "PUT" else None

    with pytest.raises(error, match=words) as said:
        destination(relay.url).put(home.path, home.take())

    assert str(said.value).startswith("s3://bucket/store: ")
    assert "\n" not in str(said.value)
    assert objects(server) == []
    assert unfinished(server) == []


def test_secrets_are_in_no_message_no_log_and_no_text_of_the_object(server, home, caplog):
    caplog.set_level(logging.DEBUG, logger="botocore")
    name = home.take()
    said = []
    for url, changes in ((server.url, {}), (server.url, {"access_key": "nobody"}), (nobody(), {})):
        there = destination(url, **changes)
        said += [repr(there), str(vars(there))]
        try:
            there.put(home.path, name)
        except HyperjobsError as exc:
            said += [str(exc), str(exc.__cause__)]

    assert caplog.text
    assert SECRET not in caplog.text
    assert SECRET not in "".join(said)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"secret_key": Secret("x")}, "give both or none"),
        ({"bucket": "b/p"}, "'prefix'"),
        ({"endpoint": "https://user:hidden@host"}, "holds a user or password"),
        ({"endpoint": "host:9000"}, "https://"),
    ],
)
def test_an_access_that_cannot_be_right_is_refused_before_it_is_tried(changes, words):
    with pytest.raises(ConfigError, match=words) as said:
        S3Destination("offsite", Access(**{"bucket": "b"} | changes))

    assert str(said.value).startswith("destination offsite: ")
    assert "hidden" not in str(said.value)


def test_without_its_driver_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)

    with pytest.raises(ConfigError, match=r"install hyperjobs\[s3\]"):
        S3Destination("offsite", Access(bucket="b"))


def test_the_driver_is_not_loaded_before_it_is_used():
    """It costs a quarter of a second and 20 MB, which an agent without buckets does not pay."""
    code = (
        "import sys\n"
        "import hyperjobs.cli.destination\n"
        "from hyperjobs.maintenance.backup.destination.opening import DestinationSettings, open_destination\n"
        "open_destination(DestinationSettings(name='s3', bucket='b'))\n"
        "assert not {'boto3', 'botocore'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=DEADLINE_S)


def test_a_name_that_no_key_can_have_is_refused(server):
    name = BackupName(1, datetime(2026, 1, 1, tzinfo=UTC), "caf\udce9")

    with pytest.raises(DestinationError, match="cannot be asked for"):
        destination(server.url).verify(name)


def test_a_certificate_is_trusted_when_its_bundle_is_named_and_not_else(tmp_path, home):
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    words = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    words += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(["openssl", "req", *words, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    name = home.take()
    with s3_server(tmp_path / "served", options=["--cert", certificate, "--key", key]) as server:
        server.make_bucket("bucket")

        with pytest.raises(DestinationError, match="certificate that is not trusted") as said:
            destination(server.url).put(home.path, name)
        destination(server.url, ca_file=certificate).put(home.path, name)

        assert said.value.reason == "setting"
        assert destination(server.url, ca_file=certificate).verify(name).jobs == JOBS


def once(which: Callable[[Asked], bool], fate: Fate | Refusal) -> Callable[[Asked], Fate | Refusal | None]:
    """A rule that strikes the first request of a kind."""
    struck: list[Asked] = []

    def rule(asked: Asked) -> Fate | Refusal | None:
        if struck or not which(asked):
            return None
        struck.append(asked)
        return fate

    return rule


def is_part(asked: Asked, number: int = 2) -> bool:
    return asked.query.get("partNumber") == [str(number)]


def is_completion(asked: Asked) -> bool:
    return asked.method == "POST" and "uploadId" in asked.query


def is_manifest(asked: Asked) -> bool:
    return asked.method == "PUT" and asked.key.endswith(".json")


def is_reading(asked: Asked) -> bool:
    return asked.method == "GET" and asked.key.endswith(".db")


@pytest.mark.parametrize("which", [is_part, is_completion, is_manifest, is_reading])
@pytest.mark.parametrize("fate", [Fate.CUT, Fate.LOSE, Fate.HALF, Refusal(503, "SlowDown")])
def test_one_request_that_goes_wrong_is_made_again(server, relay, home, which, fate):
    """Also when the server had done it, so that a second completion finds no upload."""
    relay.rule = once(which, fate)
    name = home.take()

    destination(relay.url).put(home.path, name)

    assert objects(server) == pair(name)
    assert unfinished(server) == []
    assert destination(server.url).verify(name).jobs == JOBS


def test_a_reading_that_breaks_goes_on_where_it_broke(relay, home):
    name = home.take()
    destination(relay.url).put(home.path, name)
    half = (home.path / str(name)).stat().st_size // 2
    relay.asked.clear()
    relay.rule = once(is_reading, Fate.HALF)

    destination(relay.url).verify(name)

    ranges = [asked.headers.get("range") for asked in relay.asked if is_reading(asked)]
    assert ranges == [None, f"bytes={half}-"]


def test_a_server_that_refuses_conditions_is_asked_without(server, relay, home):
    relay.rule = lambda asked: Refusal(501, "NotImplemented") if "if-none-match" in asked.headers else None
    name = home.take()

    destination(relay.url).put(home.path, name)

    assert destination(server.url).verify(name).jobs == JOBS


def with_conditions(server: Server) -> Callable[[Asked], Refusal | None]:
    """A rule that makes the server one that keeps conditions."""

    def rule(asked: Asked) -> Refusal | None:
        is_taken = (server.root / asked.key.removeprefix("/")).exists()
        return Refusal(412, "PreconditionFailed") if "if-none-match" in asked.headers and is_taken else None

    return rule


@pytest.mark.parametrize("part_bytes", [16 * 1024, 16 * 1024 * 1024])
def test_an_object_that_appears_meanwhile_is_not_replaced(server, relay, home, part_bytes):
    name = home.take()
    theirs = server.root / "bucket" / "store" / str(name)
    condition = with_conditions(server)

    def rule(asked: Asked) -> Refusal | None:
        if asked.method in {"POST", "PUT"} and "if-none-match" in asked.headers:
            theirs.parent.mkdir(exist_ok=True)
            theirs.write_bytes(b"theirs")
        return condition(asked)

    relay.rule = rule

    with pytest.raises(StoreRefusedError, match="another backup has this name there"):
        destination(relay.url, part_bytes=part_bytes).put(home.path, name)

    assert theirs.read_bytes() == b"theirs"
    assert objects(server) == [f"store/{name}"]
    assert unfinished(server) == []


def test_a_condition_that_our_own_lost_request_made_true_is_no_refusal(server, relay, home):
    name, condition = home.take(), with_conditions(server)
    lose = once(lambda asked: asked.method == "PUT" and asked.key.endswith(".db"), Fate.LOSE)
    relay.rule = lambda asked: condition(asked) or lose(asked)

    destination(relay.url, part_bytes=16 * 1024 * 1024).put(home.path, name)

    assert objects(server) == pair(name)


def test_what_comes_back_altered_is_not_listed(server, relay, home):
    name = home.take()
    file = server.root / "bucket" / "store" / str(name)

    def rule(asked: Asked) -> None:
        if is_reading(asked):
            data = bytearray(file.read_bytes())
            data[100] ^= 1
            file.write_bytes(data)

    relay.rule = rule

    with pytest.raises(DestinationError, match="what comes back is not what was sent") as said:
        destination(relay.url).put(home.path, name)

    assert said.value.reason == "altered"
    assert objects(server) == []


@pytest.mark.parametrize("which", [is_part, is_completion, is_manifest, is_reading])
def test_a_stop_is_obeyed_at_once_and_the_next_put_completes(server, relay, home, which):
    name, stopped_at = home.take(), []
    relay.rule = once(which, Fate.HOLD)

    def keep_on() -> None:
        if relay.is_holding.is_set():
            stopped_at.append(time.monotonic())
            raise StoreInterruptedError("stop")

    with pytest.raises(StoreInterruptedError):
        destination(relay.url, timeout_s=DEADLINE_S).put(home.path, name, keep_on)
    took_s = time.monotonic() - stopped_at[0]
    relay.let_go.set()

    assert took_s < STOP_S
    destination(server.url).put(home.path, name)
    assert objects(server) == pair(name)
    assert unfinished(server) == []


def test_what_was_left_behind_by_a_stop_is_not_tried_again(relay, home):
    name = home.take()
    relay.rule = once(is_part, Fate.HOLD_CUT)

    def keep_on() -> None:
        if relay.is_holding.is_set():
            raise StoreInterruptedError("stop")

    with pytest.raises(StoreInterruptedError):
        destination(relay.url, attempts=5).put(home.path, name, keep_on)
    relay.let_go.set()
    for thread in threading.enumerate():
        if thread.name == "hyperjobs-destination":
            thread.join(DEADLINE_S)

    assert sum(map(is_part, relay.asked)) == 1


def test_an_upload_that_a_dying_server_broke_off_leaves_nothing_that_is_listed(tmp_path, home):
    name, port = home.take(), free_port()
    with s3_server(tmp_path / "served", port=port) as server, relay_to(server) as relay:
        server.make_bucket("bucket")

        def rule(asked: Asked) -> None:
            if is_part(asked, 3):
                server.process.kill()

        relay.rule = rule
        with pytest.raises(DestinationError) as said:
            destination(relay.url).put(home.path, name)
        assert said.value.reason == "unreachable"

    with s3_server(tmp_path / "served", port=port) as server:
        assert destination(server.url).names() == []

        destination(server.url).put(home.path, name)

        assert destination(server.url).prove(name).jobs == JOBS
        assert unfinished(server) == []


_PUT = """
import json, sys
from pathlib import Path
from hyperjobs.maintenance.backup.destination.access import Access
from hyperjobs.maintenance.backup.destination.s3 import S3Destination
from hyperjobs.maintenance.backup.name import BackupName
from hyperjobs.secret import Secret
given = json.loads(sys.argv[1])
keys = {name: Secret(given.pop(name)) for name in ("access_key", "secret_key")}
access = Access(**given, **keys)
S3Destination("offsite", access, prefix="store", part_bytes=32768).put(Path(sys.argv[2]), BackupName.parse(sys.argv[3]))
"""


def killed_at(relay: Relay, home: Home, name: BackupName, number: int) -> bool:
    """Put a backup in a process of its own that is killed when the server has done its n-th request; if it came to it."""
    relay.asked.clear()
    relay.is_holding.clear()
    relay.let_go.clear()
    relay.rule = lambda asked: Fate.HOLD_ANSWER if asked.number == number else None
    access = {"bucket": "bucket", "endpoint": relay.url, "access_key": KEY, "secret_key": SECRET}
    process = subprocess.Popen([sys.executable, "-c", _PUT, json.dumps(access), home.path, str(name)])
    while process.poll() is None and not relay.is_holding.wait(0.02):
        pass
    process.kill()
    process.wait(DEADLINE_S)
    relay.let_go.set()
    relay.rule = lambda _asked: None
    return relay.is_holding.is_set()


@pytest.mark.parametrize("is_retried", [True, False])
def test_killed_at_any_request_an_upload_lists_nothing_half_and_the_next_put_clears_it(server, relay, home, is_retried):
    name, number, phases = home.take(), 0, set()
    while killed_at(relay, home, name, number):
        there = destination(server.url)
        for listed in there.names():
            there.prove(listed)
        phases.add((bool(unfinished(server)), len(objects(server))))
        after = name if is_retried else home.take()

        there.put(home.path, after)

        is_listed = {name, after} & set(there.names())
        assert after in is_listed
        assert objects(server) == pair(*is_listed)
        assert unfinished(server) == []
        for listed in is_listed:
            assert there.verify(listed).jobs == JOBS
            there.delete(listed)
        number += 1

    # with nothing there, with parts, with a file, and with both
    assert phases == {(False, 0), (True, 0), (False, 1), (False, 2)}


def test_clearing_needs_no_put(server, relay, home):
    name = home.take()
    assert killed_at(relay, home, name, 3)
    assert unfinished(server) == [f"store/{name}"]

    destination(server.url).clear(home.path)

    assert unfinished(server) == []
    assert objects(server) == []


def test_what_other_hosts_are_uploading_is_left_alone(server, relay, home, tmp_path):
    other = make_home(tmp_path / "other")
    other.take()
    theirs, mine = other.take(), home.take()
    relay.rule = once(lambda asked: is_part(asked, 3), Fate.HOLD)
    putting = threading.Thread(target=destination(relay.url, timeout_s=DEADLINE_S).put, args=(other.path, theirs))
    putting.start()
    assert relay.is_holding.wait(DEADLINE_S)

    destination(server.url).put(home.path, mine)
    assert unfinished(server) == [f"store/{theirs}"]
    relay.let_go.set()
    putting.join(DEADLINE_S)

    assert destination(server.url).names() == [mine, theirs]


def test_a_file_without_a_manifest_is_not_listed_and_stays_and_a_manifest_without_a_file_goes(server, home):
    first, second, third = home.take(), home.take(), home.take()
    there = destination(server.url)
    for name in (first, second):
        there.put(home.path, name)
    root = server.root / "bucket" / "store"
    (root / first.manifest).unlink()
    (root / str(second)).unlink()

    assert there.names() == []
    there.put(home.path, third)

    assert objects(server) == sorted([f"store/{first}", *pair(third)])


def test_a_whole_file_without_a_manifest_is_not_sent_again(server, relay, home):
    name = home.take()
    destination(relay.url).put(home.path, name)
    (server.root / "bucket" / "store" / name.manifest).unlink()
    relay.asked.clear()

    destination(relay.url).put(home.path, name)

    assert [asked.key for asked in relay.asked if asked.method != "GET"] == [f"/bucket/store/{name.manifest}"]
    assert objects(server) == pair(name)


def test_a_second_upload_from_the_same_directory_is_refused_with_the_name_of_the_first(server, home):
    name = home.take()

    with (
        claimed(home.path, "offsite"),
        pytest.raises(BackupRunningError, match=r"an upload to offsite is running \(pid"),
    ):
        destination(server.url).put(home.path, name)
    destination(server.url).put(home.path, name)

    assert objects(server) == pair(name)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": 7}', '{"name": "jobs.db"}', "[" * 5000])
def test_a_claim_that_cannot_be_read_stops_nobody(server, home, text):
    name = home.take()
    (home.path / ".hyperjobs-upload-offsite.lock").write_text(text)

    destination(server.url).put(home.path, name)

    assert objects(server) == pair(name)
