"""An upstream that knows no sessions: spoken to in its own way, for clients of every revision."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest

from aegis.surfaces.mcp.http_sessions import OWN_MAX

from .conftest import ALLOWING, Server, until
from .test_mcp_http import Http

SCHEMA = {
    "type": "object",
    "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "deep": {"type": "object", "properties": {"n": {"x-mcp-header": "Depth"}}},
    },
}
ASK = {"method": "elicitation/create", "params": {"message": "Sure?", "requestedSchema": {}}}


class Modern:
    """Speaks 2026-07-28 and nothing else; `seen` holds the headers and params of every call."""

    def __init__(self):
        self.seen = []
        self.methods = []
        modern = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                modern.methods.append(body["method"])
                answer = modern.answer(body, dict(self.headers.items()))
                data = json.dumps({"jsonrpc": "2.0", "id": body.get("id")} | answer).encode()
                self.send_response(400 if "error" in answer else 200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/mcp"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, body, headers):
        method, params = body["method"], body.get("params", {})
        meta = params.get("_meta", {})
        named = {name.lower(): value for name, value in headers.items()}
        if meta.get("io.modelcontextprotocol/protocolVersion") != "2026-07-28":
            return {"error": {"code": -32022, "message": "no", "data": {"supported": []}}}
        if named.get("mcp-method") != method:
            return {"error": {"code": -32020, "message": "header"}}
        if method == "server/discover":
            return {"result": {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}}}
        if method == "tools/list":
            return {"result": {"tools": [{"name": "read_far", "inputSchema": SCHEMA}]}}
        if method != "tools/call":
            return {"error": {"code": -32601, "message": "no such method"}}
        self.seen.append((named, params))
        if params["arguments"].get("region") == "ask" and "inputResponses" not in params:
            state = "state of the upstream"
            wanted = {"resultType": "input_required", "inputRequests": {"q": ASK}}
            return {"result": wanted | {"requestState": state}}
        text = json.dumps(params.get("inputResponses"))
        return {"result": {"resultType": "complete", "content": [{"type": "text", "text": text}]}}


@pytest.fixture
def far(place):
    modern = Modern()
    place.config.write_text(f"upstreams: {{ far: {{ url: '{modern.url}' }} }}\n" + ALLOWING)
    yield modern
    modern.server.shutdown()


def test_an_older_client_is_asked_what_the_upstream_requires(far, connect):
    client = connect(capabilities={"elicitation": {}})
    params = {"name": "far__read_far", "arguments": {"region": "ask"}}
    id = client.begin("tools/call", params)
    until(lambda: client.asked or not client.next())
    answer = {"action": "accept", "content": {"sure": True}}
    client.send({"id": client.asked.pop()["id"], "result": answer})
    result = client.answer(id)["result"]
    assert json.loads(result["content"][0]["text"]) == {"q": answer}
    assert far.seen[1][1]["requestState"] == "state of the upstream"


def test_headers_repeat_the_arguments_that_reach_the_upstream(far, connect):
    client = connect()
    arguments = {"region": "eu-wést", "deep": {"n": 3}}
    client.request("tools/call", {"name": "far__read_far", "arguments": arguments})
    headers, params = far.seen[0]
    assert headers["mcp-name"] == "read_far"
    assert headers["mcp-param-region"] == "=?base64?ZXUtd8Opc3Q=?="
    assert headers["mcp-param-depth"] == "3"
    assert params["arguments"] == arguments


def test_a_client_without_a_session_gets_the_request_and_brings_the_answer(far, place, serve):
    client = Http(serve())
    params = {"name": "far__read_far", "arguments": {"region": "ask"}}
    named = {"mcp_param_region": "ask"}
    able = {"io.modelcontextprotocol/clientCapabilities": {"elicitation": {}}}
    asked = client.modern("tools/call", params, able, **named).json()["result"]
    assert asked["inputRequests"] == {"q": ASK}
    answers = {"q": {"action": "accept"}}
    retry = {**params, "inputResponses": answers, "requestState": asked["requestState"]}
    done = client.modern("tools/call", retry, able, **named).json()["result"]
    assert json.loads(done["content"][0]["text"]) == answers
    assert "initialize" not in far.methods
    # what the person answered is among what was decided
    assert len(place.records("--kind", "decision")) == 2
    for wrong in ({}, {"mcp_param_region": "other"}):
        refused = client.modern("tools/call", params, able, **wrong)
        assert refused.status_code == 400
        assert refused.json()["error"]["code"] == -32020


def test_clients_of_one_key_do_not_get_in_each_others_way(place, serve):
    server = serve()
    clients = [Http(server) for _ in range(8)]
    done = []

    def ask(client):
        params = {"name": "notes__read_slowly", "arguments": {}}
        done.append(client.modern("tools/call", params).json())

    threads = [threading.Thread(target=ask, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len([answer for answer in done if "result" in answer]) == 8


def test_a_session_cancels_its_own_call_over_http(place, serve):
    client = Http(serve())
    client.begin()
    body = {"name": "notes__hang", "arguments": {}}
    answers = []

    def call():
        frame = {"jsonrpc": "2.0", "id": "c", "method": "tools/call", "params": body}
        answers.append(client.post(frame).status_code)

    thread = threading.Thread(target=call)
    thread.start()
    until(lambda: place.calls())
    noted = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "c"}}
    other = Http.__new__(Http)
    other.__dict__ = {**client.__dict__}
    assert other.post(noted).status_code == 202
    thread.join(20)
    assert answers == [202]
    until(lambda: len(place.calls()) == 2)


def test_a_server_with_open_streams_ends_at_once(place):
    server = Server(place)
    client = Http(server)
    client.begin()
    headers = {"mcp-session-id": client.session, "accept": "text/event-stream"}
    with client.http.stream("GET", client.url, headers=headers) as stream:
        lines = stream.iter_lines()
        assert next(lines) == ": keep-alive"
        began = time.monotonic()
        server.process.terminate()
        with pytest.raises(httpx2.HTTPError):
            list(lines)
    assert server.end() == 0
    assert time.monotonic() - began < 8


def test_callers_without_sessions_cannot_open_them_without_end(place, serve):
    """Each name in a header is a session of its own, with connections of its own."""
    server = serve()
    client = Http(server)
    for number in range(OWN_MAX):
        found = client.modern("server/discover", x_aegis_session=f"s{number}").json()
        assert "result" in found
    refused = client.modern("server/discover", x_aegis_session="more").json()["error"]
    assert "too many sessions" in refused["message"]
    assert "result" in client.modern("server/discover", x_aegis_session="s0").json()
    key = place.aegis("keys", "create", "--name", "other", "--config", place.config)
    other = Http(server, next(word for word in key.split() if word.startswith("sk-aegis-")))
    assert "result" in other.modern("server/discover").json()
