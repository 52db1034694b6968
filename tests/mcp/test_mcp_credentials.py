"""A server over HTTP is sent the credential of one call with that call, and with nothing else."""

import json

from ..gateway.services import Service

GRANT = """\
policy: { defaults: { approval: auto } }
credentials:
  brokers: { fixed: { type: static, fields: { token: minted-for-one-call } } }
  grants:
    - match: { type: web__write* }
      broker: fixed
      headers: { authorization: "Bearer {token}" }
"""


def answer(got):
    """A server with two tools, whose answers say what it was sent."""
    frame = got.json if got.body else {}
    method, id = frame.get("method", ""), frame.get("id")
    if method == "initialize":
        version = frame["params"]["protocolVersion"]
        info = {"name": "web", "version": "1"}
        result = {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info}
    elif method == "tools/list":
        schema = {"type": "object"}
        names = ("read_page", "write_page")
        result = {"tools": [{"name": name, "inputSchema": schema} for name in names]}
    elif method == "tools/call":
        result = {"content": [{"type": "text", "text": "done"}]}
    else:
        return (202, "") if id is None and got.body else (405, "")
    return 200, {"jsonrpc": "2.0", "id": id, "result": result}


def sent(service):
    """The calls that reached the server, each with its credential."""
    frames = [(got, got.json) for got in service.received if got.body]
    return [
        (frame["params"].get("name", ""), got.headers.get("authorization"))
        for got, frame in frames
        if frame["method"] == "tools/call"
    ]


def test_the_credential_goes_with_the_call_it_was_made_for(place, connect):
    service = Service({"/mcp": answer})
    try:
        place.configure(GRANT, upstream=f"  web: {{ url: {service.url}/mcp }}\n")
        client = connect()
        for name in ("read_page", "write_page", "read_page"):
            told = client.request("tools/call", {"name": f"web__{name}", "arguments": {}})
            assert "result" in told, told
            assert "minted" not in json.dumps(told)
        minted = "Bearer minted-for-one-call"
        assert sent(service) == [("read_page", None), ("write_page", minted), ("read_page", None)]
        others = [got for got in service.received if b"tools/call" not in got.body]
        assert others
        assert all("authorization" not in got.headers for got in others)
    finally:
        service.close()
    events = [one["event"] for one in place.records("--kind", "admin")]
    assert "credential.mint" in events
