"""The offline provider: the same answers every time, without a network."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from aegis.builtin.providers.offline import Offline
from aegis.kernel.settings import ProviderSettings
from aegis.model import ConfigError, UpstreamError

TOOL = {
    "type": "function",
    "function": {
        "name": "lookup",
        "parameters": {
            "type": "object",
            "properties": {
                "id": {"type": "integer"},
                "unit": {"enum": ["kg", "lb"]},
                "note": {"type": "string"},
                "optional": {"type": "string"},
            },
            "required": ["id", "unit", "note"],
        },
    },
}


def made(**options):
    return Offline("offline", ProviderSettings("offline", options=options))


def body(said="hi", model="offline", **more):
    return {"model": model, "messages": [{"role": "user", "content": said}], **more}


def ask(provider, request):
    return asyncio.run(provider.complete(request, {}))


def message(reply):
    return reply["choices"][0]["message"]


def collect(provider, request):
    async def go():
        return [event async for event in provider.stream(request, {})]

    return asyncio.run(go())


def test_it_says_back_what_it_was_told_and_counts():
    reply = ask(made(), body("hello there"))
    assert message(reply)["content"] == "You said: hello there"
    usage = reply["usage"]
    assert usage["completion_tokens"] == 6
    assert usage["total_tokens"] == usage["prompt_tokens"] + 6
    assert ask(made(), body("hello there"))["id"] == reply["id"]
    assert ask(made(), body("hello"))["id"] != reply["id"]


def test_a_stream_is_the_same_answer_word_by_word():
    request = body("one  two\n three ", stream=True, stream_options={"include_usage": True})
    events = collect(made(), request)
    words = [e["choices"][0]["delta"].get("content") for e in events if e["choices"]]
    assert "".join(word or "" for word in words) == message(ask(made(), request))["content"]
    assert len(words) > 4
    assert events[-2]["choices"][0]["finish_reason"] == "stop"
    assert events[-1]["usage"] == ask(made(), request)["usage"]
    assert collect(made(), body("x"))[-1]["choices"]


def test_offline_tools_calls_the_first_tool_with_what_it_requires():
    reply = ask(made(), body("weigh it", "offline-tools", tools=[TOOL]))
    call = message(reply)["tool_calls"][0]["function"]
    assert call["name"] == "lookup"
    assert json.loads(call["arguments"]) == {"id": 1, "unit": "kg", "note": "weigh it"}
    assert reply["choices"][0]["finish_reason"] == "tool_calls"


def test_offline_tools_calls_what_it_is_told_to_exactly():
    tools = [TOOL, {"type": "function", "function": {"name": "other"}}]
    reply = ask(made(), body('call other {"a": 1', "offline-tools", tools=tools))
    assert message(reply)["tool_calls"][0]["function"] == {"name": "other", "arguments": '{"a": 1'}


def test_streamed_calls_come_in_pieces():
    events = collect(made(), body("go", "offline-tools", tools=[TOOL]))
    parts = [c for e in events for c in e["choices"][0]["delta"].get("tool_calls", ())]
    whole = message(ask(made(), body("go", "offline-tools", tools=[TOOL])))["tool_calls"][0]
    assert "".join(p["function"]["arguments"] for p in parts) == whole["function"]["arguments"]
    assert [p["function"].get("name") for p in parts] == ["lookup", None]


def test_after_a_tool_has_answered_it_says_so():
    request = body("go", "offline-tools", tools=[TOOL])
    request["messages"].append({"role": "tool", "tool_call_id": "c", "content": "42 kg"})
    assert message(ask(made(), request))["content"] == "The tool answered: 42 kg"


def test_a_script_answers_in_order():
    provider = made(
        script=[
            {"match": "*weather*", "reply": "It rains."},
            {"match": "*", "model": "slow*", "reply": "At last.", "latency": 0.1},
            {"match": "*balance*", "tool_calls": [{"name": "lookup", "arguments": {"id": 7}}]},
            {"match": "*crash*", "status": 503, "reply": "down"},
            {"match": "*long*", "reply": "cut", "finish_reason": "length"},
        ]
    )
    assert message(ask(provider, body("the weather?")))["content"] == "It rains."
    began = time.monotonic()
    assert message(ask(provider, body("x", "slow-1")))["content"] == "At last."
    assert time.monotonic() - began >= 0.1
    assert message(ask(provider, body("my balance")))["tool_calls"][0]["function"] == {
        "name": "lookup",
        "arguments": '{"id":7}',
    }
    with pytest.raises(UpstreamError, match="down") as caught:
        ask(provider, body("crash"))
    assert caught.value.status == 503
    assert ask(provider, body("long"))["choices"][0]["finish_reason"] == "length"
    assert message(ask(provider, body("else")))["content"] == "You said: else"


def test_a_script_file(tmp_path):
    path = tmp_path / "script.json"
    path.write_text('[{"match": "ping", "reply": "pong"}]')
    assert message(ask(made(script_file=str(path)), body("ping")))["content"] == "pong"


@pytest.mark.parametrize(
    "options",
    [
        {"scripts": []},
        {"latency": -1},
        {"latency": True},
        {"latency": "1"},
        {"script": [{"match": 7}]},
        {"script": [{"reply": "x", "typo": 1}]},
        {"script": [{"status": 42}]},
        {"script": [{"latency": 1e9}]},
        {"script": [{}] * 2000},
    ],
)
def test_options_that_mean_nothing_are_refused(options):
    with pytest.raises(ConfigError):
        made(**options)


@pytest.mark.parametrize("content", ["[", "{}", '[{"typo":1}]'])
def test_a_broken_script_file_is_a_clear_error(tmp_path, content):
    path = tmp_path / "script.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match=r"script\.json"):
        ask(made(script_file=str(path)), body("x"))


def test_an_offline_provider_takes_no_address():
    with pytest.raises(ConfigError, match="offline"):
        Offline("x", ProviderSettings("offline", base_url="http://x"))


def test_its_models_are_its_own_and_those_named():
    provider = Offline("x", ProviderSettings("offline", models=("gpt-5", "gpt-*")))
    assert provider.models() == ("offline", "offline-tools", "gpt-5")


def test_strange_bodies_are_answered():
    for messages in ([], None, [7], [{"role": "user"}], [{"role": "user", "content": [{}, 3]}]):
        assert message(ask(made(), {"messages": messages}))["content"] == "You said: "
