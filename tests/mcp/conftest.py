"""A gateway as a process before an upstream as a process, and a client that speaks plain frames."""

import contextlib
import json
import os
import queue
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from aegis.cli.main import run as command

HERE = Path(__file__).parent
AEGIS = [sys.executable, "-c", "from aegis.cli.main import main; main()"]
DEADLINE = 30.0

NAMES = (
    "read_note", "write_note", "delete_note", "die", "hang", "count", "noise", "environment",
    "fail", "read_poison", "ask_person", "ask_model", "grow", "log", "read_slowly",
    "deep", "very_deep", "not_json",
)  # fmt: skip

ALLOWING = "policy: { defaults: { approval: auto } }\n"


def tool(name, description="A tool."):
    """A definition as servers list it."""
    schema = {"type": "object", "properties": {"path": {"type": "string"}}}
    return {"name": name, "description": description, "inputSchema": schema}


class Place:
    """A folder with an upstream's tools, its log, and the configuration of a gateway."""

    def __init__(self, folder):
        self.folder = folder
        self.tools_file = folder / "tools.json"
        self.calls_file = folder / "calls.log"
        self.config = folder / "mcp.yaml"
        self.define([tool(name) for name in NAMES])
        self.configure()

    def define(self, tools):
        """What the upstream lists from now on; replaced whole, so that no list sees half."""
        fresh = self.folder / "tools.new"
        fresh.write_text(json.dumps(tools))
        fresh.replace(self.tools_file)

    def configure(self, policy=ALLOWING, more="", upstream=""):
        """The configuration: one upstream `notes`."""
        command, *args = self.program()
        self.config.write_text(
            f"upstreams:\n  notes:\n    command: {json.dumps(command)}\n"
            f"    args: {json.dumps(args)}\n{upstream}{policy}{more}"
            "log: { format: text }\n"
        )

    def program(self):
        """The upstream's command."""
        files = [HERE / "upstream_process.py", self.tools_file, self.calls_file]
        return [sys.executable, *map(str, files)]

    def calls(self):
        """What reached the upstream, in order."""
        if not self.calls_file.exists():
            return []
        return [json.loads(line) for line in self.calls_file.read_text().splitlines()]

    def records(self, *arguments):
        """The records of the ledger."""
        done = self.aegis("audit", "--format", "jsonl", "--config", self.config, *arguments)
        return [json.loads(line) for line in done.splitlines()]

    def aegis(self, *arguments, code=0):
        """One command line beside the running gateway."""
        import io

        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            got = command([str(argument) for argument in arguments])
        assert got == code, (got, out.getvalue(), err.getvalue())
        return out.getvalue() + err.getvalue()


class Client:
    """Frames over the standard streams of a process."""

    def __init__(self, arguments, folder, environment=None):
        self.process = subprocess.Popen(
            [*AEGIS, *map(str, arguments)],
            env={**os.environ, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
        )
        self.frames = queue.Queue()
        self.stderr = []
        self.told = []
        self.asked = []
        self._last = 0
        self._answers = {}
        for work in (self._read, self._complain):
            threading.Thread(target=work, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.frames.put(json.loads(line))
        self.frames.put(None)

    def _complain(self):
        for line in self.process.stderr:
            self.stderr.append(line.decode())

    def raw(self, data):
        """Bytes as they are."""
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def send(self, frame):
        """One frame."""
        self.raw(json.dumps({"jsonrpc": "2.0", **frame}).encode() + b"\n")

    def begin(self, method, params=None, id=None):
        """Send a request; returns its id."""
        if id is None:
            self._last += 1
            id = self._last
        self.send({"id": id, "method": method, "params": params or {}})
        return id

    def answer(self, id, seconds=DEADLINE):
        """The response to a request; what else arrives is kept in `told` and `asked`."""
        until = time.monotonic() + seconds
        while id not in self._answers:
            self.next(until - time.monotonic())
        return self._answers.pop(id)

    def next(self, seconds=DEADLINE):
        """Take in one frame."""
        frame = self.frames.get(timeout=max(seconds, 0.001))
        assert frame is not None, f"the gateway ended: {''.join(self.stderr)}"
        if "method" not in frame:
            self._answers[frame["id"]] = frame
        else:
            (self.asked if "id" in frame else self.told).append(frame)
        return frame

    def request(self, method, params=None):
        """The response to a new request."""
        return self.answer(self.begin(method, params))

    def call(self, name, **arguments):
        """The response to `tools/call` of `notes__name`."""
        return self.request("tools/call", {"name": f"notes__{name}", "arguments": arguments})

    def listed(self):
        """The names of the tools."""
        return [one["name"] for one in self.request("tools/list")["result"]["tools"]]

    def initialize(self, capabilities=None, revision="2025-11-25"):
        """Greet."""
        answer = self.request(
            "initialize",
            {
                "protocolVersion": revision,
                "capabilities": capabilities or {},
                "clientInfo": {"name": "tester", "version": "1"},
            },
        )
        self.send({"method": "notifications/initialized"})
        return answer["result"]

    def end(self):
        """Close its input, and wait for its end."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder to serve from."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("AEGIS"):
            monkeypatch.delenv(name)
    return Place(tmp_path)


@pytest.fixture
def connect(place):
    """Starts gateways on standard streams; ends them afterwards."""
    clients = []

    def start(*arguments, greet=True, capabilities=None, revision="2025-11-25", environment=None):
        given = arguments or ("mcp", "run", "--config", place.config)
        client = Client(given, place.folder, environment)
        clients.append(client)
        if greet:
            client.initialize(capabilities, revision)
        return client

    yield start
    for client in clients:
        if client.process.poll() is None:
            client.end()


class Server:
    """A gateway over HTTP."""

    def __init__(self, place):
        self.process = subprocess.Popen(
            [*AEGIS, "mcp", "run", "--transport", "http", "--port", "0", "--config", place.config],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=place.folder,
            text=True,
        )
        said = ""
        while "ledger key" not in said or ("first key" not in said and "none req" not in said):
            line = self.process.stdout.readline()
            assert line, said
            said += line
        self.url = re.search(r"http://\S+/mcp", said).group()
        key = re.search(r"sk-aegis-\S+", said)
        self.key = key.group() if key else ""

    def end(self):
        """Tell it to end."""
        self.process.terminate()
        return self.process.wait(30)


@pytest.fixture
def serve(place):
    """Starts a gateway over HTTP; ends it afterwards."""
    servers = []

    def start():
        servers.append(Server(place))
        return servers[-1]

    yield start
    for server in servers:
        server.end()


def until(condition, seconds=DEADLINE):
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)
    return found
