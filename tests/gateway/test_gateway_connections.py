"""Connections as clients use and misuse them: many of them, and heads that came before."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import subprocess
import sys
import tracemalloc
from pathlib import Path

import psutil
import pytest

from aegis.surfaces.gateway.headers import Fields
from aegis.surfaces.gateway.heads import HEADS_BYTES_MAX, Head, Heads

BODY = json.dumps({"model": "offline", "messages": [{"role": "user", "content": "hi"}]}).encode()


SIZE = len(BODY)

H2C = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAEAAEAAAAIAAAAB"
"""An offer of another protocol, as java.net.http makes it with every request."""


def head(gateway, length=SIZE, *, key="plain", extra=b""):
    lines = [
        b"POST /v1/chat/completions HTTP/1.1",
        b"host: x",
        b"authorization: Bearer " + gateway.keys.get(key, key).encode(),
        b"content-type: application/json",
        b"content-length: %d" % length,
    ]
    return b"\r\n".join([*lines, *([extra] if extra else []), b"", b""])


def exchange(connection, data, answers=1):
    """Send bytes; the status lines of so many answers (fewer where the connection ends)."""
    connection.sendall(data)
    received, statuses = b"", []
    while len(statuses) < answers:
        while b"\r\n\r\n" not in received:
            piece = connection.recv(65536)
            if not piece:
                return statuses
            received += piece
        top, _, received = received.partition(b"\r\n\r\n")
        length = int(top.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        while len(received) < length:
            received += connection.recv(65536)
        statuses.append(int(top.split()[1]))
        received = received[length:]
    return statuses


@pytest.fixture
def connect(gateway):
    opened = []

    def connection():
        opened.append(socket.create_connection(("127.0.0.1", gateway.port), 10))
        return opened[-1]

    yield connection
    for one in opened:
        one.close()


def test_a_head_that_came_before_is_understood_the_same(gateway, connect):
    connection = connect()
    for _ in range(3):
        assert exchange(connection, head(gateway) + BODY) == [200]
    # the same head in two pieces, two requests at once, a body that follows later
    whole = head(gateway) + BODY
    connection.sendall(whole[:40])
    assert exchange(connection, whole[40:]) == [200]
    assert exchange(connection, whole + whole, 2) == [200, 200]
    connection.sendall(head(gateway))
    assert exchange(connection, BODY) == [200]
    assert exchange(connection, whole) == [200]


def test_a_known_head_with_another_key_or_body_is_another_request(gateway, connect):
    connection = connect()
    assert exchange(connection, head(gateway) + BODY) == [200]
    assert exchange(connection, head(gateway, 2) + b"{}") == [400]
    assert exchange(connect(), head(gateway, key="sk-aegis-unknown") + BODY) == [401]
    assert exchange(connect(), head(gateway) + BODY) == [200]


@pytest.mark.parametrize(
    "before",
    [b"\r\n\r\n", b"\r\n", b"\n\n"],
)
def test_empty_lines_before_a_request_stand_for_no_request(gateway, connect, before):
    connection = connect()
    exchange(connection, before + head(gateway) + BODY)
    # what followed those lines once is not what they mean
    other = connect()
    other.sendall(before + BODY)
    other.settimeout(0.5)
    with contextlib.suppress(TimeoutError):
        assert b" 200 " not in other.recv(65536)


def test_lines_that_end_oddly_are_never_taken_for_known_ones(gateway, connect):
    mixed = head(gateway).replace(b"host: x\r\n", b"host: x\n")
    for _ in range(3):
        statuses = exchange(connect(), mixed + BODY)
        assert statuses in ([200], [400])
    early = head(gateway, 4).replace(b"\r\n\r\n", b"\n\n") + b"AAAA\r\n\r\n"
    for _ in range(2):
        assert 200 not in exchange(connect(), early + BODY)


def test_a_transfer_coding_beside_a_length_is_refused_each_time(gateway, connect):
    both = head(gateway, extra=b"transfer-encoding: chunked")
    for _ in range(3):
        assert exchange(connect(), both + BODY) == [400]


def test_a_transfer_coding_nobody_undoes_is_refused(gateway, connect):
    for coding, status in ((b"gzip, chunked", 501), (b"chunked, chunked", 400)):
        top = head(gateway).replace(b"content-length: %d" % SIZE, b"transfer-encoding: " + coding)
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (SIZE, BODY)
        assert exchange(connect(), top + body) == [status]


def test_a_revoked_key_is_refused_on_the_connection_that_used_it(fresh):
    gateway = fresh(keys=[{"name": "gone"}, {"name": "plain"}])
    with socket.create_connection(("127.0.0.1", gateway.port), 10) as connection:
        request = head(gateway, key="gone") + BODY
        assert exchange(connection, request) == [200]
        assert exchange(connection, request) == [200]
        command = [str(Path(sys.executable).with_name("aegis")), "keys", "revoke", "gone"]
        subprocess.run([*command, "--config", str(gateway.config)], check=True)
        assert exchange(connection, request) == [401]


def test_connections_that_end_leave_nothing_behind(gateway):
    process = psutil.Process(gateway.process.pid)

    def knock(times):
        for _ in range(times):
            with socket.create_connection(("127.0.0.1", gateway.port), 10) as connection:
                connection.sendall(b"nonsense\r\n\r\n")
                connection.recv(4096)

    knock(500)
    before = process.memory_info().rss
    knock(4000)
    assert process.memory_info().rss - before < 8 << 20


def test_a_trailer_is_no_header(gateway, connect):
    top = head(gateway).replace(b"content-length: %d" % SIZE, b"transfer-encoding: chunked")
    nobody = b"\r\n".join(
        line for line in top.split(b"\r\n") if not line.startswith(b"authorization")
    )
    key = b"authorization: Bearer " + gateway.keys["plain"].encode()
    body = b"%x\r\n%b\r\n0\r\n" % (SIZE, BODY)
    assert exchange(connect(), nobody + body + key + b"\r\n\r\n") == [401]
    assert exchange(connect(), top + body + b"x-aegis-agent: other\r\n\r\n") == [200]


@pytest.mark.parametrize("name", [b"authorization: Bearer x", b"x-aegis-agent: a"])
def test_who_asks_is_said_once(gateway, connect, name):
    assert exchange(connect(), head(gateway, extra=name + b"\r\n" + name) + BODY) == [400]


@pytest.mark.parametrize("extra", [b"", H2C])
def test_a_request_names_one_host(gateway, connect, extra):
    asked = head(gateway, extra=extra)
    none, two = asked.replace(b"host: x\r\n", b""), asked.replace(b"host: x", b"host: x\r\nHost: x")
    assert exchange(connect(), (none + BODY) * 2, 2) == [400]
    assert exchange(connect(), (two + BODY) * 2, 2) == [400]
    # nor after a proper one on the same connection; a host without a name is one
    assert exchange(connect(), asked + BODY + none + BODY, 3) == [200, 400]
    assert exchange(connect(), asked.replace(b"host: x", b"host:") + BODY) == [200]


def test_the_protocol_before_hosts_had_names_needs_none(connect):
    assert exchange(connect(), b"GET /health/liveness HTTP/1.0\r\n\r\n", 2) == [200]


def test_spaces_around_a_value_are_not_part_of_it(gateway, connect):
    spaced = head(gateway).replace(b"content-length: %d" % SIZE, b"content-length: %d  " % SIZE)
    assert exchange(connect(), spaced + BODY) == [200]


def test_more_requests_at_once_than_are_taken_at_once_are_all_answered(gateway, connect):
    many = 1_500
    plain = b"GET /health/liveness HTTP/1.1\r\nhost: x\r\n\r\n"
    connection = connect()
    assert exchange(connection, plain * many, many) == [200] * many
    # with bodies, and a last one whose body comes when the others have been answered
    asked = head(gateway) + BODY
    last = asked[:-5]
    assert exchange(connection, asked * 70 + last, 70) == [200] * 70
    assert exchange(connection, asked[-5:]) == [200]


def test_an_offer_of_another_protocol_is_left_alone(gateway, connect):
    connection = connect()
    offered = head(gateway, extra=H2C)
    assert exchange(connection, offered + BODY) == [200]
    assert exchange(connection, (offered + BODY) * 3 + head(gateway) + BODY, 4) == [200] * 4
    for at in range(1, len(offered) + SIZE, 37):
        connection.sendall((offered + BODY)[:at])
        assert exchange(connection, (offered + BODY)[at:]) == [200]
    pieces = b"%x\r\n%b\r\n0\r\n\r\n" % (SIZE, BODY)
    chunked = offered.replace(b"content-length: %d" % SIZE, b"transfer-encoding: chunked")
    assert exchange(connection, chunked + pieces + offered + BODY, 2) == [200, 200]
    wrong = head(gateway, key="sk-aegis-wrong", extra=H2C)
    assert exchange(connection, wrong + BODY) == [401]


def test_an_offer_hides_no_header(gateway, connect):
    twice = H2C + b"\r\nx-aegis-agent: one\r\nx-aegis-agent: two"
    assert exchange(connect(), head(gateway, extra=twice) + BODY, 2) == [400]
    both = H2C + b"\r\ntransfer-encoding: chunked"
    assert exchange(connect(), head(gateway, extra=both) + BODY, 2) == [400]
    end = H2C.replace(b"Upgrade,", b"close, Upgrade,")
    assert exchange(connect(), head(gateway, extra=end) + BODY + head(gateway) + BODY, 2) == [200]


def test_a_tunnel_is_refused_once(connect):
    asked = b"CONNECT x:443 HTTP/1.1\r\nhost: x\r\n\r\n"
    assert exchange(connect(), asked, 2) == [400]


def test_what_is_no_request_is_refused_behind_the_answers_before_it(gateway, connect):
    plain = b"GET /health/liveness HTTP/1.1\r\nhost: x\r\n\r\n"
    connection = connect()
    assert exchange(connection, plain * 90 + b"NONSENSE\r\n\r\n", 100) == [200] * 90 + [400]
    unfinished = plain.replace(b"\r\n\r\n", b"\r\ntransfer-encoding: chunked\r\n\r\n!\r\n")
    connection = connect()
    assert exchange(connection, plain * 3 + unfinished, 9) == [200] * 3 + [400]


def test_a_body_that_breaks_is_answered_and_its_connection_closed(gateway, connect):
    top = head(gateway).replace(b"content-length: %d" % SIZE, b"transfer-encoding: chunked")
    open_before = psutil.Process(gateway.process.pid).num_fds()
    # the head and the fault in one piece, a fault behind a chunk, and one that comes later
    for before, after in ((top + b"!\r\n", b""), (top + b"1\r\n{\r\n!\r\n", b""), (top, b"!\r\n")):
        connection = connect()
        connection.sendall(before)
        if after:
            assert not select.select([connection], [], [], 0.1)[0]
            connection.sendall(after)
        assert exchange(connection, b"") == [400]
        assert connection.recv(1) == b""
    assert psutil.Process(gateway.process.pid).num_fds() <= open_before


def test_heads_are_remembered_within_bounds():
    heads = Heads()
    for number in range(3_000):
        fields = Fields((b"%x" % field, b"") for field in range(400))
        opening = b"GET /%d HTTP/1.1\r\n" % number
        data = opening + b"".join(b"%b:\r\n" % name for name in fields) + b"\r\n"
        heads.keep(data, b"/%d" % number, Head("GET", f"/{number}", fields, 0))
        if number == 0:
            tracemalloc.start()
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert heads.get(data) is not None
    assert grown <= HEADS_BYTES_MAX
