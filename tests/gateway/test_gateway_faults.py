"""What goes wrong: upstreams that fail, clients that leave, bodies nobody can use."""

from __future__ import annotations

import json
import socket
import time

import pytest

from aegis.kernel.build import open_runtime
from aegis.kernel.config import load


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("429", 429, "rate_limit_exceeded"),
        ("400", 400, "upstream_error"),
        ("401", 502, "upstream_error"),
        ("500", 502, "upstream_error"),
        ("503", 503, "upstream_error"),
        ("invalid-json", 502, "upstream_error"),
        ("truncated", 502, "upstream_error"),
        ("close-unanswered", 502, "upstream_error"),
        ("hang", 504, "upstream_timeout"),
    ],
)
def test_a_failing_upstream_is_named_and_its_secrets_are_not(gateway, model, status, code):
    reply = gateway.chat(model)
    assert (reply.status, reply.error["code"]) == (status, code)
    assert b"sk-upstream-secret" not in reply.body
    assert b"Traceback" not in reply.body
    assert reply.error["message"]
    assert int(reply.headers["x-aegis-record"]) >= 0


def test_retry_after_is_passed_on(gateway):
    assert gateway.chat("429").headers["retry-after"] == "7"


@pytest.mark.parametrize("stream", [False, True])
def test_personal_data_in_a_providers_error_is_masked(gateway, stream):
    reply = gateway.chat("quotes", stream=stream)
    assert reply.status == 400
    assert reply.error["message"].startswith("no such user ")
    assert "bob.smith" not in reply.error["message"]


@pytest.mark.parametrize("model", ["429", "500", "hang", "close-unanswered"])
def test_a_stream_that_never_began_is_an_ordinary_error(gateway, model):
    reply = gateway.chat(model, stream=True)
    assert reply.status >= 429
    assert reply.error["message"]


@pytest.mark.parametrize("model", ["no-done", "breaks-off", "stalls", "bad-event", "error-event"])
def test_a_stream_that_breaks_ends_with_an_error_and_no_done(gateway, model):
    reply = gateway.chat(model, stream=True)
    assert reply.status == 200
    assert "[DONE]" not in reply.events
    assert reply.events[-1]["error"]["type"] == "upstream_error"
    assert b"sk-upstream-secret" not in reply.body


def test_what_is_too_long_is_the_fault_of_who_said_it(fresh):
    gateway = fresh(limits={"text_characters": 12}, guardrails={"pii": {"action": "mask"}})
    asked = gateway.chat("offline", "y" * 13)
    assert (asked.status, asked.error["code"]) == (400, "unusable_request")
    answered = gateway.chat("offline", "y" * 5)  # which is said back, and more
    assert (answered.status, answered.error["code"]) == (502, "upstream_error")
    assert "exceed the limit" in answered.error["message"]


def test_a_model_nobody_serves_is_404(fresh, upstream):
    gateway = fresh(providers={"offline": {"type": "offline", "models": ["offline*"]}})
    reply = gateway.chat("gpt-none")
    assert (reply.status, reply.error["code"]) == (404, "model_not_found")


BAD = [
    (b"", "empty"),
    (b"{", "JSON"),
    (b"[]", "object"),
    (b'"x"', "object"),
    (b"\xff\xfe", "JSON"),
    (b'{"model":"a","messages":[{"role":"user","content":"\xff"}]}', "UTF-8"),
    (b'{"model":"a","model":"b","messages":[{"role":"user"}]}', "twice"),
    (b'{"model":"a","messages":[{"role":"user","content":"a","content":"b"}]}', "twice"),
    (b'{"model":"a","messages":[{"role":"user","content":"\\ud800"}]}', "surrogate"),
    (b'{"model":"a","messages":[{"role":"user","content":"x"}],"n":1' + b"0" * 400 + b"}", "int"),
    (b'{"model":"a","messages":[{"role":"user","content":"x"}],"n":18446744073709551616}', "64"),
    (b'{"model":"a","messages":[{"role":"user","content":"x"}],"temperature":NaN}', "JSON"),
    (b'{"model":"a","messages":[{"role":"user","content":"x"}],"temperature":1e999}', "JSON"),
    (b'{"model":"a","messages":' + b"[" * 200_000, "nested"),
    (
        b'{"model":"a","messages":[{"role":"user","content":"x","more":'
        + b"[" * 99
        + b"]" * 99
        + b"}]}",
        "nest",
    ),
    (b'{"model":"a","messages":[{"role":"user"}]} trailing', "JSON"),
    (b'{"messages":[{"role":"user"}]}', "model"),
    (b'{"model":7,"messages":[{"role":"user"}]}', "model"),
    (b'{"model":"","messages":[{"role":"user"}]}', "model"),
    (b'{"model":"a\\nb","messages":[{"role":"user"}]}', "model"),
    (b'{"model":"a"}', "messages"),
    (b'{"model":"a","messages":[]}', "messages"),
    (b'{"model":"a","messages":{}}', "messages"),
    (b'{"model":"a","messages":["hi"]}', "messages[0]"),
    (b'{"model":"a","messages":[{"role":1}]}', "messages[0]"),
    (b'{"model":"a","messages":[{"role":"user"}],"stream":"yes"}', "stream"),
    (b'{"model":"a","messages":[{"role":"user","content":5}]}', "messages[0].content"),
    (b'{"model":"a","messages":[{"role":"user","content":{}}]}', "messages[0].content"),
    (b'{"model":"a","messages":[{"role":"user","content":[5]}]}', "messages[0].content[0]"),
    (b'{"model":"a","messages":[{"role":"user"}],"tools":{}}', "tools"),
    (b'{"model":"a","messages":[{"role":"user"}],"tools":[5]}', "tools[0]"),
    (b'{"model":"a","messages":[{"role":"user"}],"tools":[{"function":{}}]}', "tools[0]"),
    (
        b'{"model":"a","messages":[{"role":"user"}],"tools":[{"type":"function"}]}',
        "tools[0].function",
    ),
    (
        b'{"model":"a","messages":[{"role":"user"}],'
        b'"tools":[{"type":"function","function":{"name":7}}]}',
        "tools[0].function",
    ),
    (b'{"model":"a","messages":[{"role":"user"}],"functions":["f"]}', "functions[0]"),
    (b'{"model":"a","messages":[{"role":"user"}],"stream_options":1}', "stream_options"),
]


@pytest.mark.parametrize(("body", "words"), BAD)
def test_an_unusable_body_is_400_and_says_why(gateway, upstream, body, words):
    before = upstream.seen()["requests"]
    reply = gateway.request("POST", "/v1/chat/completions", body)
    assert reply.status == 400
    assert words in reply.error["message"]
    assert "Traceback" not in reply.error["message"]
    assert upstream.seen()["requests"] == before


def test_a_compressed_body_is_refused_by_the_name_of_its_header(gateway):
    headers = {"content-encoding": "gzip"}
    for path in ("/v1/chat/completions", "/v1/aegis/actions"):
        reply = gateway.request("POST", path, b"\x1f\x8b", headers)
        assert reply.status == 415
        assert "`content-encoding: gzip`" in reply.error["message"]


def test_only_json_is_taken(gateway):
    for headers in (
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ):
        reply = gateway.request("POST", "/v1/chat/completions", b"{}", headers)
        assert (reply.status, reply.error["code"]) == (415, "unsupported_media_type")
    body = b'{"model":"offline","messages":[{"role":"user","content":"x"}]}'
    for kind in ("application/json; charset=utf-8", "application/vnd.x+json", "Application/JSON"):
        reply = gateway.request("POST", "/v1/chat/completions", body, {"content-type": kind})
        assert reply.status == 200


def test_unknown_paths_and_methods(gateway):
    reply = gateway.request("GET", "/v2/nothing")
    assert (reply.status, reply.error["code"]) == (404, "not_found")
    reply = gateway.request("GET", "/v1/chat/completions")
    assert (reply.status, reply.headers["allow"]) == (405, "POST")
    reply = gateway.request("POST", "/health", b"{}")
    assert (reply.status, reply.headers["allow"]) == (405, "GET")


def raw(gateway, data, timeout=10.0):
    """Everything the gateway answers to these bytes, until it closes or falls silent."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=timeout) as connection:
        connection.sendall(data)
        connection.settimeout(1.0)
        received = b""
        try:
            while piece := connection.recv(65536):
                received += piece
        except TimeoutError:
            pass
        return received


def head(gateway, length, extra=""):
    return (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer "
        f"{gateway.keys['plain']}\r\ncontent-type: application/json\r\n{extra}"
        f"content-length: {length}\r\n\r\n"
    ).encode()


def test_head_is_get_without_the_body(gateway):
    for path, status in (("/health/liveness", 200), ("/metrics", 200), ("/v1/nothing", 404)):
        asked = f"HEAD {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode()
        answer = raw(gateway, asked)
        assert answer.startswith(b"HTTP/1.1 %d" % status)
        assert answer.endswith(b"\r\n\r\n")
        assert b"content-length: 0" not in answer


def test_a_body_that_says_it_is_too_large_is_refused_before_it_is_read(gateway):
    answer = raw(gateway, head(gateway, 1 << 40))
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"request_too_large" in answer
    assert b"connection: close" in answer.lower()


def test_a_body_that_grows_too_large_is_refused(fresh):
    gateway = fresh(limits={"body_bytes": 2000})
    lines = head(gateway, 0).replace(b"content-length: 0", b"transfer-encoding: chunked")
    piece = b"3e8\r\n" + b"x" * 1000 + b"\r\n"
    assert raw(gateway, lines + piece * 3).startswith(b"HTTP/1.1 413")
    assert gateway.chat("offline").status == 200
    assert gateway.chat("offline", "y" * 2000).status == 413


def test_what_is_no_http_harms_nobody(gateway):
    for data in (
        b"\x16\x03\x01\x02\x00",
        b"GET\r\n\r\n",
        b"G" * 100_000,
        b"POST / HTTP/9.9\r\n\r\n",
    ):
        assert b"Traceback" not in raw(gateway, data, timeout=3.0)
    assert gateway.chat("offline").status == 200


def test_requests_on_one_connection_are_answered_in_order(gateway):
    body = json.dumps(
        {"model": "offline", "messages": [{"role": "user", "content": "one"}]}
    ).encode()
    second = body.replace(b"one", b"two")
    answer = raw(gateway, head(gateway, len(body)) + body + head(gateway, len(second)) + second)
    assert answer.count(b"HTTP/1.1 200") == 2
    assert answer.index(b"You said: one") < answer.index(b"You said: two")


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_ends_the_upstream_call_and_leaves_a_record(fresh, upstream, stream):
    gateway = fresh()
    model = "endless" if stream else "hang"
    body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": "x"}]}
    data = json.dumps(body).encode()
    before = upstream.seen()
    connection = socket.create_connection(("127.0.0.1", gateway.port))
    connection.sendall(head(gateway, len(data)) + data)
    while upstream.seen()["requests"] == before["requests"]:
        time.sleep(0.02)
    connection.close()
    began = time.monotonic()
    while upstream.seen()["left"] == before["left"]:
        assert time.monotonic() - began < 1.2, "the upstream call went on"
        time.sleep(0.02)
    while b"aegis_ledger_records 2.0" not in metrics(gateway):
        assert time.monotonic() - began < 5.0, "no outcome was recorded"
        time.sleep(0.02)
    assert b"aegis_in_flight_requests 1.0" in metrics(gateway)  # the scrape itself
    gateway.stop()
    ledger = open_runtime(load(gateway.config))
    outcome = list(ledger.journal.records())[1]
    ledger.close()
    assert outcome.kind == "outcome"
    assert outcome.fields["code"] == "abandoned"


def metrics(gateway):
    return gateway.request("GET", "/metrics").body


def test_more_requests_than_configured_are_turned_away_at_once(fresh):
    gateway = fresh(server={"port": 0, "concurrency": 2})
    data = json.dumps({"model": "hang", "messages": [{"role": "user", "content": "x"}]}).encode()
    holders = [socket.create_connection(("127.0.0.1", gateway.port)) for _ in range(2)]
    for holder in holders:
        holder.sendall(head(gateway, len(data)) + data)
    time.sleep(0.2)
    reply = gateway.chat("offline")
    assert (reply.status, reply.error["code"]) == (503, "overloaded")
    assert reply.headers["retry-after"] == "1"
    assert gateway.request("GET", "/health/liveness").status == 200
    for holder in holders:
        holder.close()


def test_a_polite_end_finishes_what_is_under_way(fresh, upstream):
    import threading

    gateway = fresh()
    replies = []
    asking = threading.Thread(target=lambda: replies.append(gateway.chat("slow")))
    before = upstream.seen()["requests"]
    asking.start()
    while upstream.seen()["requests"] == before:
        time.sleep(0.02)
    gateway.process.terminate()
    asking.join(10)
    assert replies[0].status == 200
    assert gateway.process.wait(10) in (0, -15)


@pytest.mark.parametrize("stream", [False, True])
def test_what_the_end_cuts_short_is_on_record(fresh, upstream, stream):
    patient = {"type": "openai_compatible", "base_url": upstream.url}
    gateway = fresh(providers={"up": patient}, server={"port": 0, "shutdown_seconds": 0})
    model = "stalls" if stream else "hang"
    body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": "x"}]}
    data = json.dumps(body).encode()
    before = upstream.seen()["requests"]
    with socket.create_connection(("127.0.0.1", gateway.port)) as connection:
        connection.sendall(head(gateway, len(data)) + data)
        while upstream.seen()["requests"] == before:
            time.sleep(0.02)
        gateway.process.terminate()
        connection.settimeout(10)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert gateway.process.wait(10) in (0, -15)
    assert b"HTTP/1.1 503" in answer or stream
    assert b"[DONE]" not in answer
    ledger = open_runtime(load(gateway.config))
    outcome = list(ledger.journal.records())[1]
    ledger.close()
    assert outcome.fields["code"] == "abandoned"
