"""Aegis as an MCP server: it answers, records what it was asked, and changes nothing."""

import json

from .conftest import ALLOWING

POLICY = """\
policy:
  rules:
    - { name: asking, match: { type: "aegis__*" }, approval: auto }
    - { name: no_deletes, match: { capability: delete }, approval: block, advice: do not }
"""


def found(answer):
    return json.loads(answer["result"]["content"][0]["text"])


def test_an_agent_may_ask_and_every_question_is_recorded(place, connect):
    place.config.write_text(POLICY)
    client = connect("mcp", "serve", "--config", place.config)
    assert client.request("tools/list")["result"]["tools"][0]["name"] == "evaluate"

    def ask(name, **arguments):
        return client.request("tools/call", {"name": name, "arguments": arguments})

    asked = {"type": "github__delete_repo", "target": "org/repo", "params": {"force": True}}
    verdict = found(ask("evaluate", **asked))
    assert (verdict["verdict"], verdict["rule"], verdict["advice"]) == (
        "block",
        "no_deletes",
        "do not",
    )
    rules = {one["rule"]: one for one in found(ask("why", **asked))["rules"]}
    assert rules["no_deletes"]["decided"] is True
    assert rules["asking"]["matched"] is False
    records = found(ask("audit", kind="decision"))["records"]
    assert [one["type"] for one in records][:2] == ["aegis__evaluate", "aegis__why"]
    wrong = ask("evaluate", target="x")["result"]
    assert wrong["isError"] is True
    assert "type" in wrong["content"][0]["text"]


def test_there_is_no_tool_that_changes_anything(place, connect):
    place.config.write_text(ALLOWING)
    client = connect("mcp", "serve", "--config", place.config)
    names = [tool["name"] for tool in client.request("tools/list")["result"]["tools"]]
    assert names == ["evaluate", "why", "audit"]
    for name in ("update_policy", "approve", "pins"):
        answer = client.request("tools/call", {"name": name, "arguments": {}})
        assert answer["error"]["code"] == -32602


def test_what_the_policy_blocks_is_not_answered(place, connect):
    place.config.write_text("policy: { defaults: { approval: block } }\n")
    client = connect("mcp", "serve", "--config", place.config)
    assert client.request("tools/list")["result"]["tools"] == []
    params = {"name": "audit", "arguments": {}}
    assert client.request("tools/call", params)["error"]["code"] == 40301
