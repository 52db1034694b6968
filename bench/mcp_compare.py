"""What a `tools/call` costs through Aegis and through IBM's ContextForge, in the same run.

    python -m venv other && other/bin/pip install mcp-contextforge-gateway
    python bench/mcp_compare.py other/bin [--calls 300] [--rounds 3]

One upstream over streamable HTTP answers at once, in a process of its own. Both gateways reach it
there and serve `/mcp` on loopback; one client sends plain frames over one connection, in turn to
the upstream itself and to each gateway. What is printed is the median, and what a gateway adds to
the upstream's. Aegis runs its default guards and a policy that allows, and records every call.
ContextForge runs as it is installed: SQLite, its own keys, without plugins and UI, its limit on
calls per minute lifted.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

START_SECONDS = 180.0
"""How long a gateway may take to begin: ContextForge makes its database first."""

ADMIN = "admin@example.com"
TEXT = "The meeting is on Tuesday at ten. " * 10
SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}}


class Upstream(BaseHTTPRequestHandler):
    """Answers every request at once."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        frame = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if "id" not in frame:
            self.answered(202, b"")
            return
        result: dict[str, Any] = {}
        if frame["method"] == "initialize":
            result = {
                "protocolVersion": frame["params"]["protocolVersion"],
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "mem", "version": "1"},
            }
        elif frame["method"] == "tools/list":
            tool = {"name": "read_note", "description": "Read a note.", "inputSchema": SCHEMA}
            result = {"tools": [tool]}
        elif frame["method"] == "tools/call":
            result = {"content": [{"type": "text", "text": TEXT}], "isError": False}
        body = {"jsonrpc": "2.0", "id": frame["id"], "result": result}
        self.answered(200, json.dumps(body).encode())

    def do_GET(self) -> None:
        self.answered(405, b"")

    do_DELETE = do_GET

    def answered(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing is logged."""


class Client:
    """Plain frames over one connection."""

    def __init__(self, port: int, tool: str, token: str = "") -> None:
        self.connection = HTTPConnection("127.0.0.1", port, timeout=60)
        self.tool = tool
        self.headers = {
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
        }
        if token:
            self.headers["authorization"] = f"Bearer {token}"

    def post(self, frame: dict[str, Any]) -> Any:
        body = json.dumps({"jsonrpc": "2.0", **frame})
        self.connection.request("POST", "/mcp", body, self.headers)
        answer = self.connection.getresponse()
        data = answer.read()
        session = answer.getheader("mcp-session-id")
        if session:
            self.headers["mcp-session-id"] = session
        if answer.getheader("content-type", "").startswith("text/event-stream"):
            data = next(line[6:] for line in data.splitlines() if line.startswith(b"data: "))
        return json.loads(data) if data else None

    def begin(self) -> None:
        client = {"name": "compare", "version": "1"}
        hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client}
        self.post({"id": 0, "method": "initialize", "params": hello})
        self.headers["mcp-protocol-version"] = "2025-06-18"
        self.post({"method": "notifications/initialized"})

    def call(self, number: int) -> float:
        """Milliseconds of one call."""
        params = {"name": self.tool, "arguments": {"name": f"notes/{number}.md"}}
        began = time.perf_counter()
        answer = self.post({"id": number + 1, "method": "tools/call", "params": params})
        spent = (time.perf_counter() - began) * 1e3
        if "result" not in answer or answer["result"]["content"][0]["text"] != TEXT:
            raise SystemExit(f"`{self.tool}` was answered {answer}")
        return spent


@contextlib.contextmanager
def process(command: list[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A process that is ended at the end."""
    child = subprocess.Popen(command, text=True, **options)
    try:
        yield child
    finally:
        child.terminate()
        child.wait(30)


@contextlib.contextmanager
def aegis(folder: Path, upstream: int) -> Iterator[Client]:
    """Aegis before the upstream."""
    config = folder / "mcp.yaml"
    config.write_text(
        f"upstreams: {{ mem: {{ url: 'http://127.0.0.1:{upstream}/mcp' }} }}\n"
        "policy: { defaults: { approval: auto } }\n"
    )
    program = [sys.executable, "-c", "from aegis.cli.main import main; main()", "mcp", "run"]
    options = ["--transport", "http", "--port", "0", "--config", str(config)]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "cwd": folder}
    with process(program + options, **streams) as child:
        said = ""
        while not (key := re.search(r"sk-aegis-\S+", said)) or "ledger key" not in said:
            line = child.stdout.readline() if child.stdout else ""
            if not line:
                raise SystemExit(f"Aegis did not begin: {said}")
            said += line
        port = re.search(r"http://127\.0\.0\.1:(\d+)", said)
        assert port is not None, said
        yield Client(int(port[1]), "mem__read_note", key[0])


@contextlib.contextmanager
def contextforge(folder: Path, upstream: int, programs: Path) -> Iterator[Client]:
    """ContextForge before the upstream, registered by its own API."""
    port, secret = free_port(), secrets.token_urlsafe(32)
    settings = {
        "DATABASE_URL": f"sqlite:///{folder}/other.db",
        "JWT_SECRET_KEY": secret,
        "AUTH_ENCRYPTION_SECRET": secrets.token_urlsafe(32),
        "PLATFORM_ADMIN_EMAIL": ADMIN,
        "PLATFORM_ADMIN_PASSWORD": secrets.token_urlsafe(16) + "-A1",
        "SSRF_ALLOW_LOCALHOST": "true",
        "SSRF_ALLOW_PRIVATE_NETWORKS": "true",
        "MCPGATEWAY_UI_ENABLED": "false",
        "PLUGINS_ENABLED": "false",
        "LOG_LEVEL": "ERROR",
        "RATE_LIMITING_ENABLED": "false",
        "CACHE_TYPE": "memory",
    }
    command = [str(programs / "mcpgateway"), "mcpgateway.main:app", "--host", "127.0.0.1"]
    nowhere = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    env = {**os.environ, **settings}
    with process([*command, "--port", str(port)], env=env, cwd=folder, **nowhere):
        begins(port)
        maker = [str(programs / "python"), "-m", "mcpgateway.utils.create_jwt_token", "--admin"]
        made = subprocess.run(
            [*maker, "--username", ADMIN, "--exp", "600", "--secret", secret],
            env=env,
            capture_output=True,
            text=True,
            check=True,
        )
        token = made.stdout.split()[-1]
        body = {"name": "mem", "transport": "STREAMABLEHTTP"}
        body["url"] = f"http://127.0.0.1:{upstream}/mcp"
        asked = urllib.request.Request(
            f"http://127.0.0.1:{port}/gateways",
            json.dumps(body).encode(),
            {"content-type": "application/json", "authorization": f"Bearer {token}"},
        )
        urllib.request.urlopen(asked, timeout=60).close()
        yield Client(port, "mem-read-note", token)


def begins(port: int) -> None:
    """Wait until a gateway answers."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
            return
        time.sleep(0.5)
    raise SystemExit("ContextForge did not begin in time")


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def measure(clients: dict[str, Client], calls: int, rounds: int) -> None:
    """Calls in turn, and the medians."""
    spent: dict[str, list[float]] = {name: [] for name in clients}
    for client in clients.values():
        client.begin()
        for number in range(20):
            client.call(number)
    for _ in range(rounds):
        for name, client in clients.items():
            spent[name] += [client.call(number) for number in range(calls)]
    direct = statistics.median(spent["direct"])
    for name, times in spent.items():
        median = statistics.median(times)
        print(f"{name:13} p50 {median:7.3f} ms   added {median - direct:7.3f} ms")
    added = {name: statistics.median(times) - direct for name, times in spent.items()}
    print(f"ContextForge adds {added['ContextForge'] / added['Aegis']:.1f} times what Aegis adds")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("programs", type=Path, nargs="?", help="folder with `mcpgateway`")
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--upstream", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.upstream:
        ThreadingHTTPServer(("127.0.0.1", asked.upstream), Upstream).serve_forever()
    if asked.programs is None:
        parser.error("name the folder where ContextForge's programs are")
    port = free_port()
    programs = asked.programs.absolute()
    upstream = process([sys.executable, __file__, "--upstream", str(port)])
    with tempfile.TemporaryDirectory() as place, upstream:
        here, there = Path(place, "aegis"), Path(place, "other")
        here.mkdir()
        there.mkdir()
        with aegis(here, port) as ours, contextforge(there, port, programs) as other:
            clients = {"direct": Client(port, "read_note"), "Aegis": ours, "ContextForge": other}
            measure(clients, asked.calls, asked.rounds)


if __name__ == "__main__":
    main()
