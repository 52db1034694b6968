"""Tunnels that are opened with an authority of the gate's own."""

import json
import socket
import ssl
import stat
import time

import httpx2
import pytest

from aegis.cli.main import run as command

from .conftest import Gate, origins

TOKEN = origins.TOKEN


@pytest.fixture(scope="module")
def opening(tmp_path_factory, secure, http_authority_file):
    """A gate that opens tunnels, and what its clients trust."""
    folder = tmp_path_factory.mktemp("opening")
    assert command(["gate", "http", "--make-ca", str(folder / "own.pem")]) == 0
    settings = {
        "intercept_ca": str(folder / "own.pem"),
        "ca_file": str(http_authority_file),
        "tunnel_ports": [secure.port],
    }
    gate = Gate(folder, http=settings)
    yield gate, ssl.create_default_context(cafile=str(folder / "own.pem.crt"))
    gate.stop()


def test_an_authority_is_made_once_and_for_its_owner(tmp_path, capsys):
    path = tmp_path / "own.pem"
    assert command(["gate", "http", "--make-ca", str(path)]) == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"PRIVATE" not in (tmp_path / "own.pem.crt").read_bytes()
    assert command(["gate", "http", "--make-ca", str(path)]) == 2
    assert "there already" in capsys.readouterr().err


@pytest.mark.parametrize("fault", ["open", "missing", "empty"])
def test_an_authority_that_cannot_be_used_stops_the_gate(fresh, tmp_path, fault):
    path = tmp_path / "own.pem"
    if fault != "missing":
        path.touch(0o644 if fault == "open" else 0o600)
    with pytest.raises(RuntimeError, match=r"gates\.http\.intercept_ca"):
        fresh(http={"intercept_ca": str(path)})


def test_requests_in_an_opened_tunnel_are_governed_like_any_other(opening, secure):
    gate, context = opening
    url = f"https://origin.test:{secure.port}"
    with httpx2.Client(proxy=gate.address(), verify=context, timeout=30) as client:
        assert client.get(f"{url}/a/./b").json()["path"] == "/a/b"
        assert client.post(f"{url}/x", json={"n": 1}).json()["body"] == '{"n":1}'
        leak = client.get(f"{url}/leak")
        assert leak.headers["x-aegis-verdict"] == "sanitize"
        assert TOKEN not in leak.text
        refused = client.get(f"{url}/admin/x")
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "policy_violation")
        assert client.get(f"{url}/attack").status_code == 403
        with client.stream("GET", f"{url}/events?count=3") as answer:
            assert answer.read().count(b"data: ") == 3
        assert client.get(f"{url}/big?kib=2048").content == bytes(range(256)) * (2048 * 4)
    targets = [one["target"] for one in gate.records("--kind", "decision")]
    assert targets[0] == f"origin.test:{secure.port}"
    assert f"{url}/admin/x" in targets
    deadline = time.monotonic() + 10
    while not (
        ended := [one for one in gate.records("--kind", "outcome") if "tunnel" in json.dumps(one)]
    ):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert ended[0]["result"]["tunnel"] == {"opened": True, "requests": 7}


def sealed(gate, context, port, name="origin.test"):
    raw = socket.create_connection(("127.0.0.1", gate.port), timeout=10)
    credential = gate.credential()["proxy-authorization"]
    target = f"origin.test:{port}"
    raw.sendall(f"CONNECT {target} HTTP/1.1\r\nproxy-authorization: {credential}\r\n\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head:
        head += raw.recv(1)
    assert b" 200 " in head
    return context.wrap_socket(raw, server_hostname=name)


def rest(stream):
    got = b""
    with stream:
        while data := stream.recv(65536):
            got += data
    return got


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("GET / HTTP/1.1\r\nhost: other.test\r\n\r\n", b"400"),
        ("GET https://origin.test/ HTTP/1.1\r\nhost: origin.test\r\n\r\n", b"400"),
        ("CONNECT other.test:443 HTTP/1.1\r\nhost: origin.test\r\n\r\n", b"400"),
        ("GET /p/..%2fadmin HTTP/1.1\r\nconnection: close\r\n\r\n", b"400"),
        ("GET /a HTTP/1.1\nhost: x\n\n", b"400"),
        ("garbage\r\n\r\n", b"501"),
    ],
)
def test_what_comes_in_an_opened_tunnel_is_no_less_strict(opening, secure, text, status):
    gate, context = opening
    before = len(secure.seen)
    stream = sealed(gate, context, secure.port)
    stream.sendall(text.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n").encode())
    assert rest(stream).split(b" ")[1] == status
    assert len(secure.seen) == before


def test_a_tunnel_that_asks_for_another_host_is_not_opened(opening, secure):
    gate, context = opening
    with pytest.raises(OSError):
        sealed(gate, context, secure.port, "other.test")


def test_a_client_that_does_not_trust_the_authority_is_told_of_on_record(
    opening, secure, http_authority_file
):
    gate, _ = opening
    with pytest.raises(ssl.SSLError):
        sealed(gate, ssl.create_default_context(cafile=str(http_authority_file)), secure.port)
    deadline = time.monotonic() + 10
    while "trust the authority" not in json.dumps(gate.records("--kind", "outcome")):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_revoked_key_ends_in_an_opened_tunnel_too(opening, secure):
    gate, context = opening
    url = f"https://origin.test:{secure.port}"
    with httpx2.Client(proxy=gate.address("bound"), verify=context, timeout=30) as client:
        assert client.get(f"{url}/a").status_code == 200
        gate.aegis("keys", "revoke", "bound", "--config", str(gate.config))
        assert client.get(f"{url}/a").status_code == 407
