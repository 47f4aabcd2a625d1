"""TLS and passwords of a running server follow their files, and a file that goes wrong never opens the door."""

from __future__ import annotations

import base64
import os
import shutil
import socket
import ssl
import subprocess

import bcrypt
import pytest
from structlog.testing import capture_logs

from hyperjobs.agent.web_policy import WebPolicy
from hyperjobs.clock import SystemClock
from hyperjobs.errors import ConfigError
from hyperjobs.web.server import Server
from support.certificates import Authority, self_signed
from support.web_client import connect, get, make_app, read_all, split_address

SALT = b"$2b$04$abcdefghijklmnopqrstuu"  # the same in every process that collects these tests
HASH = bcrypt.hashpw(b"wonderland", SALT).decode()
OTHER = bcrypt.hashpw(b"looking-glass", SALT).decode()
TLS = "tls_server_config: {{cert_file: server.crt, key_file: server.key{}}}\n"
CLIENTS = ", client_auth_type: RequireAndVerifyClientCert, client_ca_file: clients.crt"
RIGHT = "Authorization: Basic " + base64.b64encode(b"alice:wonderland").decode()
OTHERS = "Authorization: Basic " + base64.b64encode(b"alice:looking-glass").decode()


@pytest.fixture(scope="module")
def issued(tmp_path_factory):
    """An authority of servers, one of clients, one of strangers, and what they issued."""
    directory = tmp_path_factory.mktemp("certificates")
    servers, clients, strangers = (Authority(directory / name) for name in ("servers", "clients", "strangers"))
    return {
        "servers": servers,
        "clients": clients,
        "server": servers.issue("server"),
        "rotated": servers.issue("rotated"),
        "good": clients.issue(
            "prometheus", sans="DNS:prometheus.example.net,IP:2001:db8::1,URI:spiffe://x/p,email:a@b"
        ),
        "expired": clients.issue("expired", days=-1),
        "stranger": strangers.issue("stranger"),
    }


@pytest.fixture
def home(tmp_path, issued):
    """A directory with the server's certificate and the clients' authority, as the web configuration names them."""
    for name, file in (("server.crt", issued["server"].crt), ("server.key", issued["server"].key)):
        shutil.copy(file, tmp_path / name)
    shutil.copy(issued["clients"].crt, tmp_path / "clients.crt")
    return tmp_path


@pytest.fixture
def serve(home):
    """A server by a web configuration, its policy, and the way to change the file."""
    servers = []

    def served(text):
        (home / "web.yaml").write_text(text)
        policy = WebPolicy(home / "web.yaml", clock=SystemClock())
        server = Server(["127.0.0.1:0"], make_app(), policy=policy)
        server.start()
        servers.append(server)
        return server.addresses[0], policy

    yield served
    for server in servers:
        server.stop()


def client(issued, certificate=None, *, version=None):
    """A client that trusts the server's authority, with a certificate of its own or without."""
    context = ssl.create_default_context(cafile=issued["servers"].crt)
    if certificate is not None:
        context.load_cert_chain(certificate.crt, certificate.key)
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


def serial(address, context):
    """The serial number of the certificate that the server shows."""
    with connect(address) as plain, context.wrap_socket(plain, server_hostname="localhost") as tls:
        return tls.getpeercert()["serialNumber"]


def is_let_in(address, context, *headers):
    """Whether a scrape is answered; a refused handshake and a closed connection are both a no."""
    lines = ["GET /metrics HTTP/1.0", *headers, "", ""]
    try:
        with connect(address) as plain, context.wrap_socket(plain, server_hostname="localhost") as tls:
            tls.sendall("\r\n".join(lines).encode())
            return read_all(tls).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def replace(path, text):
    """As an editor saves: a new file in the old one's place."""
    path.with_suffix(".new").write_text(text)
    os.replace(path.with_suffix(".new"), path)  # noqa: PTH105


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(
    ("who", "is_good"), [("good", True), (None, False), ("expired", False), ("stranger", False), ("server", False)]
)
def test_only_a_certificate_of_the_clients_authority_in_date_is_let_in(serve, issued, who, is_good, version):
    address, _ = serve(TLS.format(CLIENTS))

    assert is_let_in(address, client(issued, issued.get(who), version=version)) is is_good


@pytest.mark.parametrize(
    ("names", "is_good"),
    [
        ("prometheus.example.net", True),
        ("2001:db8::1", True),
        ("spiffe://x/p", True),
        ("a@b", True),
        ("example.net", False),
        ("*.example.net", False),
        ("prometheus", False),  # the subject's name is no alternative name
        ("PROMETHEUS.example.net", False),
    ],
)
def test_a_certificate_must_have_an_allowed_name_to_the_letter(serve, issued, names, is_good):
    address, _ = serve(TLS.format(f'{CLIENTS}, client_allowed_sans: ["other", "{names}"]'))

    assert is_let_in(address, client(issued, issued["good"])) is is_good


def test_a_certificate_that_need_not_be_shown_must_be_good_if_it_is(serve, issued):
    address, _ = serve(TLS.format(", client_auth_type: VerifyClientCertIfGiven, client_ca_file: clients.crt"))

    asked = {who: is_let_in(address, client(issued, issued.get(who))) for who in (None, "good", "expired", "stranger")}
    assert asked == {None: True, "good": True, "expired": False, "stranger": False}


def test_a_certificate_in_the_list_itself_is_trusted(serve, issued, home):
    own = self_signed(home, "own")
    shutil.copy(own.crt, home / "clients.crt")
    address, _ = serve(TLS.format(CLIENTS))

    assert is_let_in(address, client(issued, own))
    assert not is_let_in(address, client(issued, issued["good"]))


@pytest.mark.parametrize(
    ("options", "version", "is_good"),
    [
        ("", "-tls1_1", False),
        ("", "-tls1_2", True),
        ("", "-tls1_3", True),
        (", min_version: TLS10", "-tls1_1", False),
        (", min_version: TLS13", "-tls1_2", False),
        (", max_version: TLS12", "-tls1_3", False),
        (", cipher_suites: [TLS_AES_128_GCM_SHA256]", "-tls1_2", False),
        (", cipher_suites: [TLS_AES_128_GCM_SHA256]", "-tls1_3", True),
        (", cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]", "-tls1_2 -cipher AES256", False),
        (", cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]", "-tls1_2", True),
        (", curve_preferences: [CurveP384]", "-tls1_3 -groups P-256", False),
        (", curve_preferences: [CurveP384]", "-tls1_3 -groups P-384", True),
        (", curve_preferences: [X25519]", "-tls1_3 -groups X25519", True),
    ],
)
def test_versions_ciphers_and_curves_are_kept_to(serve, options, version, is_good):
    address, _ = serve(TLS.format(options))

    # at security level 0 the client would speak TLS 1.1, so that it is the server that refuses
    words = ["openssl", "s_client", "-connect", address, *version.split()]
    words += [] if "-cipher" in version or "1_3" in version else ["-cipher", "ALL:@SECLEVEL=0"]
    done = subprocess.run(words, input=b"", capture_output=True, timeout=30, check=False)

    assert (done.returncode == 0) is is_good, done.stderr.decode()


def test_the_order_of_ciphers_is_the_servers_unless_it_is_left_to_the_client(serve, issued):
    suites = "cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]"
    context = client(issued, version=ssl.TLSVersion.TLSv1_2)
    context.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256")

    chosen = []
    for whose in ("true", "false"):
        address, _ = serve(TLS.format(f", {suites}, prefer_server_cipher_suites: {whose}"))
        with connect(address) as plain, context.wrap_socket(plain, server_hostname="localhost") as tls:
            chosen.append(tls.cipher()[0])

    assert chosen == ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"]


def test_keys_may_stand_in_the_file_itself(serve, issued):
    def block(path):
        return "|\n" + "".join(f"    {line}\n" for line in path.read_text().splitlines())

    server, clients = issued["server"], issued["clients"]
    address, _ = serve(
        f"tls_server_config:\n  cert: {block(server.crt)}  key: {block(server.key)}"
        f"  client_ca: {block(clients.crt)}  client_auth_type: RequireAndVerifyClientCert\n"
    )

    assert is_let_in(address, client(issued, issued["good"]))
    assert not is_let_in(address, client(issued))


def test_a_rotated_certificate_is_in_the_next_handshake(serve, issued, home):
    address, policy = serve(TLS.format(""))
    trusting = client(issued)
    before = serial(address, trusting)

    shutil.copy(issued["rotated"].crt, home / "server.crt")
    assert serial(address, trusting) == before  # its key is not there yet: the last good pair stays
    assert not policy.is_current
    shutil.copy(issued["rotated"].key, home / "server.key")

    assert serial(address, trusting) not in {before, None}
    assert policy.is_current


def test_a_certificate_behind_a_link_is_followed_when_the_link_moves(serve, issued, home):
    for name, made in (("one", issued["server"]), ("two", issued["rotated"])):
        (home / name).mkdir()
        shutil.copy(made.crt, home / name / "tls.crt")
        shutil.copy(made.key, home / name / "tls.key")
    (home / "current").symlink_to("one")
    address, _ = serve("tls_server_config: {cert_file: current/tls.crt, key_file: current/tls.key}\n")
    before = serial(address, client(issued))

    (home / "next").symlink_to("two")
    os.replace(home / "next", home / "current")  # noqa: PTH105 - as a mounted Kubernetes secret changes

    assert serial(address, client(issued)) != before


def test_a_user_who_is_added_or_removed_is_so_with_the_next_request(serve, home):
    address, _ = serve(f"basic_auth_users: {{alice: {HASH}}}\n")
    assert get(address, "/metrics", RIGHT).status == 200

    replace(home / "web.yaml", f"basic_auth_users: {{alice: {OTHER}}}\n")

    assert get(address, "/metrics", RIGHT).status == 401
    assert get(address, "/metrics", OTHERS).status == 200


def test_passwords_and_tls_can_be_turned_on_without_a_restart(serve, issued, home):
    address, _ = serve("")
    assert get(address, "/metrics").status == 200

    replace(home / "web.yaml", f"{TLS.format('')}basic_auth_users: {{alice: {HASH}}}\n")

    assert get(address, "/metrics", RIGHT, tls=_unnamed(issued)).status == 200
    assert get(address, "/metrics", tls=_unnamed(issued)).status == 401
    with connect(address) as plain:
        plain.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        assert b"HTTP/1.1" not in read_all(plain)


SECURED = f"{TLS.format(CLIENTS)}basic_auth_users: {{alice: {HASH}}}\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("web.yaml", ""),
        ("web.yaml", "tls_server_config:\n"),
        ("web.yaml", "not: [yaml"),
        ("web.yaml", None),
        ("web.yaml", f"basic_auth_users: {{alice: {HASH}}}\n"),
        ("web.yaml", f"{TLS.format('')}basic_auth_users: {{alice: {HASH}}}\n"),
        ("web.yaml", TLS.format(CLIENTS)),
        ("web.yaml", SECURED.replace("alice", "a:b")),
        ("web.yaml", SECURED.replace("server.key", "other.key")),
        ("server.crt", ""),
        ("server.crt", None),
        ("server.key", "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n"),
        ("clients.crt", "no certificate"),
        ("clients.crt", None),
    ],
)
def test_a_file_that_goes_wrong_never_opens_the_door(serve, issued, home, name, text):
    address, policy = serve(SECURED)
    good = client(issued, issued["good"])
    before = (home / name).read_text()

    with capture_logs() as logs:  # whatever another test of this process has made of the log
        for _ in range(2):
            (home / name).unlink() if text is None else replace(home / name, text)
            for _ in range(3):
                assert is_let_in(address, good, RIGHT)  # the last good rules stay
                assert not is_let_in(address, good)
                assert not is_let_in(address, good, OTHERS)
                assert not is_let_in(address, client(issued), RIGHT)
                assert not policy.is_current
            replace(home / name, before)
            assert is_let_in(address, good, RIGHT)
            assert policy.is_current

    refusals = [line["error"] for line in logs if line["event"] == "web.config_refused"]
    assert len(refusals) == 2, refusals  # each time it went wrong once, however many asked
    with socket.create_connection(split_address(address), timeout=10) as plain:
        plain.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        assert b"HTTP/1.1" not in read_all(plain)


def test_files_that_were_only_touched_change_nothing(serve, home):
    _, policy = serve(SECURED)
    before = policy()

    os.utime(home / "server.crt", (1, 1))

    assert policy() is before


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (TLS.format("").replace("server.crt", "missing.crt"), "cert_file: .*missing.crt: cannot be read"),
        (TLS.format("").replace("server.crt", "clients.crt"), "cannot be used: key values mismatch"),
        (TLS.format("").replace("server.crt", "web.yaml"), "cannot be used"),
        (TLS.format("").replace("server.key", "locked.key"), "without a passphrase"),
        (TLS.format(CLIENTS).replace("clients.crt", "web.yaml"), "client CA holds no certificate"),
        (TLS.format("").replace("server.key", "pipe"), "not a regular file"),
    ],
)
def test_what_cannot_be_used_at_the_start_is_one_line_with_its_file(home, text, words):
    subprocess.run(
        [
            "openssl",
            "ec",
            "-aes128",
            "-passout",
            "pass:canary",
            "-in",
            home / "server.key",
            "-out",
            home / "locked.key",
        ],
        check=True,
        capture_output=True,
    )
    os.mkfifo(home / "pipe")
    (home / "web.yaml").write_text(text)

    with pytest.raises(ConfigError, match=words) as said:
        WebPolicy(home / "web.yaml", clock=SystemClock())

    assert str(said.value).startswith(str(home / "web.yaml"))
    assert "\n" not in str(said.value)


def _unnamed(issued):
    context = client(issued)
    context.check_hostname = False
    return context
