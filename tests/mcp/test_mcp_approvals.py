"""Calls that need a person: asked for, answered, performed once, in every revision's own way."""

import json

from .conftest import tool, until

ASKING = """\
policy:
  defaults: { approval: auto }
  rules: [{ name: writes, match: { capability: write }, approval: approve }]
"""
SHORT = "approvals: { wait_seconds: 0.1 }\n"


def held(answer):
    error = answer["error"]
    assert error["code"] == 40901, error
    return error["data"]["approval"]


def approvals(place):
    listed = place.aegis("approvals", "list", "--json", "--config", place.config)
    return [one["id"] for one in json.loads(listed)]


def test_an_older_client_comes_back_with_the_identical_call(place, connect):
    place.configure(ASKING, SHORT)
    client = connect()
    approval = held(client.call("write_note", path="a"))
    assert held(client.call("write_note", path="a")) == approval
    assert place.calls() == []
    place.aegis("approve", approval, "--config", place.config)
    assert held(client.call("write_note", path="b")) != approval
    assert "result" in client.call("write_note", path="a")
    assert place.calls() == [["write_note", {"path": "a"}]]
    again = held(client.call("write_note", path="a"))
    assert again != approval
    states = [one["state"] for one in place.records("--kind", "approval")]
    assert states.count("approved") == 1


def test_a_held_call_survives_a_restart(place, connect):
    place.configure(ASKING, SHORT)
    client = connect()
    approval = held(client.call("write_note", path="a"))
    client.end()
    place.aegis("approve", approval, "--config", place.config)
    client = connect()
    assert "result" in client.call("write_note", path="a")
    assert place.calls() == [["write_note", {"path": "a"}]]


def test_an_approval_is_for_the_definition_a_person_saw(place, connect):
    place.configure(ASKING, SHORT)
    client = connect()
    approval = held(client.call("write_note", path="a"))
    place.aegis("approve", approval, "--config", place.config)
    place.define([tool("write_note", "Writes, and sends it away.")])
    client.listed()
    place.aegis("mcp", "pins", "accept", "notes__write_note", "--config", place.config)
    assert held(client.call("write_note", path="a")) != approval
    assert place.calls() == []


def test_a_denied_call_is_refused(place, connect):
    place.configure(ASKING, SHORT)
    client = connect()
    approval = held(client.call("write_note", path="a"))
    place.aegis("deny", approval, "--config", place.config)
    error = client.call("write_note", path="a")["error"]
    assert error["code"] == 40303
    assert place.calls() == []


def test_an_answer_while_the_call_waits_lets_it_go_on(place, connect):
    place.configure(ASKING)
    client = connect()
    id = client.begin("tools/call", {"name": "notes__write_note", "arguments": {"path": "a"}})
    (approval,) = until(lambda: approvals(place))
    place.aegis("approve", approval, "--config", place.config)
    assert "result" in client.answer(id)


SAID = (
    ({"action": "accept", "content": {"approve": False}}, False),
    ({"action": "accept", "content": {"approve": "I do NOT approve"}}, False),
    ({"action": "accept"}, False),
    ({"action": "decline"}, False),
    ({"action": "cancel"}, False),
    ({"action": "accept", "content": {"approve": True}}, True),
)
"""What a person at a client may answer, and whether that approves."""


def test_the_person_at_a_local_client_is_asked_and_only_a_plain_yes_approves(place, connect):
    place.configure(ASKING, "approvals: { wait_seconds: 1 }\n")
    client = connect(capabilities={"elicitation": {}})
    for number, (said, performed) in enumerate(SAID):
        path = f"note {number}"
        arguments = {"path": path}
        id = client.begin("tools/call", {"name": "notes__write_note", "arguments": arguments})
        until(lambda: client.asked or not client.next())
        asked = client.asked.pop()
        assert asked["method"] == "elicitation/create"
        assert f"`notes__write_note` on `{path}`" in asked["params"]["message"]
        client.send({"id": asked["id"], "result": said})
        assert ("result" in client.answer(id)) is performed, said
        assert (["write_note", arguments] in place.calls()) is performed, said
    answers = [one for one in place.records("--kind", "approval") if one["state"] == "approved"]
    assert len(answers) == 1
    assert answers[0]["channel"] == "mcp"
    assert answers[0]["by"] not in ("", "tester")


def test_where_the_person_may_not_answer_it_is_only_told_whom_to_ask(place, connect):
    place.configure(ASKING, "approvals: { wait_seconds: 1 }\nclient_approval: never\n")
    client = connect(capabilities={"elicitation": {}})
    id = client.begin("tools/call", {"name": "notes__write_note", "arguments": {"path": "a"}})
    until(lambda: client.asked or not client.next())
    asked = client.asked.pop()
    assert "aegis approve ap_" in asked["params"]["message"]
    yes = {"action": "accept", "content": {"approve": True}}
    client.send({"id": asked["id"], "result": yes})
    held(client.answer(id))
    assert place.calls() == []
