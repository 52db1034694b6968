"""`POST /v1/chat/completions` over real sockets, in front of a real upstream."""

from __future__ import annotations

import json
import re
import sqlite3

import pytest

from aegis.kernel.build import open_runtime
from aegis.kernel.config import load

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def test_a_completion_comes_back_with_its_unknown_fields(gateway):
    reply = gateway.chat("normal")
    assert reply.status == 200
    assert reply.json["choices"][0]["message"]["content"] == "Hello from upstream."
    assert reply.json["x_unknown"] == {"kept": True}


def test_everything_the_client_sent_reaches_the_upstream(gateway):
    sent = {
        "temperature": 0.25,
        "top_p": 1,
        "n": 1,
        "seed": 7,
        "stop": "END",
        "logit_bias": {"5": -1},
        "tools": [{"type": "function", "function": {"name": "lookup", "parameters": {}}}],
        "tool_choice": "auto",
        "response_format": {"type": "json_object"},
        "metadata": {"a": "b"},
        "invented_tomorrow": [1, {"x": None}],
    }
    reply = gateway.chat("echo", "ß \u2028 \U0001f600", **sent)
    received = json.loads(reply.json["choices"][0]["message"]["content"])
    messages = [{"role": "user", "content": "ß \u2028 \U0001f600"}]
    assert received == {"model": "echo", "messages": messages, **sent}


def test_headers_say_what_was_decided_and_where_it_is_recorded(gateway):
    reply = gateway.chat("normal")
    assert UUID.fullmatch(reply.headers["x-aegis-action"])
    assert reply.headers["x-request-id"] == reply.headers["x-aegis-action"]
    assert reply.headers["x-aegis-verdict"] == "allow"
    assert reply.headers["x-aegis-rule"] == "chat"
    assert reply.headers["x-aegis-policy"].startswith("sha256:")
    first = int(reply.headers["x-aegis-record"])
    assert int(gateway.chat("normal").headers["x-aegis-record"]) > first


def test_the_clients_request_id_is_kept_where_it_is_sane(gateway):
    reply = gateway.chat("normal", headers={"x-request-id": "req-42"})
    assert reply.headers["x-request-id"] == "req-42"
    reply = gateway.chat("normal", headers={"x-request-id": "x" * 500})
    assert reply.headers["x-request-id"] == reply.headers["x-aegis-action"]


def test_a_stream_arrives_in_events_and_ends_properly(gateway):
    reply = gateway.chat("normal", stream=True)
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert reply.headers["cache-control"] == "no-cache"
    assert reply.headers["x-accel-buffering"] == "no"
    assert reply.text == "Hellofromtheupstreamstream."
    assert reply.events[-1] == "[DONE]"
    assert all("usage" not in event for event in reply.events[:-1])


def test_usage_is_streamed_only_when_asked_for_but_always_asked_of_the_upstream(gateway, upstream):
    reply = gateway.chat("normal", stream=True, stream_options={"include_usage": True})
    assert reply.events[-2]["usage"]["total_tokens"] == 12
    assert reply.events[-2]["choices"] == []
    gateway.chat("normal", stream=True)
    assert upstream.seen()["last"]["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize("model", ["byte-by-byte", "crlf", "slow"])
def test_a_stream_may_be_cut_anywhere(gateway, model):
    assert gateway.chat(model, stream=True).text == "Hellofromtheupstreamstream."


def test_a_refused_prompt_is_403_with_rule_reason_and_advice(gateway, upstream):
    before = upstream.seen()["requests"]
    reply = gateway.chat("forbidden-model")
    assert reply.status == 403
    assert reply.error["code"] == "policy_violation"
    assert reply.error["type"] == "permission_error"
    about = reply.error["aegis"]
    assert about["rule"] == "no-secret-model"
    assert about["policy"].startswith("sha256:")
    assert about["reasons"]
    assert about["advice"]
    assert about["action"] == reply.headers["x-aegis-action"]
    assert reply.headers["x-aegis-verdict"] == "block"
    assert upstream.seen()["requests"] == before
    streamed = gateway.chat("forbidden-model", stream=True)
    assert (streamed.status, streamed.error["code"]) == (403, "policy_violation")


def test_refused_tool_calls_are_taken_out_of_a_reply(gateway):
    reply = gateway.chat("tools").json
    choice = reply["choices"][0]
    assert [call["function"]["name"] for call in choice["message"]["tool_calls"]] == ["lookup"]
    assert choice["finish_reason"] == "tool_calls"
    assert "delete_user" in choice["message"]["content"]
    assert "no-delete" in choice["message"]["content"]
    assert reply["aegis"]["refused_calls"][0]["rule"] == "no-delete"


def test_refused_tool_calls_are_taken_out_of_a_stream(gateway):
    reply = gateway.chat("tools", stream=True)
    names, arguments = [], {}
    for event in reply.events[:-1]:
        for choice in event["choices"]:
            for call in choice["delta"].get("tool_calls", ()):
                if "name" in call["function"]:
                    names.append(call["function"]["name"])
                text = arguments.get(call["index"], "")
                arguments[call["index"]] = text + call["function"].get("arguments", "")
    assert names == ["lookup"]
    assert arguments == {0: '{"id":7}'}
    assert "delete_user" in reply.text
    assert reply.events[-2]["choices"][0]["finish_reason"] == "tool_calls"


def test_with_no_call_left_the_reply_ends_as_text(gateway):
    tools = [{"type": "function", "function": {"name": "delete_all"}}]
    for stream in (False, True):
        reply = gateway.chat("offline-tools", "go", tools=tools, stream=stream)
        choice = reply.events[-2]["choices"][0] if stream else reply.json["choices"][0]
        assert choice["finish_reason"] == "stop"
        message = choice.get("message", {})
        assert "tool_calls" not in message
        assert "delete_all" in (reply.text if stream else message["content"])


@pytest.mark.parametrize("arguments", ["{", '{"id":1,"id":2}', "[1]", '"x"', '{"a":NaN}', "1 2"])
@pytest.mark.parametrize("stream", [False, True])
def test_ambiguous_arguments_never_pass(gateway, arguments, stream):
    tools = [{"type": "function", "function": {"name": "lookup"}}]
    reply = gateway.chat("offline-tools", f"call lookup {arguments}", tools=tools, stream=stream)
    assert reply.status == 200
    assert b"refused" in reply.body
    assert b'"tool_calls":[' not in reply.body


def test_an_agent_is_known_by_header_unless_its_key_is_bound(gateway):
    reply = gateway.chat("normal", headers={"x-aegis-agent": "evil-bot"})
    assert (reply.status, reply.error["aegis"]["rule"]) == (403, "no-evil-agent")
    reply = gateway.chat("normal", key="bound", headers={"x-aegis-agent": "other"})
    assert (reply.status, reply.error["code"]) == (403, "agent_mismatch")
    assert gateway.chat("normal", key="bound").status == 200
    reply = gateway.chat("normal", headers={"x-aegis-agent": "x" * 300})
    assert (reply.status, reply.error["code"]) == (400, "invalid_header")


def test_keys_are_needed_known_and_narrow(gateway):
    for key, words in (("", "a key is needed"), ("sk-aegis-nonsense", "unknown"), ("é", "unknown")):
        headers = {"authorization": f"Bearer {key}".encode("latin-1")} if key else {}
        reply = gateway.request("POST", "/v1/chat/completions", b"{}", headers, key=None)
        assert (reply.status, reply.error["code"]) == (401, "invalid_api_key")
        assert words in reply.error["message"]
        assert reply.headers["www-authenticate"] == "Bearer"
    reply = gateway.chat("normal", key="narrow")
    assert (reply.status, reply.error["code"]) == (403, "model_not_allowed")
    assert gateway.chat("offline", key="narrow").status == 200
    headers = {"x-api-key": gateway.keys["plain"]}
    assert gateway.request("GET", "/v1/models", None, headers, key=None).status == 200


def test_limits_answer_429_and_say_when_to_come_back(fresh):
    gateway = fresh()
    for left in (2, 1, 0):
        reply = gateway.chat("offline", key="limited")
        assert reply.status == 200
        assert reply.headers["x-ratelimit-limit-requests"] == "3"
        assert reply.headers["x-ratelimit-remaining-requests"] == str(left)
        assert reply.headers["x-ratelimit-reset-requests"].endswith("s")
    reply = gateway.chat("offline", key="limited")
    assert (reply.status, reply.error["code"]) == (429, "rate_limit_exceeded")
    assert reply.error["type"] == "rate_limit_error"
    assert 1 <= int(reply.headers["retry-after"]) <= 20
    assert gateway.chat("offline", "y" * 200, key="tokens").status == 200
    reply = gateway.chat("offline", key="tokens")
    assert (reply.status, reply.error["aegis"]["rule"]) == (429, "<tokens-per-minute>")


def test_an_approval_is_asked_for_given_and_used_once(fresh):
    gateway = fresh()
    first = gateway.chat("reviewed-model")
    assert (first.status, first.error["code"]) == (403, "approval_required")
    approval = first.error["aegis"]["approval"]
    assert first.headers["x-aegis-approval"] == approval
    header = {"x-aegis-approval": approval}
    again = gateway.chat("reviewed-model", headers=header)
    assert again.error["code"] == "approval_required"
    person = open_runtime(load(gateway.config))
    person.answer(approval, True, by="alice")
    person.close()
    other = gateway.chat("reviewed-model", "something else", headers=header)
    assert (other.status, other.error["code"]) == (403, "approval_mismatch")
    done = gateway.chat("reviewed-model", headers=header)
    assert done.status == 200
    assert gateway.chat("reviewed-model", headers=header).status == 403
    assert gateway.chat("normal", headers={"x-aegis-approval": "ap_no"}).status == 404


def test_records_hold_the_shape_of_a_chat_and_none_of_its_words(fresh, tmp_path):
    gateway = fresh()
    gateway.chat("say:the-reply-word", "the-prompt-word", temperature=0.5)
    gateway.chat("say:the-reply-word", "the-prompt-word", stream=True)
    gateway.stop()
    bytes_of = b""
    for path in (tmp_path / "home").glob("ledger*.db*"):
        bytes_of += path.read_bytes()
    database = sqlite3.connect(next((tmp_path / "home").glob("ledger.db")))
    dump = "\n".join(map(str, database.iterdump()))
    database.close()
    assert "the-prompt-word" not in dump
    assert b"the-prompt-word" not in bytes_of
    assert bytes_of
