"""The Git gate's bounds on what comes in: heads and bodies, whole, in chunks or compressed."""

import contextlib
import gzip
import socket
import time
from base64 import b64encode

import pytest

from aegis.surfaces.gates.git.gate import FETCH_MAX

from .conftest import ALL, World
from .hand_made import PUSH, TIP, WHOLE, asked, request

FETCH = PUSH.replace("receive", "upload")
REFS = "/up/acme/site.git/info/refs?service=git-receive-pack"
LIMIT = 65_536


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    gate = f"push_bytes: {LIMIT}\n    connect_seconds: 2"
    made = World(tmp_path_factory.mktemp("gate"), ALL, gate=gate)
    yield made
    made.stop()


class Line:
    """A connection on which bytes are sent as they are."""

    def __init__(self, world):
        host, _, port = world.address.rpartition(":")
        self.link = socket.create_connection((host, int(port)), timeout=30)
        self.login = b64encode(f"x:{world.key}".encode()).decode()

    def head(self, method, path, *fields, key=True):
        lines = [f"{method} {path} HTTP/1.1", "host: x", *fields]
        if key:
            lines.append(f"authorization: Basic {self.login}")
        if method == "POST":
            lines.append(f"content-type: application/x-{path.rpartition('/')[2]}-request")
        return "\r\n".join([*lines, "", ""]).encode()

    def said(self, data=b""):
        """Everything that is answered until the gate closes."""
        found = b""
        with contextlib.suppress(OSError):  # it may have closed after its answer
            self.link.sendall(data)
        while piece := self.link.recv(65_536):
            found += piece
        return found.decode("utf-8", "replace")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.link.close()


def answered(world, *parts):
    """The status and the whole answer to bytes, on a connection that ends with it."""
    with Line(world) as line:
        said = line.said(b"".join(part(line) if callable(part) else part for part in parts))
    assert said.count("HTTP/1.1 ") == 1, said
    assert "Traceback" not in said
    return int(said.split(" ", 2)[1]), said


def push(*fields, path=PUSH):
    return lambda line: line.head("POST", path, *fields)


def chunk(data):
    return b"%x\r\n%b\r\n" % (len(data), data)


CHUNKED = "transfer-encoding: chunked"


@pytest.mark.parametrize(
    ("parts", "status", "words"),
    [
        ((push(f"content-length: {LIMIT + 1}"),), 413, "gates.git.push_bytes"),
        ((push(CHUNKED), chunk(b"x" * 40_000) * 2), 413, "gates.git.push_bytes"),
        ((push(f"content-length: {FETCH_MAX + 1}", path=FETCH),), 413, str(FETCH_MAX)),
        ((push(CHUNKED), (b"1;" + b"e" * 5_000 + b"\r\nx\r\n") * 300), 400, "more chunking"),
        ((push(CHUNKED), b"zz\r\nx"), 400, "not properly chunked"),
        ((push("transfer-encoding: gzip, chunked"), b"0\r\n\r\n"), 501, "only transfer coding"),
        ((push(CHUNKED, "content-length: 5"), b"0\r\n\r\n"), 400, "not proper HTTP/1.1"),
        ((push("content-length: 5", "content-length: 6"), b"00000"), 400, "not proper HTTP/1.1"),
        ((push("content-length: -1"), b""), 400, "not proper HTTP/1.1"),
        ((push(CHUNKED, "upgrade: x", "connection: upgrade"), b"0\r\n\r\n"), 400, "upgrade"),
        ((push("content-length: 4", "content-encoding: br"), b"0000"), 415, "`br` is not read"),
        ((push("content-length: 4", "content-encoding: gzip"), b"0000"), 400, "not properly comp"),
        ((b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20_000,), 431, "exceed"),
        ((b"\x16\x03\x01\x02\x00\x01" + b"x" * 60,), 400, "not proper HTTP/1.1"),
        ((b"GET / HTTP/1.1\nhost: x\n\n",), 400, "not proper HTTP/1.1"),
        ((b"BREW / HTTP/1.1\r\nhost: x\r\n\r\n",), 501, "method"),
        ((b"GET / HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n",), 400, "stands there twice"),
        ((lambda line: line.head("GET", REFS, "x-aegis-agent: " + "a" * 201, "connection: close"),),
         400, "x-aegis-agent"),
    ],
)  # fmt: skip
def test_what_exceeds_its_bounds_is_refused_in_one_sentence(world, parts, status, words):
    before, seen = world.tips(), len(world.server.seen)
    got, said = answered(world, *parts)
    assert got == status, said
    assert words in said
    assert "connection: close" in said
    assert (world.tips(), len(world.server.seen)) == (before, seen)


def test_a_body_that_unpacks_to_more_than_the_bound_is_refused(world):
    body = gzip.compress(request("refs/heads/bomb", TIP, WHOLE) + b"\0" * 20_000_000)
    assert len(body) < LIMIT
    status, _, said = asked(world, "POST", PUSH, body, content_encoding="gzip")
    assert (status, "gates.git.push_bytes" in said) == (413, True)


@pytest.mark.parametrize(
    ("change", "words"),
    [(lambda body: body[:-9], "cut off"), (lambda body: body + b"x", "something follows")],
)
def test_a_compressed_body_is_whole_and_alone(world, change, words):
    body = change(gzip.compress(request("refs/heads/zip", TIP, WHOLE)))
    status, _, said = asked(world, "POST", PUSH, body, content_encoding="gzip")
    assert (status, words in said) == (400, True), said
    assert "refs/heads/zip" not in world.tips()


def test_a_client_that_is_still_sending_gets_its_refusal(world):
    """Closing at once would reset the connection, and take the answer along."""
    got, said = answered(world, push("content-length: 700000"), b"x" * 700_000)
    assert (got, "larger than" in said) == (413, True)


@pytest.mark.parametrize("key", [True, False])
def test_a_body_nobody_reads_is_no_further_request(world, key):
    """Else what a proxy takes for the body of one request would be another, and get an answer."""
    hidden = b"GET /up/acme/site.git/info/refs?service=git-upload-pack HTTP/1.1\r\nhost: x\r\n\r\n"
    length = f"content-length: {len(hidden)}"
    got, said = answered(world, lambda line: line.head("GET", REFS, length, key=key), hidden)
    assert (got, "connection: close" in said) == (400 if key else 401, True)


def test_a_head_that_does_not_end_is_not_waited_for(world):
    begun = time.monotonic()
    got, said = answered(world, b"GET /up/acme/site.git/info/refs HTTP/1.1\r\nhost: x\r\n")
    assert (got, "took more than 2 s" in said) == (408, True)
    assert time.monotonic() - begun < 15


def test_after_all_of_it_the_gate_still_serves(world):
    status, _, said = asked(world, "POST", PUSH, request("refs/heads/fine", TIP, WHOLE))
    assert (status, "ok refs/heads/fine" in said) == (200, True)
    assert not any("Traceback" in line for line in world.errors)
