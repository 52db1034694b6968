"""Frames that are none, children that die, answers that do not come: said clearly, nothing lost."""

import json
import subprocess

import pytest

from .conftest import AEGIS, until


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"{", -32700),
        (b"\xff\xfe\n", -32700),
        (b'"text"', -32600),
        (b"[]", -32600),
        (b'{"jsonrpc":"1.0","id":1,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":true,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":7,"method":"ping","params":[]}', -32602),
        (b'{"jsonrpc":"2.0","id":7}', -32600),
        (b'{"jsonrpc":"2.0","id":7,"method":"tools/destroy"}', -32601),
        (b'{"jsonrpc":"2.0","id":7,"method":"tools/call"}', -32602),
        (b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"x"}}', -32602),
        (
            b'{"jsonrpc":"2.0","id":7,"method":"tools/call",'
            b'"params":{"name":"notes__none","arguments":{}}}',
            -32602,
        ),
        (
            b'{"jsonrpc":"2.0","id":7,"method":"tools/call",'
            b'"params":{"name":"notes__read_note","arguments":[]}}',
            -32602,
        ),
        (b"[" * 100_000, -32700),
    ],
)
def test_what_is_no_proper_frame_is_an_error_and_the_session_goes_on(gateway, data, code):
    gateway.raw(data + b"\n")
    assert gateway.next()["error"]["code"] == code
    gateway._answers.clear()
    assert gateway.request("ping")["result"] == {}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    """One gateway for all garbage."""
    from .conftest import Client, Place

    place = Place(tmp_path_factory.mktemp("garbage"))
    client = Client(["mcp", "run", "--config", place.config], place.folder)
    client.initialize()
    yield client
    client.end()


def test_a_call_without_an_id_is_not_performed(place, connect):
    client = connect()
    params = {"name": "notes__write_note", "arguments": {}}
    client.send({"method": "tools/call", "params": params})
    assert client.request("ping")["result"] == {}
    assert place.calls() == []


def test_a_frame_beyond_the_limit_is_refused_and_skipped(place, connect):
    place.configure(more="limits: { body_bytes: 4096 }\n")
    client = connect()
    client.raw(b"x" * 300_000 + b"\n")
    assert "larger than 4096" in client.next()["error"]["message"]
    assert "result" in client.call("read_note")


def test_a_dying_upstream_is_said_and_started_again(place, connect):
    client = connect()
    error = client.call("die")["error"]
    assert error["code"] == 50201
    assert "exit code 3" in error["message"]
    answer = until(lambda: (a := client.call("read_note")) and "result" in a and a)
    assert answer["result"]["content"]
    assert client.call("die")["error"]["code"] == 50201
    waiting = client.call("read_note")["error"]
    assert "tried again in" in waiting["message"]
    assert waiting["data"]["retry_after"] > 0
    assert until(lambda: "result" in client.call("read_note"))


def test_a_slow_upstream_times_out(place, connect):
    place.configure(upstream="    timeout_seconds: 0.2\n")
    client = connect()
    error = client.call("hang")["error"]
    assert error["code"] == 50401
    assert "may have happened" in error["message"]
    until(lambda: len(place.calls()) == 2)
    assert place.calls()[1][0] == "cancelled"


def test_noise_of_an_upstream_changes_nothing(connect):
    assert connect().call("noise")["result"]["content"][0]["text"] == "after noise"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("deep", "nested deeper than 100 levels"),
        ("very_deep", "nested deeper than 100 levels"),
        ("not_json", "not valid JSON"),
    ],
)
def test_an_answer_that_cannot_be_read_is_an_error_at_once(connect, name, said):
    client = connect()
    error = client.answer(client.begin("tools/call", {"name": f"notes__{name}"}), seconds=10)
    assert error["error"]["code"] == 50201
    assert said in error["error"]["message"]
    assert "result" in client.call("read_note")


@pytest.mark.parametrize("depth", [101, 3_000])
def test_a_deep_frame_of_a_client_is_an_error_of_its_request(gateway, depth):
    nested = b"[" * depth + b"]" * depth
    gateway.raw(b'{"jsonrpc":"2.0","id":70,"method":"ping","params":{"a":%b}}\n' % nested)
    error = gateway.answer(70, seconds=10)["error"]
    assert error["code"] == -32700
    assert "nested deeper than 100 levels" in error["message"]


def test_an_upstream_that_cannot_be_started_is_named(place, connect):
    place.config.write_text("upstreams: { gone: { command: /no/such/program } }\n")
    client = connect()
    error = client.request("tools/list")["error"]
    assert error["code"] == 50301
    assert "/no/such/program" in error["message"]


def test_one_broken_upstream_does_not_hide_the_others(place, connect):
    text = place.config.read_text()
    place.config.write_text(
        text.replace("upstreams:\n", "upstreams:\n  gone: { command: /no/x }\n")
    )
    assert "notes__read_note" in connect().listed()


def test_the_end_of_input_ends_everything_and_loses_nothing(place, connect):
    client = connect()
    for _ in range(20):
        client.begin("tools/call", {"name": "notes__write_note", "arguments": {}})
    assert client.end() == 0
    assert len(place.calls()) == 20
    assert len(place.records("--kind", "outcome", "--status", "performed")) == 20


def test_files_serve_as_well_as_pipes(place):
    asked = place.folder / "asked.txt"
    told = place.folder / "told.txt"
    frames = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}},
        {"jsonrpc": "2.0", "id": 2, "method": "ping"},
    ]
    asked.write_text("\n".join(map(json.dumps, frames)))
    arguments = [*AEGIS, "mcp", "run", "--config", place.config]
    with asked.open() as source, told.open("w") as sink:
        subprocess.run(arguments, stdin=source, stdout=sink, check=True, timeout=60)
    answered = {json.loads(line)["id"] for line in told.read_text().splitlines()}
    assert answered == {1, 2}


@pytest.mark.parametrize(
    ("text", "place_", "said"),
    [
        ("upstreams: { a_b: { command: x } }", "1:14", "is no name"),
        ("upstreams: { a: { comand: x } }", "1:19", "did you mean `command`"),
        ("upstreams: { a: {} }", "1:17", "either `command`, `url` or `builtin`"),
        ("upstreams: { a: { command: x, url: 'http://x' } }", "1:17", "or `builtin`"),
        ("upstreams: { a: { url: ftp } }", "1:24", "begin with http"),
        ("upstreams: { a: { command: x, transport: sse } }", "1:42", "does not go with"),
        ("upstreams: { a: { command: x } }\norigin: x", "2:1", "unknown key `origin`"),
        ("mcp: { upstreams: { a: { command: x, args: y } } }", "1:44", "has to be a list"),
    ],
)
def test_a_wrong_configuration_is_refused_with_its_place(place, text, place_, said):
    place.config.write_text(text)
    told = place.aegis("mcp", "run", "--config", place.config, code=2)
    assert f"mcp.yaml:{place_}: " in told
    assert said in told


def test_nothing_configured_is_said(place):
    assert "no MCP servers are configured" in place.aegis("mcp", "run", code=2)


def test_frames_of_random_bytes_never_end_the_gateway(gateway):
    import random

    seed = random.randrange(1 << 32)
    print("seed", seed)
    source = random.Random(seed)
    whole = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}).encode()
    for _ in range(200):
        data = bytearray(whole)
        for _ in range(source.randrange(1, 6)):
            data[source.randrange(len(data))] = source.randrange(256)
        gateway.raw(bytes(data).replace(b"\n", b" ") + b"\n")
    assert "result" in gateway.answer(gateway.begin("ping", id="last"))
