"""Clients over HTTP: sessions, revisions with none, the older event stream, and who may come."""

import json
import threading

import httpx2
import pytest

from .conftest import Place, Server, until

META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "modern", "version": "1"},
}

ASKING = """\
policy:
  defaults: { approval: auto }
  rules: [{ name: deletes, match: { capability: delete }, approval: approve }]
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """One gateway for all tests of this file, and its folder."""
    place = Place(tmp_path_factory.mktemp("http"))
    place.configure(
        ASKING, "approvals: { wait_seconds: 0.1 }\norigins: ['https://console.example']\n"
    )
    server = Server(place)
    server.place = place
    yield server
    server.end()


class Http:
    """A client that speaks plain HTTP."""

    def __init__(self, server, key=None):
        self.url = server.url
        self.http = httpx2.Client(
            headers={"authorization": f"Bearer {key or server.key}"}, timeout=30
        )
        self.session = ""

    def post(self, body, **headers):
        given = {"accept": "application/json, text/event-stream"}
        if self.session:
            given["mcp-session-id"] = self.session
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.post(self.url, json=body, headers=given | named)

    def begin(self, capabilities=None):
        params = {
            "protocolVersion": "2025-06-18",
            "capabilities": capabilities or {},
            "clientInfo": {"name": "older", "version": "1"},
        }
        answer = self.post({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
        self.session = answer.headers["mcp-session-id"]
        noted = self.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
        assert noted.status_code == 202
        return answer.json()["result"]

    def call(self, name, **arguments):
        params = {"name": f"notes__{name}", "arguments": arguments}
        return self.post({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})

    def modern(self, method, params=None, meta=None, **headers):
        body = {
            "jsonrpc": "2.0",
            "id": "m",
            "method": method,
            "params": {**(params or {}), "_meta": META | (meta or {})},
        }
        given = {"mcp_protocol_version": "2026-07-28", "mcp_method": method}
        name = (params or {}).get("name") or (params or {}).get("uri")
        if name and method != "completion/complete":
            given["mcp_name"] = name
        return self.post(body, **(given | headers))


def events(text):
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]


def test_a_session_begins_serves_and_ends(served):
    client = Http(served)
    assert client.begin()["protocolVersion"] == "2025-06-18"
    answer = client.call("read_note", path="a")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["result"]["content"][0]["text"] == 'read_note {"path": "a"}'
    ended = client.http.delete(client.url, headers={"mcp-session-id": client.session})
    assert ended.status_code == 204
    assert client.call("read_note").status_code == 404


def test_progress_turns_the_answer_into_a_stream(served):
    client = Http(served)
    client.begin()
    params = {"name": "notes__count", "arguments": {}, "_meta": {"progressToken": 5}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    answer = client.post(body)
    assert answer.headers["content-type"] == "text/event-stream"
    frames = events(answer.text)
    assert [frame.get("method") for frame in frames] == ["notifications/progress"] * 3 + [None]
    plain = client.post(body, accept="application/json")
    assert plain.json()["result"]["content"][0]["text"] == "counted"


def test_the_sessions_own_stream_tells_of_changes(served):
    client = Http(served)
    client.begin()
    heard = []
    headers = {"mcp-session-id": client.session, "accept": "text/event-stream"}

    def listen():
        with client.http.stream("GET", client.url, headers=headers) as answer:
            for line in answer.iter_lines():
                heard.append(line)
                if "list_changed" in line:
                    return

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    until(lambda: heard)
    client.call("grow")
    thread.join(20)
    assert any("notifications/tools/list_changed" in line for line in heard)


def test_a_session_belongs_to_the_caller_that_opened_it(served):
    client = Http(served)
    client.begin()
    made = served.place.aegis("keys", "create", "--name", "other", "--config", served.place.config)
    stranger = Http(served, made.split()[0])
    stranger.session = client.session
    assert stranger.call("read_note").status_code == 404


@pytest.mark.parametrize("key", ["", "sk-aegis-wrong"])
def test_without_a_key_nothing_is_answered(served, key):
    headers = {"authorization": f"Bearer {key}"} if key else {}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    answer = httpx2.post(served.url, json=body, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert "aegis keys create" in answer.json()["error"]["message"]
    assert httpx2.get(served.url.replace("/mcp", "/sse")).status_code == 401


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://evil.example", 403),
        ("http://localhost.evil.example", 403),
        ("null", 403),
        ("https://console.example", 200),
        ("http://localhost:3000", 200),
        ("http://[::1]:1", 200),
    ],
)
def test_pages_of_other_origins_are_refused(served, origin, status):
    client = Http(served)
    body = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {}}
    assert client.post(body, origin=origin).status_code == status


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"content": b"{"}, 400, -32700),
        ({"headers": {"content-type": "text/plain"}}, 415, -32600),
        ({"headers": {"mcp-protocol-version": "1999-01-01"}}, 400, -32022),
        ({"headers": {"mcp-session-id": "unknown"}}, 404, -32600),
        ({}, 400, -32600),
        ({"content": b"x" * 11_000_000}, 413, None),
    ],
)
def test_a_wrong_request_is_a_clear_error(served, change, status, code):
    content = change.get("content", b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}')
    headers = {"content-type": "application/json", "authorization": f"Bearer {served.key}"}
    answer = httpx2.post(served.url, content=content, headers=headers | change.get("headers", {}))
    assert answer.status_code == status
    if code is not None:
        assert answer.json()["error"]["code"] == code


def test_methods_of_http_that_mean_nothing_here(served):
    client = Http(served)
    answer = client.http.put(client.url, json={})
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST, GET, DELETE"
    assert client.http.get(client.url, headers={"accept": "text/event-stream"}).status_code == 400


def test_a_batch_is_answered_in_one(served):
    client = Http(served)
    client.begin()
    answer = client.post(
        [
            {"jsonrpc": "2.0", "id": 1, "method": "ping"},
            {"jsonrpc": "2.0", "method": "notifications/initialized"},
            {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
        ]
    )
    assert [frame["id"] for frame in answer.json()] == [1, 2]


def test_without_a_session_every_request_stands_alone(served):
    client = Http(served)
    found = client.modern("server/discover").json()["result"]
    assert "2026-07-28" in found["supportedVersions"]
    assert (found["resultType"], found["cacheScope"]) == ("complete", "private")
    listed = client.modern("tools/list").json()["result"]
    assert listed["ttlMs"] == 0
    assert any(tool["name"] == "notes__read_note" for tool in listed["tools"])
    params = {"name": "notes__read_note", "arguments": {"path": "a"}}
    answer = client.modern("tools/call", params).json()["result"]
    assert answer["resultType"] == "complete"
    assert answer["content"][0]["text"] == 'read_note {"path": "a"}'


@pytest.mark.parametrize(
    ("method", "headers", "status", "code"),
    [
        ("tools/call", {"mcp_method": "tools/list"}, 400, -32020),
        ("tools/call", {"mcp_name": "notes__write_note"}, 400, -32020),
        ("tools/call", {"mcp_name": "=?base64?bm90ZXNfX3JlYWRfbm90ZQ==?="}, 200, None),
        ("tools/call", {"mcp_name": "=?base64?!?="}, 400, -32020),
        ("tools/call", {"mcp_protocol_version": "2025-11-25"}, 400, -32020),
        ("tools/destroy", {}, 404, -32601),
    ],
)
def test_headers_say_what_the_body_says(served, method, headers, status, code):
    client = Http(served)
    params = {"name": "notes__read_note", "arguments": {}} if method == "tools/call" else {}
    answer = client.modern(method, params, **headers)
    assert answer.status_code == status
    if code is not None:
        assert answer.json()["error"]["code"] == code


def test_a_held_call_requires_input_and_goes_on_with_it(served):
    client = Http(served)
    able = {"io.modelcontextprotocol/clientCapabilities": {"elicitation": {}}}
    params = {"name": "notes__delete_note", "arguments": {"path": "h"}}
    asked = client.modern("tools/call", params, able).json()["result"]
    assert asked["resultType"] == "input_required"
    (name,) = asked["inputRequests"]
    form = asked["inputRequests"][name]
    assert form["method"] == "elicitation/create"
    # who comes over HTTP may be the agent itself: a yes of its own approves nothing
    yes = {name: {"action": "accept", "content": {"approve": True}}}
    retry = {**params, "inputResponses": yes, "requestState": asked["requestState"]}
    again = client.modern("tools/call", retry, able).json()["result"]
    assert again["resultType"] == "input_required"
    approval = asked["requestState"].rpartition(":")[2]
    served.place.aegis("approve", approval, "--config", served.place.config)
    other = {**retry, "arguments": {"path": "another"}}
    assert "inputRequests" in client.modern("tools/call", other, able).json()["result"]
    done = client.modern("tools/call", retry, able).json()["result"]
    assert done["content"][0]["text"] == 'delete_note {"path": "h"}'
    assert ["delete_note", {"path": "another"}] not in served.place.calls()


def test_an_upstream_with_a_session_asks_a_client_without_one(served):
    client = Http(served)
    able = {"io.modelcontextprotocol/clientCapabilities": {"elicitation": {}}}
    client.http.headers["x-aegis-session"] = "asked"
    params = {"name": "notes__ask_person", "arguments": {}}
    asked = client.modern("tools/call", params, able).json()["result"]
    assert asked["resultType"] == "input_required"
    (name,) = asked["inputRequests"]
    answers = {name: {"action": "accept", "content": {"which": "two"}}}
    retry = {**params, "inputResponses": answers, "requestState": asked["requestState"]}
    stranger = Http(served)
    stolen = stranger.modern("tools/call", retry, able).json()
    assert stolen["error"]["code"] == -32602
    done = client.modern("tools/call", retry, able).json()["result"]
    assert json.loads(done["content"][0]["text"])["content"] == {"which": "two"}
    assert len([call for call in served.place.calls() if call[0] == "ask_person"]) == 1


def test_a_subscription_hears_of_changes(served):
    client = Http(served)
    body = {
        "jsonrpc": "2.0",
        "id": "sub",
        "method": "subscriptions/listen",
        "params": {"notifications": {"toolsListChanged": True}, "_meta": META},
    }
    heard = []
    headers = {
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "subscriptions/listen",
    }

    def listen():
        with client.http.stream("POST", client.url, json=body, headers=headers) as answer:
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    heard.append(json.loads(line[6:]))
                if len(heard) == 2:
                    return

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    until(lambda: heard)
    assert heard[0]["method"] == "notifications/subscriptions/acknowledged"
    Http(served).modern("tools/call", {"name": "notes__grow", "arguments": {}})
    thread.join(20)
    assert heard[1]["method"] == "notifications/tools/list_changed"
    assert heard[1]["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == "sub"


def test_a_client_that_leaves_has_its_call_cancelled(served):
    client = Http(served)
    client.begin()
    before = len(served.place.calls())
    with pytest.raises(httpx2.TimeoutException):
        client.http.post(
            client.url,
            json={
                "jsonrpc": "2.0",
                "id": 3,
                "method": "tools/call",
                "params": {"name": "notes__hang", "arguments": {}},
            },
            headers={"mcp-session-id": client.session},
            timeout=1.0,
        )
    until(lambda: ["cancelled", ...][:1] == served.place.calls()[-1][:1])
    assert len(served.place.calls()) == before + 2


def test_the_older_event_stream_still_serves(served):
    base = served.url.removesuffix("/mcp")
    headers = {"authorization": f"Bearer {served.key}"}
    frames = []
    with (
        httpx2.Client(headers=headers, timeout=30) as http,
        http.stream("GET", f"{base}/sse") as stream,
    ):
        lines = stream.iter_lines()
        place = next(line[6:] for line in lines if line.startswith("data: "))
        body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}}
        assert http.post(base + place, json=body).status_code == 202
        frames.append(json.loads(next(line[6:] for line in lines if line.startswith("data: "))))
        other = httpx2.post(base + place, json=body, headers={"authorization": "Bearer x"})
        assert other.status_code == 401
    assert frames[0]["result"]["protocolVersion"] == "2025-11-25"
    gone = httpx2.post(base + place, json=body, headers=headers)
    assert gone.status_code in (404, 409)


def test_the_ledger_holds_who_called_and_in_which_session(served):
    client = Http(served)
    client.begin()
    client.call("read_note", path="whose")
    (one,) = served.place.records("--kind", "decision", "--target", "whose")
    assert one["actor"]["principal"].startswith("key_")
    assert one["actor"]["agent"] == "older"
    assert one["actor"]["session"].startswith(one["actor"]["principal"] + "/mcp/")
    assert one["session"] == one["actor"]["session"]
