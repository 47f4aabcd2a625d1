"""The web configuration file: what the exporter toolkit refuses is refused, by file and line; what it takes is read."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from hyperjobs.config.web_file import RateLimit, WebFile, read_web_file
from hyperjobs.errors import ConfigError
from hyperjobs.secret import Secret
from support.certificates import self_signed

EXAMPLE = Path(__file__).parents[2] / "config" / "web-config.example.yaml"
HASH = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi"
TLS = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"

GOOD = {
    "nothing": "",
    "tls": TLS,
    "empty sections": "tls_server_config:\nhttp_server_config:\nbasic_auth_users:\n",
    "versions": TLS + "  min_version: TLS12\n  max_version: TLS13\n",
    "an old minimum": TLS + "  min_version: TLS10\n",
    "a curve": TLS + "  curve_preferences: [CurveP256]\n",
    "ciphers": TLS + "  cipher_suites:\n  - TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\n  - TLS_AES_128_GCM_SHA256\n",
    "the client's order": TLS + "  prefer_server_cipher_suites: false\n",
    "certificates if given": TLS + "  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: server.crt\n",
    "certificates": TLS + "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: server.crt\n",
    "names": TLS
    + "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: server.crt\n  client_allowed_sans: [one]\n",
    "a request": TLS + "  client_auth_type: RequestClientCert\n",
    "no client": TLS + "  client_auth_type: NoClientCert\n",
    "headers": "http_server_config:\n  headers:\n    X-Frame-Options: deny\n    X-Content-Type-Options: nosniff\n"
    "    X-XSS-Protection: 1\n    Strict-Transport-Security: max-age=31536000; includeSubDomains\n"
    "    Content-Security-Policy: \"default-src 'self' *.test.example.net\"\n",
    "http2": "http_server_config:\n  http2: false\n",
    "users": f"basic_auth_users:\n  alice: {HASH}\n  bob: {HASH.replace('$2y', '$2b')}\n",
}
BAD = {
    "junk": ("hWkNKCp3fvIx3jKnsaBI\nTuEjdwNS8A2vYdFbiKqr\n", 1, "must be a mapping"),
    "no yaml": ("tls_server_config: [\n", None, "is not YAML"),
    "a section nobody knows": ("tls_config:\n  cert_file: x\n", 1, "did you mean tls_server_config"),
    "an option nobody knows": (TLS + "  cert_files: x\n", 4, "did you mean cert_file"),
    "no certificate": ("tls_server_config:\n  key_file: server.key\n", 2, "cert_file: is missing"),
    "no key": ("tls_server_config:\n  cert_file: server.crt\n", 2, "key_file: is missing"),
    "an empty certificate": ('tls_server_config:\n  cert_file: ""\n  key_file: server.key\n', 2, "is missing"),
    "an invented cipher": (TLS + "  cipher_suites: [TLS_AES_1024]\n", 4, "is not known"),
    "an invented curve": (TLS + "  curve_preferences: [CurveP257]\n", 4, "did you mean CurveP256"),
    "an invented version": (TLS + "  min_version: TLS111\n", 4, "known here: TLS10"),
    "an invented client auth": (TLS + "  client_auth_type: Maybe\n", 4, "is not known"),
    "a client CA without policy": (TLS + "  client_ca_file: server.crt\n", 2, "asks for no certificate"),
    "an invented header": ("http_server_config:\n  headers:\n    X-Powered-By: us\n", 3, "is not of this format"),
    "an invented frame option": ("http_server_config:\n  headers: {X-Frame-Options: DENY}\n", 2, "deny or sameorigin"),
    "an invented type option": ("http_server_config:\n  headers: {X-Content-Type-Options: x}\n", 2, "nosniff"),
    "a plain password": ("basic_auth_users:\n  john: doe-hidden\n", 2, "is no bcrypt hash"),
    "a key written twice": (TLS + "  key_file: server.key\n", 4, "the first is on line 3"),
    "a list of users": (f"basic_auth_users:\n  - {HASH}\n", 2, "must be a mapping"),
}
STRICTER = {
    "any certificate": (TLS + "  client_auth_type: RequireAnyClientCert\n", 4, "whoever makes a certificate"),
    "certificates without a CA": (TLS + "  client_auth_type: RequireAndVerifyClientCert\n", 4, "needs client_ca_file"),
    "names nobody proves": (TLS + "  client_allowed_sans: [one]\n", 4, "needs client_auth_type"),
    "two curves": (TLS + "  curve_preferences: [X25519, CurveP256]\n", 4, "one only"),
    "an old maximum": (TLS + "  max_version: TLS11\n", 4, "older than TLS 1.2"),
    "a minimum above the maximum": (TLS + "  min_version: TLS13\n  max_version: TLS12\n", 4, "newer than max_version"),
    "a file and its content": (TLS + "  cert: |\n    -----BEGIN CERTIFICATE-----\n", 4, "beside cert_file"),
    "a hash that takes minutes": (f"basic_auth_users: {{a: {HASH.replace('$10$', '$19$')}}}\n", 1, "cost above 18"),
    "a word for true": ("http_server_config:\n  http2: yes\n", 2, "true or false"),
    "an anchor": (f"basic_auth_users: {{a: &x {HASH}}}\n", 1, "anchor"),
    "a user without a name": (f'basic_auth_users:\n  "": {HASH}\n', 2, "user 1"),
    "TLS of which only the version is given": ("tls_server_config: {min_version: TLS12}\n", 1, "is missing"),
    "a rate that lets nobody in": ("rate_limit: {interval: 1s, burst: 0}\n", 1, "at least 1"),
    "a rate without a unit": ("rate_limit: {interval: 1, burst: 1}\n", 1, "has no unit"),
}


@pytest.fixture
def write(tmp_path):
    self_signed(tmp_path, "server")

    def written(text, name="web.yaml"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return written


@pytest.mark.parametrize("name", GOOD)
def test_what_the_toolkit_takes_is_taken(write, name):
    read_web_file(write(GOOD[name]))


@pytest.mark.parametrize("name", BAD | STRICTER)
def test_a_mistake_is_named_by_file_and_line(write, name):
    text, line, words = (BAD | STRICTER)[name]
    file = write(text)

    with pytest.raises(ConfigError, match=re.escape(words)) as said:
        read_web_file(file)

    first = str(said.value).splitlines()[0]
    assert first.startswith(f"{file}:{line}: " if line else f"{file}:")
    assert "hidden" not in first
    assert HASH[7:] not in first


def test_every_mistake_is_named_at_once(write):
    with pytest.raises(ConfigError) as said:
        read_web_file(write("tls_server_config:\n  cert_file: a\n  min_version: X\nbasic_auth_users:\n  a: b\n"))

    assert len(str(said.value).splitlines()) == 3


@pytest.mark.tool("promtool")
def test_promtool_takes_what_is_taken_and_refuses_what_the_toolkit_does(write):
    files = {name: write(text, f"{number}.yaml") for number, (name, text) in enumerate(GOOD.items())}
    files |= {name: write(text, f"bad-{number}.yaml") for number, (name, (text, _, _)) in enumerate(BAD.items())}

    checked = subprocess.run(
        ["promtool", "check", "web-config", *files.values()], capture_output=True, text=True, check=False, timeout=60
    )

    taken = {name for name, file in files.items() if f"{file} SUCCESS" in checked.stdout + checked.stderr}
    assert taken == GOOD.keys() - {"names"}  # Debian's promtool is older than client_allowed_sans


@pytest.mark.tool("promtool")
def test_the_example_is_right_for_promtool_and_for_us(tmp_path):
    shutil.copy(EXAMPLE, tmp_path)
    self_signed(tmp_path, "server")

    checked = subprocess.run(
        ["promtool", "check", "web-config", tmp_path / EXAMPLE.name], capture_output=True, check=False, timeout=60
    )

    assert checked.returncode == 0, checked.stderr
    found = read_web_file(tmp_path / EXAMPLE.name)
    assert found.tls is not None
    assert found.tls.cert_file == tmp_path / "server.crt"
    assert found.users.keys() == {"prometheus"}


def test_the_example_with_everything_switched_on_is_right(tmp_path):
    text = re.sub(r"^( *)# (client_|rate_limit|  interval|  burst)", r"\1\2", EXAMPLE.read_text(), flags=re.MULTILINE)
    (tmp_path / "web.yaml").write_text(text)

    found = read_web_file(tmp_path / "web.yaml")

    assert found.rate_limit == RateLimit(interval_s=1.0, burst=10)
    assert found.tls is not None
    assert found.tls.client_allowed_sans == ("prometheus.example.net",)


def test_values_are_read_as_they_are_meant(write, tmp_path):
    found = read_web_file(write(f"{GOOD['names']}{GOOD['headers']}{GOOD['users']}rate_limit: {{interval: 0}}\n"))

    assert found.users == {"alice": Secret(HASH), "bob": Secret(HASH.replace("$2y", "$2b"))}
    assert found.headers["X-XSS-Protection"] == "1"
    assert found.tls is not None
    assert found.tls.client_ca_file == tmp_path / "server.crt"
    assert found.rate_limit is None
    assert read_web_file(write("# nothing\n")) == WebFile()


def test_a_file_that_is_none_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / "missing", Path("/dev/zero")):
        with pytest.raises(ConfigError, match="cannot be read"):
            read_web_file(path)
