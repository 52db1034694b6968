"""One gateway before another: the inner one performs only what the outer one has decided."""

import json

from .conftest import AEGIS

OUTER = """\
policy: {{ defaults: {{ approval: auto }} }}
home: outer
upstreams:
  inner:
    command: {command}
    args: {args}
credentials:
  brokers: {{ ticket: {{}} }}
  grants:
    - match: {{ type: inner__notes__write* }}
      broker: ticket
      meta: {{ aegis/ticket: "{{ticket}}" }}
"""


def chain(place):
    """The outer gateway's configuration; the inner one needs tickets for what writes."""
    outer = place.folder / "outer.yaml"
    command, *args = [*AEGIS, "mcp", "run", "--config", str(place.config), "--agent", "tester"]
    outer.write_text(OUTER.format(command=json.dumps(command), args=json.dumps(args)))
    key = place.aegis("ticket", "key", "--config", outer).strip()
    wanted = "known_as: inner, require: [{ type: '*__*_note' }]"
    place.configure(more=f"tickets: {{ issuers: ['{key}'], {wanted} }}\n")
    return outer


def test_a_ticket_goes_with_the_call_and_no_further(place, connect):
    client = connect("mcp", "run", "--config", chain(place))
    arguments = {"path": "a.txt"}
    done = client.request(
        "tools/call", {"name": "inner__notes__write_note", "arguments": arguments}
    )
    assert "result" in done, done
    assert place.calls()[-1][:2] == ["write_note", arguments]
    assert "ticket" not in json.dumps(place.calls())
    # deleting has no grant: the outer gateway allows it, and the inner one gets no ticket
    refused = client.request("tools/call", {"name": "inner__notes__delete_note", "arguments": {}})
    assert "<ticket-missing>" in json.dumps(refused["error"])
    assert [one[0] for one in place.calls()] == ["write_note"]


def test_whoever_goes_around_the_outer_gateway_is_refused(place, connect):
    chain(place)
    client = connect()
    refused = client.call("write_note", path="a.txt")
    assert "<ticket-missing>" in json.dumps(refused["error"])
    forged = {"name": "notes__write_note", "arguments": {}, "_meta": {"aegis/ticket": "a.b.c"}}
    refused = client.request("tools/call", forged)
    assert "<ticket-malformed>" in json.dumps(refused["error"])
    assert place.calls() == []
