"""Flows of data through the sessions of MCP clients."""

from .conftest import ALLOWING
from .test_mcp_http import Http

ACCOUNT = "GB33BUKB20201555555555"
NAMED = {"path": ACCOUNT}
LETTER = {"about": f"Please pay 400.00 to {ACCOUNT} until Friday."}


def near(record):
    """The rules about flows that a record names."""
    return [one["rule"] for one in record.get("near", ())]


def test_flows_are_observed_where_nothing_is_configured(place, connect):
    client = connect()
    client.call("read_note", **LETTER)
    assert "result" in client.call("write_note", **NAMED)
    (decision,) = place.records("--kind", "decision", "--type", "notes__write_note")
    assert (decision["verdict"], near(decision)) == ("allow", ["untrusted_decides"])
    told = place.aegis("why", decision["action"], "--config", place.config)
    assert "only observed" in told


def test_one_line_lets_the_rules_decide_for_each_session_alone(place, serve):
    place.configure(ALLOWING, "session: { flows: standard }\napprovals: { wait_seconds: 0 }\n")
    server = serve()
    first, second = Http(server), Http(server)
    first.begin()
    second.begin()
    first.call("read_note", **LETTER)
    assert "result" in second.call("write_note", **NAMED).json()
    assert first.call("write_note", **NAMED).json()["error"]["code"] == 40901
    assert [name for name, _ in place.calls()] == ["read_note", "write_note"]


def test_lists_show_what_some_call_could_do_under_session_rules(place, connect):
    rule = "rules: [{ name: r, when: { resource: 'file:docs/**' }, verdict: allow }]"
    policy = f"policy: {{ defaults: {{ verdict: block }}, {rule} }}\n"
    for more in ("", "session: { flows: off }\n", "session: { flows: standard }\n"):
        place.configure(policy, more)
        assert "notes__write_note" in connect().listed()


SEQUENCE = """\
policy:
  defaults: { approval: auto }
  rules: [{ name: no_secret, match: { target: x/secret.txt }, approval: block }]
  plan_rules:
    sequence_patterns:
      - { name: read_then_write, steps: [notes__read_note, notes__write_note], verdict: VERDICT }
"""


def test_a_sequence_rule_holds_for_the_calls_of_a_session(place, connect, serve):
    place.configure(SEQUENCE.replace("VERDICT", "block"))
    client = connect()
    assert "result" in client.call("write_note")
    # what was refused is no part of a sequence
    assert "error" in client.call("read_note", path="x/secret.txt")
    assert "result" in client.call("write_note")
    assert "result" in client.call("read_note")
    refused = client.call("write_note")["error"]
    assert (refused["code"], refused["data"]["rule"]) == (40301, "read_then_write")
    assert "result" in client.call("read_note")
    assert "result" in connect().call("write_note")
    assert len(place.calls()) == 5


def test_a_person_may_let_a_sequence_pass(place, connect):
    place.configure(SEQUENCE.replace("VERDICT", "review"), "approvals: { wait_seconds: 0 }\n")
    client = connect()
    client.call("read_note")
    held = client.call("write_note")["error"]
    assert held["code"] == 40901
    place.aegis("approve", held["data"]["approval"], "--config", place.config)
    assert "result" in client.call("write_note")
    assert [name for name, _ in place.calls()] == ["read_note", "write_note"]
