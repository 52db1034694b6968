"""What the MCP gateway adds to `tools/call`: an upstream in memory, whole frames as bytes.

    python bench/mcp.py [--calls 20000]

One client, one core, no socket and no pipe: what is measured is decoding the frame, governing the
call with the default guards and a policy that allows it, its two records, asking the upstream,
inspecting the result, and encoding the answer. The upstream answers at once, and costs what is
subtracted: the same frames decoded and encoded with nothing between.

`read` calls are recorded `buffered`, others `synced`: those wait for the disk, so that their rate
is the disk's and rises with callers at once.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from aegis.kernel.build import open_runtime
from aegis.kernel.config import parse
from aegis.kernel.mcp_settings import Mcp, McpUpstream
from aegis.model import Actor
from aegis.surfaces.mcp import protocol as rpc
from aegis.surfaces.mcp.gateway import Gateway
from aegis.surfaces.mcp.hub import Hub

TOOLS = [
    {"name": name, "description": "A tool.", "inputSchema": {"type": "object", "properties": {}}}
    for name in ("read_note", "write_note")
]

ANSWER = {"content": [{"type": "text", "text": "The meeting is on Tuesday at ten. " * 10}]}


class MemoryWire:
    """An upstream in this process."""

    async def start(self, receive: Any, lost: Any) -> None:
        self.receive = receive

    async def send(self, frame: dict[str, Any]) -> None:
        method = frame["method"]
        if method == "tools/call":
            result: dict[str, Any] = ANSWER
        elif method == "initialize":
            result = {"protocolVersion": rpc.LEGACY[0], "capabilities": {"tools": {}}}
        elif method == "tools/list":
            result = {"tools": TOOLS}
        else:
            return
        self.receive({"jsonrpc": "2.0", "id": frame["id"], "result": result}, None)

    def greeted(self, revision: str) -> None:
        pass

    def listed(self, tools: Any) -> None:
        pass

    async def close(self) -> None:
        pass


def call(number: int, tool: str) -> bytes:
    """One `tools/call` frame as a client sends it."""
    arguments = {"name": f"notes/{number}.md", "lines": [1, 40], "reason": "what did we decide?"}
    params = {"name": f"mem__{tool}", "arguments": arguments}
    return rpc.encode({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params})


async def governed(hub: Hub, session: Any, frame: bytes) -> bytes:
    """What a transport does with a frame."""
    answer = await hub.answer(session, rpc.check(rpc.decode(frame)), None)
    assert "result" in answer, answer
    return rpc.encode(answer)


async def direct(wire: MemoryWire, frame: bytes) -> bytes:
    """The same without a gateway."""
    answers: list[Any] = []
    wire.receive = lambda answer, _: answers.append(answer)
    await wire.send(rpc.decode(frame))
    return rpc.encode(answers[0])


async def timed(work: Any, frames: list[bytes]) -> list[float]:
    """Seconds of each call, one after another."""
    spent = []
    for frame in frames:
        began = time.perf_counter()
        await work(frame)
        spent.append(time.perf_counter() - began)
    return spent


async def measure(calls: int, folder: str) -> None:
    loaded = parse({"policy": {"defaults": {"approval": "auto"}}, "home": folder}, "<bench>")
    runtime = open_runtime(loaded)
    try:
        settings = Mcp({"mem": McpUpstream("-")})
        hub = Hub(Gateway(runtime, settings, lambda name, spec: MemoryWire()))
        session = hub.session(Actor("bench", "bench", "bench/1"))
        frames = [call(number, "read_note") for number in range(calls)]
        await timed(lambda frame: governed(hub, session, frame), frames[:500])
        plain = await timed(lambda frame: direct(MemoryWire(), frame), frames)
        cpu = time.process_time()
        began = time.perf_counter()
        spent = await timed(lambda frame: governed(hub, session, frame), frames)
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        added = statistics.median(spent) - statistics.median(plain)
        tail = sorted(spent)[int(len(spent) * 0.99)]
        print(f"read   added p50 {added * 1e3:.3f} ms, p99 {tail * 1e3:.3f} ms")
        print(f"read   {calls / seconds:,.0f} calls/s, {calls / cpu:,.0f} per CPU second")
        for width in (1, 64):
            rate = await synced(hub, session, width)
            print(f"write  {rate:,.0f} calls/s, {width} at once (each waits for the disk)")
        await session.close()
        await hub.close()
    finally:
        runtime.close()


async def synced(hub: Hub, session: Any, width: int) -> float:
    """Calls per second whose records are on the disk before anything is performed."""
    count = 50 * width
    frames = [call(number, "write_note") for number in range(count)]
    began = time.perf_counter()
    for at in range(0, count, width):
        await asyncio.gather(*(governed(hub, session, f) for f in frames[at : at + width]))
    return count / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=20_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(asked.calls, str(Path(folder))))


if __name__ == "__main__":
    main()
