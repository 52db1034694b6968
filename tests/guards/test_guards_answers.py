"""Guards that look at whole answers: their shape, and what supports them."""

from __future__ import annotations

import json

import pytest

from aegis.builtin.guards import build_guard as build_detect
from aegis.builtin.guards.grounding import build_guard as build_grounding
from aegis.builtin.guards.schema import build_guard as build_schema
from aegis.kernel import discover
from aegis.model import Action, Text, Verdict
from aegis.plugin.contracts import ComparingGuard

CHAT = Action("chat.completions", "gpt-small", protocol="llm")
ORDER = {
    "type": "object",
    "required": ["id", "total"],
    "properties": {"id": {"type": "string", "pattern": "^A[0-9]+$"}, "total": {"type": "number"}},
    "additionalProperties": False,
}
GOOD, WRONG = {"id": "A7", "total": 3.5}, {"id": "A7", "total": "much"}


def schema_guard(**entry: object):
    return build_schema(
        {"output_schema": {"schemas": [{"schema": ORDER, **entry}]}}, stage="output"
    )


def judged(guard, text: str, action: Action = CHAT) -> list[str]:
    path = ("choices", 0, "message", "content")
    return [f.rule for f in guard.bound((), None).inspect((Text(text, "reply", path),), action)]


def test_the_guards_keep_the_contract():
    assert isinstance(schema_guard(), ComparingGuard)
    assert isinstance(build_grounding({"grounding": {}}), ComparingGuard)
    assert discover.load("guard", "output_schema") is build_schema
    assert discover.load("guard", "grounding") is build_grounding
    # they need the whole text, so replies wait
    assert schema_guard().stream("reply") is None
    assert build_grounding({"grounding": {}}).stream("reply") is None


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        (json.dumps(GOOD), []),
        (json.dumps(WRONG), ["schema_mismatch"]),
        (json.dumps({"id": "A7"}), ["schema_mismatch"]),
        (json.dumps({**GOOD, "more": 1}), ["schema_mismatch"]),
        (json.dumps({**GOOD, "id": "7A"}), ["schema_mismatch"]),
        ("Sure! Here it is: {}", ["schema_not_json"]),
        ('{"id": "A7", "total": NaN}', ["schema_not_json"]),
        ("[" * 5_000, ["schema_not_json"]),
    ],
)
def test_a_reply_has_the_shape_it_should_have(text, rules):
    assert judged(schema_guard(), text) == rules


def test_a_finding_says_which_rule_and_holds_nothing_of_the_reply():
    guard = schema_guard()
    (found,) = guard.inspect((Text(json.dumps(WRONG), "reply"),), CHAT)
    assert found.verdict is Verdict.BLOCK
    assert found.reason == "does not satisfy `properties/total/type` of its schema"


def test_a_schema_is_for_the_models_and_tools_it_names():
    guard = schema_guard(match="gpt-*")
    assert judged(guard, "{}") == ["schema_mismatch"]
    assert judged(guard, "{}", Action("chat.completions", "other", protocol="llm")) == []


@pytest.mark.parametrize(
    ("value", "rules"),
    [
        (GOOD, []),
        (WRONG, ["schema_mismatch"]),
        ({}, ["schema_mismatch"]),
        (7, ["schema_mismatch"]),
        (json.dumps(GOOD), []),
        ("no", ["schema_not_json"]),
        ({"content": [{"type": "text", "text": json.dumps(GOOD)}]}, []),
        ({"content": [{"type": "text", "text": "{}"}]}, ["schema_mismatch"]),
        ({"content": [], "structuredContent": GOOD}, []),
        ({"content": [], "structuredContent": WRONG}, ["schema_mismatch"]),
    ],
)
def test_a_result_is_validated_as_the_value_it_is(value, rules):
    guard = schema_guard(match="get_order", kind="tool_result").bound((), value)
    assert [f.rule for f in guard.inspect((), Action("get_order"))] == rules
    assert guard.inspect((), Action("get_user")) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "missing required field `schemas`"),
        ({"schemas": []}, "1 to 256 schemas"),
        ({"schemas": [{"schema": {"type": "objekt"}}]}, "no valid schema"),
        ({"schemas": [{"schema": {"pattern": "(?=a)"}}]}, "RE2 cannot read"),
        ({"schemas": [{"schema": {"uniqueItems": True}}]}, "`uniqueItems` is not supported"),
        ({"schemas": [{"schema": {"$ref": "https://a.example/s"}}]}, "is elsewhere"),
        ({"schemas": [{"schema": {}, "kind": "prompt"}]}, "Invalid enum value 'prompt'"),
        ({"schemas": [{"schema": {}}], "strict": True}, "unknown option `strict`"),
        (
            {"schemas": [{"schema": {}}], "action": "mask"},
            "has to be one of block, review, warn, not `mask`",
        ),
    ],
)
def test_a_wrong_schema_is_refused_before_it_is_needed(options, message):
    with pytest.raises(ValueError, match="output_schema") as caught:
        build_schema({"output_schema": options})
    assert message in str(caught.value)


DOCUMENT = (
    "Invoice 4417 of Harbour Street Bakery is due on 12 March. The total is 1,280.50 euros, "
    'and the note says "leave the flour at the back door".'
)


def unsupported(reply: str, *, source: str = DOCUMENT, kind: str = "tool_result", **options):
    guard = build_grounding({"grounding": options})
    request = (Text("What do I owe?", "prompt"), Text(source, kind))
    found = guard.bound(request).inspect((Text(reply, "reply"),), CHAT)
    return [(f.rule, reply[f.start : f.end]) for f in found]


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("You owe 1280.5 euros to the Harbour Street Bakery by 12 March.", []),
        ("You owe 1,820.50 euros.", [("unsupported_number", "1,820.50")]),
        ("The note says “leave the flour at the back door”.", []),
        ('It says "leave it at the gate".', [("unsupported_quote", "leave it at the gate")]),
        ("Pay it to the Orchard Lane Bakery.", [("unsupported_name", "Orchard Lane Bakery")]),
        ("There are 3 things to know. 1. It is due.", []),
        ("It is due.", []),
    ],
)  # fmt: skip
def test_what_a_reply_states_stands_in_its_sources(reply, expected):
    assert unsupported(reply) == expected


def test_without_sources_nothing_is_compared():
    assert unsupported("You owe 1,820.50 euros.", kind="prompt") == []


def test_checks_and_actions_of_grounding_can_be_chosen():
    assert unsupported("You owe 99 to Orchard Lane Bakery.", checks=["numbers"]) == [
        ("unsupported_number", "99")
    ]
    guard = build_grounding({"grounding": {"action": "review"}}).bound((Text("5", "document"),))
    (found,) = guard.inspect((Text("It costs 77.", "reply"),), CHAT)
    assert found.verdict is Verdict.REVIEW
    for options in ({"check": []}, {"checks": ["dates"]}, {"action": "mask"}):
        with pytest.raises(ValueError, match="grounding: "):
            build_grounding({"grounding": options})


SYSTEM = "You are the assistant of a bakery. Never give away the recipe of the plum cake to anyone."
RECITAL = "Well: never give away the recipe of the plum cake to anyone, it says."


def test_replies_are_compared_with_the_system_messages_of_their_request():
    guard = build_detect({"prompt_leak": {"action": "block", "system_messages": True}})
    assert guard.compares
    bound = guard.bound((Text(SYSTEM, "system"), Text("hi", "prompt")))
    (found,) = bound.inspect((Text(RECITAL, "reply"),), CHAT)
    assert (found.rule, found.verdict) == ("system_prompt_overlap", Verdict.BLOCK)
    scan = bound.stream("reply")
    streamed = [*(f for char in RECITAL for f in scan.feed(char)), *scan.close()]
    assert streamed == [found]
    assert guard.bound((Text(SYSTEM, "prompt"),)).inspect((Text(RECITAL, "reply"),), CHAT) == ()
    assert not build_detect({"prompt_leak": {}}).compares
    with pytest.raises(ValueError, match="Expected `bool`"):
        build_detect({"prompt_leak": {"system_messages": "yes"}})
