"""What the HTTP gate adds to a request: `python bench/gate_http.py [REQUESTS]`.

One client on one kept connection asks one server, directly and through the gate, in turns; both
are processes of their own on this machine. Prints medians in microseconds.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from pathlib import Path
from statistics import median
from typing import Any

BODY = json.dumps({"items": [{"id": n, "name": f"item number {n}"} for n in range(20)]}).encode()
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(
    BODY
)
POLICY = {"defaults": {"verdict": "allow"}}
REQUESTS = 1_000


class Origin(asyncio.Protocol):
    """Answers every head with the same body."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write((ANSWER + BODY) * data.count(b"\r\n\r\n"))


async def origin() -> None:
    server = await asyncio.get_running_loop().create_server(Origin, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def timed(port: int, url: str, headers: dict[str, str], count: int) -> list[float]:
    """Microseconds of each of some requests on one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    found = []
    for _ in range(count):
        began = time.perf_counter()
        connection.request("GET", url, headers=headers)
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, BODY)
        found.append((time.perf_counter() - began) * 1e6)
    connection.close()
    return found


def main(count: int) -> None:
    for what, guards in (("the default guards", {}), ("no guards", {"guardrails": {}})):
        direct, through = compared(guards, count)
        print(f"{what}: direct {direct:.0f} µs, through the gate {through:.0f} µs,", end=" ")
        print(f"added {through - direct:.0f} µs (medians of {count})")


def compared(guards: dict[str, Any], count: int) -> tuple[float, float]:
    """Medians of direct requests and of those through a gate."""
    aegis = [sys.executable, "-c", "from aegis.cli.main import main; main()"]
    with tempfile.TemporaryDirectory() as folder:
        settings = {"listen": "127.0.0.1:0", "private": ["127.0.0.1/32"]}
        document = {"version": "1", "policy": POLICY, "gates": {"http": settings}} | guards
        (Path(folder) / "aegis.yaml").write_text(json.dumps(document))
        made = subprocess.run(
            [*aegis, "keys", "create", "--name", "bench"],
            cwd=folder,
            capture_output=True,
            check=True,
        )
        pair = b"bench:" + made.stdout.split()[0]
        sent = {"proxy-authorization": "Basic " + b64encode(pair).decode()}
        with (
            subprocess.Popen(
                [sys.executable, __file__, "origin"], stdout=subprocess.PIPE
            ) as server,
            subprocess.Popen([*aegis, "gate", "http"], cwd=folder, stdout=subprocess.PIPE) as gate,
        ):
            port = int(server.stdout.readline())
            proxy = int(gate.stdout.readline().decode().rpartition(":")[2])
            url = f"http://127.0.0.1:{port}/things"
            timed(proxy, url, sent, 200)
            direct: list[float] = []
            through: list[float] = []
            for _ in range(5):
                direct += timed(port, "/things", {}, count // 5)
                through += timed(proxy, url, sent, count // 5)
            gate.terminate()
            server.terminate()
    return median(direct), median(through)


if __name__ == "__main__":
    if sys.argv[1:] == ["origin"]:
        asyncio.run(origin())
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else REQUESTS)
