"""The built-in shell: real commands of a client, decided, confined, inspected and recorded."""

import json
import time

import pytest

from aegis.kernel.config import parse
from aegis.model import ConfigError
from aegis.surfaces.gates import landlock

DANGERS = """\
policy:
  defaults: { approval: auto }
  rules:
    - { name: dangers, match: { label: "danger:*" }, verdict: block }
"""


@pytest.fixture
def shell(place, connect):
    """A client of a gateway whose only upstream is the shell, in a folder of its own."""
    work = place.folder / "work"
    work.mkdir()
    upstream = f"upstreams: {{ shell: {{ builtin: shell, cwd: {json.dumps(str(work))} }} }}\n"
    place.config.write_text(upstream + DANGERS + "log: { format: text }\n")
    client = connect("mcp", "run", "--config", place.config)
    client.work = work
    return client


def begin(shell, command, **more):
    params = {"name": "shell__exec", "arguments": {"command": command, **more}}
    return shell.begin("tools/call", params)


def ran(shell, command, **more):
    return shell.answer(begin(shell, command, **more))


def text(answer):
    return answer["result"]["content"][0]["text"]


def test_a_command_runs_where_it_may_and_is_recorded(shell, place):
    (tool,) = shell.request("tools/list")["result"]["tools"]
    assert tool["name"] == "shell__exec"
    done = ran(shell, "echo one; echo two >&2; touch made; exit 3")["result"]
    assert (done["content"][0]["text"], done["isError"]) == ("one\ntwo\nexit code 3", True)
    assert done["structuredContent"]["exit"] == 3
    assert (shell.work / "made").exists()
    assert "isError" not in ran(shell, "true")["result"]
    decision = next(r for r in place.records("--kind", "decision") if r["type"] == "shell__exec")
    assert {"kind": "file", "name": "made", "verb": "write"} in decision["resources"]


def test_what_a_command_would_do_decides(shell):
    refused = ran(shell, "touch started; rm -rf ~")
    assert refused["error"]["data"]["rule"] == "dangers"
    assert not (shell.work / "started").exists()


@pytest.mark.skipif(landlock.version() == 0, reason="this kernel has no Landlock")
def test_a_command_is_confined_and_what_it_prints_inspected(shell, place):
    key = "AKIA" + "IOSFODNN7" + "EXAMPLQ"
    (shell.work / "out.txt").write_text(f"key {key}\n")
    assert key not in json.dumps(ran(shell, "cat out.txt"))
    outside = place.folder / "outside"
    ran(shell, f"touch {outside}")
    assert not outside.exists()
    assert ran(shell, "true")["result"]["structuredContent"]["confined"]


def test_commands_run_beside_one_another_to_their_limits(shell):
    started = time.monotonic()
    slow = begin(shell, "sleep 30", seconds=1)
    assert text(ran(shell, "echo quick")) == "quick"
    assert time.monotonic() - started < 20
    assert "ended by time limit" in text(shell.answer(slow))


def test_wrong_arguments_are_explained(shell):
    for given in ({}, {"command": 3}, {"command": "ls", "seconds": -1}, {"command": "ls", "x": 1}):
        answer = shell.request("tools/call", {"name": "shell__exec", "arguments": given})
        assert "error" in answer or "the arguments are not what is expected" in text(answer)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"builtin": "shell", "command": "x"}, "either `command`, `url` or `builtin`"),
        ({"builtin": "shell", "env": {"A": "b"}}, "`env` does not go with `builtin`"),
        ({"builtin": "python"}, "mcp.upstreams.s.builtin"),
    ],
)
def test_a_builtin_is_reached_in_one_way(fields, said):
    with pytest.raises(ConfigError) as caught:
        parse({"mcp": {"upstreams": {"s": fields}}}, "test.yaml")
    assert said in str(caught.value)
