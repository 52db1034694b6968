"""Requests that two readers could read differently, clients that are slow or leave, faults."""

import contextlib
import json
import resource
import socket
import threading
import time

import psutil
import pytest

from .conftest import origins


class Client:
    """Speaks bytes."""

    def __init__(self, gate, timeout=10):
        self.credential = gate.credential()["proxy-authorization"]
        self.socket = socket.create_connection(("127.0.0.1", gate.port), timeout=timeout)

    def send(self, text):
        with contextlib.suppress(ConnectionError):
            self.socket.sendall(text.replace("AUTH", self.credential).encode("latin-1"))

    def rest(self):
        """Everything until the connection ends."""
        got = b""
        with contextlib.suppress(ConnectionResetError), self.socket:
            while data := self.socket.recv(65536):
                got += data
        return got

    def until(self, mark):
        got = b""
        while mark not in got:
            data = self.socket.recv(65536)
            assert data, got
            got += data
        return got


def exchange(gate, text):
    client = Client(gate)
    client.send(text)
    return client.rest()


AUTH = "proxy-authorization: AUTH\r\n"

PLAIN = "URL HTTP/1.1\r\nhost: x\r\nAUTH"
CHUNKS = f"POST {PLAIN}transfer-encoding: chunked\r\n\r\n"

SMUGGLED = {
    "length and chunks": f"POST {PLAIN}content-length: 4\r\n"
    "transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": f"POST {PLAIN}content-length: 2\r\ncontent-length: 3\r\n\r\nabc",
    "equal lengths": f"POST {PLAIN}content-length: 2\r\ncontent-length: 2\r\n\r\nab",
    "signed length": f"POST {PLAIN}content-length: +2\r\n\r\nab",
    "list of lengths": f"POST {PLAIN}content-length: 2, 2\r\n\r\nab",
    "folded line": f"GET {PLAIN}x-a: 1\r\n  2\r\n\r\n",
    "bare line feeds": "GET URL HTTP/1.1\nhost: x\nAUTH\n",
    "a bare line feed": "GET URL HTTP/1.1\r\nhost: x\nAUTH\r\n",
    "a bare return": "GET URL HTTP/1.1\r\nhost: x\rx-a: 1\r\nAUTH\r\n",
    "a space before the colon": "GET URL HTTP/1.1\r\nhost : x\r\nAUTH\r\n",
    "a nul": f"GET {PLAIN}x-a: \0\r\n\r\n",
    "no name": f"GET {PLAIN}: x\r\n\r\n",
    "two hosts": f"GET {PLAIN}host: y\r\n\r\n",
    "another coding": f"POST {PLAIN}transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a hidden coding": f"POST {PLAIN}transfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "a bad chunk": f"{CHUNKS}zz\r\nhi\r\n0\r\n\r\n",
    "a huge chunk": f"{CHUNKS}ffffffffffffffff1\r\nhi",
    "a loose chunk": f"{CHUNKS}2\nhi\n0\n\n",
    "chunks of 1.0": CHUNKS.replace("HTTP/1.1", "HTTP/1.0") + "0\r\n\r\n",
    "another version": "GET URL HTTP/2.0\r\nhost: x\r\nAUTH\r\n",
    "no version": "GET URL\r\n\r\n",
    "a tunnel with a body": CHUNKS.replace("POST URL", "CONNECT origin.test:443"),
    "TLS": "\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
    "garbage": "\xff\xfe\0\0\x01garbage\r\n\r\n",
}
"""Requests by the fault they carry; `URL` and `AUTH` are filled in."""


@pytest.mark.parametrize("fault", SMUGGLED)
def test_what_two_readers_could_read_differently_is_refused_and_ends_the_connection(
    gate, origin, site, fault
):
    before = len(origin.seen)
    text = SMUGGLED[fault].replace("URL", f"{site}/admin-less").replace("AUTH", AUTH)
    got = exchange(gate, text)
    assert got.split(b" ")[1] in (b"400", b"501", b"505"), got
    assert got.count(b"\r\nproxy-status: ") == 1
    assert b"proxy_internal_error" not in got
    assert len(origin.seen) == before


def test_a_request_behind_a_body_is_a_request_of_its_own(gate, origin, site):
    first = f"POST {site}/one HTTP/1.1\r\nhost: x\r\n{AUTH}content-length: 2\r\n\r\nhi"
    second = f"GET {site}/admin/two HTTP/1.1\r\nhost: x\r\n{AUTH}connection: close\r\n\r\n"
    got = exchange(gate, first + second)
    assert got.count(b"HTTP/1.1 ") == 2
    assert b"policy_violation" in got
    assert "/admin/two" not in json.dumps(origin.seen)


def test_a_refused_head_has_no_body(gate, site):
    head = f"HEAD {site}/admin/x HTTP/1.1\r\nhost: x\r\n{AUTH}\r\n"
    last = f"HEAD {site}/png HTTP/1.1\r\nhost: x\r\n{AUTH}connection: close\r\n\r\n"
    first, second, rest = exchange(gate, head + last).split(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 403")
    assert second.startswith(b"HTTP/1.1 200")
    assert rest == b""


def test_what_follows_a_chunked_body_at_once_is_dropped(gate, origin, site):
    head = f"POST {site}/chunked HTTP/1.1\r\nhost: x\r\n{AUTH}transfer-encoding: chunked\r\n\r\n"
    second = f"GET {site}/late HTTP/1.1\r\nhost: x\r\n{AUTH}\r\n"
    got = exchange(gate, f"{head}2\r\nhi\r\n0\r\n\r\n{second}")
    assert got.count(b"HTTP/1.1 ") == 1
    assert "/late" not in json.dumps(origin.seen)


def test_heads_and_chunks_are_bounded(gate, site):
    got = exchange(gate, f"GET {site}/x HTTP/1.1\r\nhost: x\r\nx-a: {'a' * 80_000}\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 431")
    head = f"POST {site}/x HTTP/1.1\r\nhost: x\r\n{AUTH}transfer-encoding: chunked\r\n\r\n"
    got = exchange(gate, head + f"1;{'e' * 2_000_000}\r\nx\r\n0\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 400")


@pytest.fixture
def quick(fresh):
    """A gate of little patience."""
    return fresh(http={"connect_seconds": 0.3, "connections": 4})


def test_slow_and_silent_clients_lose_their_connections(quick):
    began = time.monotonic()
    silent, slow = Client(quick), Client(quick)
    slow.send("GET http://x/ HT")
    assert slow.rest().startswith(b"HTTP/1.1 408")
    assert silent.rest() == b""
    assert time.monotonic() - began < 5


def test_more_connections_than_there_is_room_for_are_turned_away(quick, site):
    held = [Client(quick) for _ in range(4)]
    for each in held:
        each.send("GET http://x/ HT")
    deadline = time.monotonic() + 5
    got = b""
    while not got.startswith(b"HTTP/1.1 503"):
        assert time.monotonic() < deadline
        got = Client(quick).rest()
    for each in held:
        each.socket.close()
    deadline = time.monotonic() + 5
    while True:
        with contextlib.suppress(ConnectionError):
            if quick.get(f"{site}/x").status == 200:
                break
        assert time.monotonic() < deadline


def wait_for(gate, action, status):
    deadline = time.monotonic() + 10
    while True:
        found = [one for one in gate.records("--kind", "outcome") if one["action"] == action]
        if found:
            assert found[0]["status"] == status
            return
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_client_that_leaves_stops_the_request_and_is_on_record(gate, origin, site):
    client = Client(gate)
    client.send(f"GET {site}/slow?seconds=3&left=1 HTTP/1.1\r\nhost: x\r\n{AUTH}\r\n")
    deadline = time.monotonic() + 10
    while "left=1" not in json.dumps(origin.seen[-3:]):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    client.socket.close()
    decision = next(
        one for one in reversed(gate.records("--kind", "decision")) if "left=1" in json.dumps(one)
    )
    wait_for(gate, decision["action"], "unknown")


def test_servers_that_answer_nonsense_are_failures_of_theirs(gate):
    for answer in (
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nshort",
    ):
        server = origins.Raw(answer)
        got = gate.get(f"http://origin.test:{server.port}/")
        server.close()
        assert (got.status, got.code) == (502, "upstream_error"), answer[:60]


def test_a_server_that_is_not_there_is_said(gate):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for url in (f"http://origin.test:{port}/", f"https://origin.test:{port}/"):
        answer = gate.get(url)
        assert (answer.status, answer.code) == (502, "upstream_error")


def test_a_killed_gate_has_every_decision_on_record(fresh, origin, site):
    gate = fresh()
    assert gate.get(f"{site}/before-the-kill").status == 200
    client = Client(gate)
    # what reads may ride in a buffer of the ledger; what writes is on the disk before it is sent
    head = f"POST {site}/slow?seconds=2&killed=1 HTTP/1.1\r\nhost: x\r\n{AUTH}"
    client.send(f"{head}content-length: 2\r\n\r\n{{}}")
    deadline = time.monotonic() + 10
    while "killed=1" not in json.dumps(origin.seen[-3:]):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    gate.kill()
    assert client.rest() == b""
    told = json.dumps(gate.records())
    assert "before-the-kill" in told
    assert "killed=1" in told
    gate.aegis("verify", str(gate.folder / "home" / "ledger.db"))


def test_a_stopped_gate_finishes_what_is_under_way(fresh, site):
    gate = fresh()
    idle = Client(gate)
    got = []
    asking = threading.Thread(target=lambda: got.append(gate.get(f"{site}/slow?seconds=0.7&s=1")))
    asking.start()
    deadline = time.monotonic() + 10
    while "s=1" not in json.dumps(gate.records("--kind", "decision")):
        assert time.monotonic() < deadline
    gate.process.terminate()
    asking.join(10)
    assert (got[0].status, got[0].body) == (200, b"at last")
    assert gate.process.wait(10) == 0
    assert idle.rest() == b""
    assert "Traceback" not in (gate.folder / "gate.log").read_text()


def test_a_full_disk_lets_nothing_through(fresh, origin, site):
    gate = fresh()
    assert gate.get(f"{site}/x").status == 200
    before = len(origin.seen)
    unlimited = resource.RLIM_INFINITY
    resource.prlimit(gate.process.pid, resource.RLIMIT_FSIZE, (1, unlimited))
    answers = [gate.ask("POST", f"{site}/x", {"n": n}) for n in range(3)]
    assert {(one.status, one.code) for one in answers} == {(503, "governance_unavailable")}
    assert len(origin.seen) == before
    assert str(gate.folder) not in json.dumps([one.json for one in answers])
    resource.prlimit(gate.process.pid, resource.RLIMIT_FSIZE, (unlimited, unlimited))
    deadline = time.monotonic() + 10
    while gate.get(f"{site}/x").status != 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_thousand_requests_leave_nothing_behind(fresh, site):
    gate = fresh(guardrails={})
    process = psutil.Process(gate.process.pid)
    line = f"GET {site}/png HTTP/1.1\r\nhost: x\r\n{AUTH}\r\n"
    client = Client(gate)

    def ask(count):
        for _ in range(count):
            client.send(line)
            client.until(origins.PNG[-64:])

    ask(200)
    files, memory = process.num_fds(), process.memory_info().rss
    ask(1_000)
    assert process.num_fds() <= files + 2
    assert process.memory_info().rss < memory + 16 * 1024 * 1024
