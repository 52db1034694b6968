"""The chat view over streams: judged, masked and cut alike however they are split."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aegis.builtin.providers.sse import Events
from aegis.flow import Rules, run
from aegis.flow.drive import drive_sync
from aegis.flow.effects import (
    ENDED,
    OPENED,
    Admission,
    Admit,
    Append,
    Emit,
    Next,
    Perform,
    Settle,
    Settled,
)
from aegis.model import Action, Actor, Decision, Finding, Receipt, Usage, Verdict
from aegis.surfaces.gateway.openai_chat import CHAT, TYPE

ALLOW = Decision(Verdict.ALLOW, rule="all", policy="p1")
BLOCK = Decision(Verdict.BLOCK, rule="no", policy="p1", reasons=("because",), advice="do less")


def action(**body: Any) -> Action:
    return Action(TYPE, "m", body, protocol="llm", actor=Actor("k"), id="parent", time=5)


# streams, through the flow itself


class Everything:
    """A policy that allows all but tools named `bad…`."""

    version = "p1"

    def decide(self, action, *, now=0, findings=(), labels=(), **_):
        return BLOCK if action.type.startswith("bad") else ALLOW


class Words:
    """A guard over a few words: `SECRET` is masked, `ATTACK` is blocked."""

    name, version, covers, pure = "words", "1", ("words",), True
    stages = frozenset({"input", "output"})

    def inspect(self, texts, action):
        return [f for i, text in enumerate(texts) for f in self.found(text.text, i)]

    @staticmethod
    def found(text, index=0):
        for word, verdict, mask in (
            ("SECRET", Verdict.SANITIZE, "***"),
            ("ATTACK", Verdict.BLOCK, None),
        ):
            at = text.find(word)
            while at >= 0:
                yield Finding("words", word, "w", "", index, at, at + 6, verdict=verdict, mask=mask)
                at = text.find(word, at + 6)

    def stream(self, kind):
        return _Scan()


class _Scan:
    def __init__(self):
        self.text, self.seen = "", set()

    def feed(self, piece):
        self.text += piece
        return self._fresh()

    def close(self):
        return self._fresh()

    def _fresh(self):
        fresh = [f for f in Words.found(self.text) if f.start not in self.seen]
        self.seen.update(f.start for f in fresh)
        return fresh

    @property
    def settled(self):
        return max(0, len(self.text) - 5)


def play(events: list[dict], guards=()) -> tuple[Any, list[dict]]:
    """The outcome and what the client got of a stream."""
    source, sent = iter(events), []
    rules = Rules(Everything(), (), tuple(guards))
    flow = run(action(model="m", messages=[]), rules, CHAT, stream=True)
    port = {
        Admit: lambda effect: Admission(),
        Append: lambda effect: Receipt(0, ""),
        Perform: lambda effect: OPENED,
        Next: lambda effect: next(source, ENDED),
        Emit: lambda effect: sent.append(effect.event),
        Settle: lambda effect: Settled(0),
    }
    outcome = drive_sync(flow, port, None, port)
    return outcome, sent


def chunk(delta: dict, finish: str | None = None, index: int = 0, **more: Any) -> dict:
    choice = {"index": index, "delta": delta, "finish_reason": finish, **more}
    return {"id": "r", "created": 1, "model": "m", "choices": [choice]}


def joined(sent: list[dict], index: int = 0) -> str:
    return "".join(
        choice["delta"].get("content") or ""
        for event in sent
        for choice in event["choices"]
        if choice["index"] == index
    )


def test_a_secret_is_masked_identically_however_the_stream_is_split():
    text = "the SECRET is SECRET!"
    for first in range(len(text) + 1):
        for second in range(first, len(text) + 1):
            parts = [text[:first], text[first:second], text[second:]]
            events = [chunk({"content": part}) for part in parts] + [chunk({}, "stop")]
            _, sent = play(events, [Words()])
            assert joined(sent) == "the *** is ***!"


def test_an_attack_is_cut_before_any_of_it_however_the_stream_is_split():
    text = "all is well, ATTACK now"
    for at in range(len(text) + 1):
        events = [chunk({"content": text[:at]}), chunk({"content": text[at:]}), chunk({}, "stop")]
        outcome, sent = play(events, [Words()])
        assert outcome.status == "withheld"
        said = joined(sent)
        assert text.startswith(said)
        assert "ATTACK" not in said
        assert len(said) <= len("all is well, ")
        last = sent[-1]
        assert last["choices"][0]["finish_reason"] == "content_filter"
        assert last["aegis"]["code"] == "guard"
        assert last["aegis"]["action"] == "parent"
        assert last["id"] == "r"


def test_the_bytes_of_a_stream_may_be_cut_anywhere_too():
    data = b"".join(
        b"data: " + json.dumps(event).encode() + b"\n\n"
        for event in (chunk({"content": "a SECRET "}), chunk({"content": "ß\u2028"}))
    )
    whole = Events().feed(data)
    for at in range(len(data) + 1):
        reader = Events()
        assert reader.feed(data[:at]) + reader.feed(data[at:]) == whole
    reader = Events()
    assert [d for i in range(len(data)) for d in reader.feed(data[i : i + 1])] == whole


def test_event_streams_with_every_line_ending_and_comment():
    plain = b"data: 1\n\n: c\n\nevent: x\ndata: 2\ndata: 3\n\ndata\n\ndata:4\n\n"
    for data in (
        plain,
        plain.replace(b"\n", b"\r\n"),
        plain.replace(b"\n", b"\r"),
        b"\xef\xbb\xbf" + plain,
    ):
        for size in (1, 2, 3, 7, 1000):
            reader = Events()
            pieces = [data[i : i + size] for i in range(0, len(data), size)]
            assert [d for p in pieces for d in reader.feed(p)] == [b"1", b"2\n3", b"", b"4"]


def test_choices_are_separate_texts():
    events = [
        chunk({"content": "SEC"}, index=0),
        chunk({"content": "RET"}, index=1),
        chunk({"content": "RET"}, index=0, logprobs={"content": [{"token": "RET"}]}),
        chunk({}, "stop", 0),
        chunk({}, "stop", 1),
    ]
    _, sent = play(events, [Words()])
    assert (joined(sent, 0), joined(sent, 1)) == ("***", "RET")
    assert "RET" not in json.dumps([e for e in sent if e["choices"][0]["index"] == 0])


def test_reasoning_and_unknown_fields_are_read_as_they_stream():
    for delta in ({"reasoning_content": "ATTACK"}, {"new": {"deep": ["ATTACK"]}}):
        outcome, sent = play([chunk(delta), chunk({}, "stop")], [Words()])
        assert outcome.status == "withheld"
        assert [event["choices"][0]["delta"] for event in sent] == [{}]


def tool_events(name: str, arguments: str, size: int, index: int = 0) -> list[dict]:
    head = {"index": index, "id": "c", "type": "function"}
    first = chunk({"tool_calls": [{**head, "function": {"name": name, "arguments": ""}}]})
    parts = [arguments[i : i + size] for i in range(0, len(arguments), size)]
    return [
        first,
        *(chunk({"tool_calls": [{"index": index, "function": {"arguments": p}}]}) for p in parts),
    ]


@pytest.mark.parametrize("size", [1, 3, 100])
def test_streamed_calls_are_judged_when_they_are_complete(size):
    events = [
        chunk({"content": "hm"}),
        *tool_events("good", '{"a": "b"}', size, 0),
        *tool_events("bad", '{"c": 1}', size, 1),
        chunk({}, "tool_calls"),
    ]
    _, sent = play(events)
    told = [event["aegis"] for event in sent if "aegis" in event]
    assert [t["refused_calls"][0]["name"] for t in told] == ["bad"]
    calls = [c for e in sent for ch in e["choices"] for c in ch["delta"].get("tool_calls", ())]
    assert {c["index"] for c in calls} == {0}
    assert "".join(c["function"]["arguments"] for c in calls) == '{"a": "b"}'
    assert sent[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_a_stream_left_without_calls_stops_as_text():
    events = [*tool_events("bad", "{}", 1), chunk({}, "tool_calls")]
    _, sent = play(events)
    assert "the call of `bad` was refused" in joined(sent)
    assert sent[-1]["choices"][0]["finish_reason"] == "stop"
    assert "tool_calls" not in json.dumps(sent)


@pytest.mark.parametrize(
    "event",
    [
        {"choices": "x"},
        {"choices": [3]},
        {"choices": [{"index": -1, "delta": {"content": "x"}}]},
        {"choices": [{"index": 0, "delta": "x"}]},
        {"choices": [{"index": 0, "delta": {"content": "a"}}] * 2},
        {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": -1}]}}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": i} for i in range(999)]}}]},
        {"choices": [{"index": 0, "delta": {f"k{i}": "x" for i in range(2000)}}]},
    ],
)
def test_a_chunk_nobody_can_read_cuts_the_stream(event):
    outcome, sent = play([chunk({"content": "ok "}), event, chunk({"content": "more"})])
    assert outcome.status == "withheld"
    assert joined(sent) == "ok "
    assert sent[-1]["choices"][0]["finish_reason"] == "content_filter"


def test_streamed_usage_is_stated_or_estimated():
    usage = {"id": "r", "choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 1}}
    outcome, _ = play([chunk({"content": "x"}), chunk({}, "stop"), usage])
    assert outcome.usage == Usage(9, 1)
    outcome, _ = play([chunk({"content": "x" * 40}), chunk({}, "stop")])
    assert outcome.usage == Usage(0, 10)
