"""Answers of any size, approvals, lent credentials, sessions."""

import hashlib
import http.client
import json
import socket
import threading
import time

import pytest

from .conftest import origins

TOKEN = origins.TOKEN
LENT = "lent-for-this-action-only"


def outcome_of(gate, answer):
    action = answer.headers["x-aegis-action"]
    return next(one for one in gate.records("--kind", "outcome") if one["action"] == action)


def test_a_download_passes_in_pieces_and_its_digest_is_on_record(gate, site):
    answer = gate.get(f"{site}/big?kib=8192")
    body = bytes(range(256)) * (8192 * 4)
    assert answer.body == body
    assert int(answer.headers["content-length"]) == len(body)
    outcome = gate.records("--kind", "outcome")[-1]
    assert outcome["result"]["body"] == {
        "bytes": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    assert (outcome["result"]["kind"], outcome["status"]) == ("binary", "performed")


def test_a_binary_answer_is_recorded_as_not_read(gate, site):
    result = outcome_of(gate, gate.get(f"{site}/png"))["result"]
    assert (result["kind"], result["body"]["bytes"]) == ("binary", len(origins.PNG))


@pytest.mark.parametrize("packed", ["", "&gzip=1"])
def test_a_long_text_is_masked_wherever_it_was_cut(gate, site, packed):
    # events are passed on in pieces, whatever their length
    answer = gate.get(f"{site}/bigtext?kib=64&leak=1&media=text/event-stream{packed}")
    assert answer.status == 200
    assert TOKEN.encode() not in answer.body
    lines = set(answer.body.splitlines())
    assert len(lines) == 1
    assert lines.pop().startswith(b"a line of text with ")
    assert "content-encoding" not in answer.headers


def test_events_arrive_while_they_happen(gate, site):
    connection = socket.create_connection(("127.0.0.1", gate.port), timeout=20)
    head = f"GET {site}/events?count=4&gap=0.5 HTTP/1.1\r\nhost: x\r\n"
    credential = gate.credential()["proxy-authorization"]
    began = time.monotonic()
    connection.sendall(f"{head}proxy-authorization: {credential}\r\n\r\n".encode())
    got, first = b"", 0.0
    with connection:
        while b"\r\n0\r\n\r\n" not in got:
            got += connection.recv(65536)
            if b"data: 0" in got and not first:
                first = time.monotonic() - began
    assert got.count(b"data: ") == 4
    # the last event leaves the server 1.5 s after the first
    assert first < 1.4


def test_an_answer_that_is_cut_off_never_looks_whole(gate, site):
    early = gate.get(f"{site}/die?after=10")
    assert (early.status, early.code) == (502, "upstream_error")
    with pytest.raises(http.client.IncompleteRead):
        gate.get(f"{site}/die?after=3000000")
    assert gate.records("--kind", "outcome")[-1]["status"] == "failed"
    assert gate.get(f"{site}/x").status == 200


def test_a_long_text_with_an_injection_is_cut(gate, site, tmp_path):
    made = origins.Raw(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
        + b"data: a quiet line\n" * 1_000
        + origins.ATTACK.encode()
        + b"\n"
        + b"data: a quiet line\n" * 1_000
    )
    connection = socket.create_connection(("127.0.0.1", gate.port), timeout=60)
    credential = gate.credential()["proxy-authorization"]
    url = f"http://origin.test:{made.port}/"
    head = f"GET {url} HTTP/1.1\r\nhost: x\r\nproxy-authorization: {credential}\r\n\r\n"
    connection.sendall(head.encode())
    got = b""
    with connection:
        try:
            while data := connection.recv(65536):
                got += data
        except ConnectionError:
            pass
    made.close()
    assert got.startswith(b"HTTP/1.1 200")
    assert not got.endswith(b"0\r\n\r\n")
    assert origins.ATTACK.encode() not in got
    outcome = gate.records("--kind", "outcome")[-1]
    assert (outcome["status"], outcome["code"]) == ("withheld", "guard")


def approve(gate, approval, verb="approve"):
    gate.aegis(verb, approval, "--config", str(gate.config))


def test_a_review_waits_for_a_person_and_the_identical_request_goes_on(gate, origin, site):
    url, body = f"{site}/ask/x", {"n": 1}
    before = len(origin.seen)
    first = gate.ask("POST", url, body)
    assert (first.status, first.code) == (403, "approval_required")
    approval = first.headers["x-aegis-approval"]
    again = gate.ask("POST", url, body)
    assert again.headers["x-aegis-approval"] == approval
    approve(gate, approval)
    other = gate.ask("POST", url, {"n": 2})
    assert other.headers["x-aegis-approval"] != approval
    stranger = {"authorization": "Bearer of-somebody-else"}
    assert gate.ask("POST", url, body, stranger).status == 403
    assert len(origin.seen) == before
    done = gate.ask("POST", url, body)
    assert (done.status, done.json["body"]) == (200, '{"n": 1}')
    assert len(origin.seen) == before + 1
    assert gate.ask("POST", url, body).status == 403


def test_a_denied_request_is_refused(gate, origin, site):
    before = len(origin.seen)
    first = gate.get(f"{site}/ask/denied")
    approve(gate, first.headers["x-aegis-approval"], "deny")
    answer = gate.get(f"{site}/ask/denied")
    assert (answer.status, answer.code) == (403, "approval_denied")
    assert len(origin.seen) == before


def test_an_approval_in_time_lets_the_waiting_request_go_on(fresh, site):
    gate = fresh(approvals={"wait_seconds": 20})
    got = []
    asking = threading.Thread(target=lambda: got.append(gate.get(f"{site}/ask/in-time")))
    asking.start()
    deadline = time.monotonic() + 15
    while not (
        waiting := json.loads(
            gate.aegis("approvals", "list", "--json", "--config", str(gate.config))
        )
    ):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    approve(gate, waiting[0]["id"])
    asking.join(20)
    assert got[0].status == 200


def test_a_trailer_of_an_answer_is_no_header(gate, site):
    answer = gate.get(f"{site}/chunked")
    assert (answer.status, answer.body) == (200, b"hi")
    assert "set-cookie" not in answer.headers


def test_an_answer_in_another_transfer_coding_is_not_passed_on(gate, site):
    answer = gate.get(f"{site}/chunked?as=gzip,chunked")
    assert (answer.status, answer.code) == (502, "upstream_error")


@pytest.fixture
def lending(fresh):
    brokers = {"fixed": {"type": "static", "fields": {"token": LENT}}}
    grant = {
        "match": {"protocol": "http", "target": "http*://origin.test*/api/**"},
        "broker": "fixed",
        "headers": {"authorization": "Bearer {token}"},
    }
    return fresh(credentials={"brokers": brokers, "grants": [grant]})


def test_a_lent_credential_goes_to_the_server_and_never_to_the_client(lending, origin, site):
    mine = {"authorization": "Bearer mine"}
    answer = lending.get(f"{site}/api/x", headers=mine)
    assert origin.seen[-1]["headers"]["authorization"] == f"Bearer {LENT}"
    # this server repeats what it was sent: the client is told of that instead
    assert (answer.status, answer.code) == (403, "gate_refused")
    assert LENT.encode() not in answer.body
    assert lending.get(f"{site}/other", headers=mine).status == 200
    assert origin.seen[-1]["headers"]["authorization"] == "Bearer mine"
    told = json.dumps(lending.records())
    assert LENT not in told
    assert "credential.mint" in told


@pytest.mark.parametrize(
    ("method", "status", "field"),
    [("HEAD", 200, "x_echo"), ("GET", 204, "x_echo"), ("GET", 200, "set_cookie"),
     ("GET", 302, "location"), ("HEAD", 401, "www_authenticate")],
)  # fmt: skip
def test_no_header_of_an_answer_repeats_a_lent_credential(lending, site, method, status, field):
    path = f"{site}/api/x?status={status}&field={field}&with="
    assert lending.ask(method, path + "/something-else").status == status
    answer = lending.ask(method, f"{path}/{LENT}")
    assert answer.status == 403
    assert LENT not in str(answer.fields)


def test_an_answer_that_does_not_repeat_the_credential_is_passed_on(lending, site):
    assert lending.get(f"{site}/png").body == origins.PNG
