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
