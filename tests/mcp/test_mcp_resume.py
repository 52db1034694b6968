"""Streams over HTTP that are lost and opened again where they stopped."""

import json

import pytest

from aegis.surfaces.mcp.replay import BYTES_MAX, KEPT_SECONDS, STREAMS_MAX, Kept

from .test_mcp_http import Http


def begin(server, revision="2025-11-25"):
    """A client with a session of a revision."""
    client = Http(server)
    params = {"protocolVersion": revision, "capabilities": {"elicitation": {}}}
    params["clientInfo"] = {"name": "c", "version": "1"}
    answer = client.post({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
    client.session = answer.headers["mcp-session-id"]
    return client


def stream(client, last=None):
    """The context of a GET stream."""
    headers = {"accept": "text/event-stream", "mcp-session-id": client.session}
    if last is not None:
        headers["last-event-id"] = last
    return client.http.stream("GET", client.url, headers=headers)


def read(lines, count=1):
    """Events as (id, data) until `count` with data came."""
    found, id, data = [], "", ""
    for line in lines:
        if line.startswith("id: "):
            id = line[4:]
        elif line.startswith("data: "):
            data = line[6:]
        elif not line and id:
            found.append((id, json.loads(data) if data else None))
            id = data = ""
            if sum(body is not None for _, body in found) == count:
                break
    return found


def post(client, name, **arguments):
    """The context of a call answered by a stream."""
    headers = {"accept": "application/json, text/event-stream", "mcp-session-id": client.session}
    params = {"name": f"notes__{name}", "arguments": arguments}
    params["_meta"] = {"progressToken": "p"}
    frame = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    return client.http.stream("POST", client.url, json=frame, headers=headers)


@pytest.mark.parametrize("revision", ["2025-03-26", "2025-06-18", "2025-11-25"])
def test_a_call_whose_stream_broke_goes_on_and_is_read_later(place, serve, revision):
    client = begin(serve(), revision)
    with post(client, "ask_person") as answer:
        *primed, (last, asked) = read(answer.iter_lines())
    assert asked["method"] == "elicitation/create"
    assert bool(primed) == (revision == "2025-11-25")
    # the client left; its answer ends the call that went on
    reply = {"jsonrpc": "2.0", "id": asked["id"], "result": {"action": "decline"}}
    assert client.post(reply).status_code == 202
    with stream(client, last) as resumed:
        lines = resumed.iter_lines()
        ((_, done),) = read(lines)
        assert list(lines) == []
    assert json.loads(done["result"]["content"][0]["text"]) == {"action": "decline"}
    # it is there to be read again, from anywhere
    with stream(client, last) as resumed:
        assert read(resumed.iter_lines())[0][1] == done
    if primed:
        with stream(client, primed[0][0]) as resumed:
            assert [body for _, body in read(resumed.iter_lines(), 2)] == [asked, done]
    assert len(place.records("--kind", "outcome", "--status", "performed")) == 2


def test_a_stream_resumed_before_the_answer_gets_the_answer(place, serve):
    client = begin(serve())
    with post(client, "ask_person") as answer:
        *_, (last, asked) = read(answer.iter_lines())
    with stream(client, last) as resumed:
        lines = resumed.iter_lines()
        assert next(lines) == ": keep-alive"
        other = Http.__new__(Http)
        other.__dict__ = {**client.__dict__}
        reply = {"jsonrpc": "2.0", "id": asked["id"], "result": {"action": "decline"}}
        assert other.post(reply).status_code == 202
        assert "result" in read(lines)[0][1]


def test_what_is_said_between_requests_waits_for_the_client(place, serve):
    client = begin(serve())
    with stream(client) as listening:
        last = next(line[4:] for line in listening.iter_lines() if line.startswith("id: "))
    assert "result" in client.call("grow").json()
    with stream(client, last) as resumed:
        ((_, told),) = read(resumed.iter_lines())
    assert told["method"] == "notifications/tools/list_changed"


def test_a_stream_is_read_by_its_own_caller_only(place, serve):
    server = serve()
    client = begin(server)
    with stream(client) as listening:
        last = next(line[4:] for line in listening.iter_lines() if line.startswith("id: "))
    key = place.aegis("keys", "create", "--name", "other", "--config", place.config)
    other = Http(server, next(word for word in key.split() if word.startswith("sk-aegis-")))
    other.session = client.session
    with stream(other, last) as refused:
        assert refused.status_code == 404
    assert other.http.delete(other.url, headers={"mcp-session-id": client.session}).is_error
    with stream(client, last) as resumed:
        assert resumed.status_code == 200


def test_streams_are_not_mixed_and_unknown_events_are_refused(serve):
    client = begin(serve())
    for last in ("none-1", "", "-", "x-99999999999999999999", "x-é"):
        with stream(client, last.encode("utf-8")) as refused:
            assert refused.status_code == 400
            assert b"not kept" in refused.read()


def test_what_is_kept_is_bounded():
    clock = [1.0]
    kept = Kept(lambda: clock[0])
    first = kept.open(answers=True)
    events = [first.add(body) for body in (b"a", b"b")]
    id = first.id
    assert kept.find(f"{id}-0") == (first, events)
    assert kept.find(f"{id}-1") == (first, events[1:])
    assert kept.find(f"{id}-2") == (first, [])
    assert kept.find(f"{id}-3") is None
    kept.open().add(b"x" * BYTES_MAX)
    assert kept.find(f"{id}-1") is None
    kept.leave(first)
    assert kept.find(f"{id}-2") == (first, [])
    clock[0] += KEPT_SECONDS + 1
    assert kept.find(f"{id}-2") is None
    opened = [kept.open() for _ in range(STREAMS_MAX)]
    for each in opened:
        kept.leave(each)
    kept.open()
    assert kept.find(f"{opened[0].id}-0") is None
    assert kept.find(f"{opened[1].id}-0") is not None
