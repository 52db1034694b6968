"""Measures the gateway beside an nginx that only proxies: `python bench/gateway.py`.

Server under test on one core, load (wrk) and upstream (an nginx that answers by itself) on the
other, 64 connections, visited in turns; medians. `--litellm FOLDER` adds the LiteLLM proxy of a
virtual environment (`make bench-compare` makes one); `--no-guards` leaves the guards out;
`--requests N` drives N requests first and reports the memory before and after each half of them.
CPU time per request is the figure to trust on a machine that others use too.

Needs Linux, two cores, `nginx` and `wrk` on the path. Exits 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from traffic import BODY, NGINX, POLICY, REPLY

HERE = Path(__file__).resolve().parent
SERVER_CORE, LOAD_CORE = 0, 1
CONNECTIONS = 64
NGINX_MIN = 0.3
"""Least share of nginx' requests per second."""
LITELLM_MIN = 100.0
"""Least multiple of LiteLLM's."""
ADDED_MS_MAX = 0.3
"""Most added latency (p50, milliseconds) at RATE requests per second."""
RATE = 1000
RSS_MB_MAX = 120.0
"""Most resident memory after the requests of `--requests`."""
GROWTH_MB_MAX = 2.0
"""Most that memory may grow over the second half of them: memos and pools are full by then."""
UP_SECONDS = 120.0
"""How long a contender may take to listen: LiteLLM imports for half a minute on a busy core."""
LITELLM_ENVIRONMENT = {
    # no network: the price list and the announcements stay where they are
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_TELEMETRY": "False",
    # it does not start without a master key; requests are not authenticated, which is in its favour
    "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
    "LITELLM_LOG": "ERROR",
}


class Sample(NamedTuple):
    """One visit: requests per second, CPU microseconds per request, milliseconds."""

    rate: float
    cpu_us: float
    p50: float
    p99: float
    errors: int


class Contender:
    """A server under test, pinned to SERVER_CORE."""

    def __init__(self, name: str, port: int, key: str, process: subprocess.Popen[bytes]) -> None:
        self.name, self.port, self.key, self.process = name, port, key, process
        self.samples: list[Sample] = []

    def pids(self) -> list[int]:
        """The process and everything it started."""
        found, todo = [], [self.process.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                todo.extend(map(int, children.read_text().split()))
        return found

    def cpu_seconds(self) -> float:
        """User and system time so far."""
        ticks = 0
        for pid in self.pids():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def rss_mb(self) -> float:
        """Resident memory of the whole tree."""
        total = 0
        for pid in self.pids():
            found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
            total += int(found[1]) if found else 0
        return total / 1024


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def pinned(core: int, *command: str, **kwargs) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["taskset", "-c", str(core), *command], **kwargs)


def nginx(home: Path, name: str, core: int, location: str, upstream: str = ""):
    port = free_port()
    config = home / f"{name}.conf"
    config.write_text(
        NGINX.format(home=home, name=name, port=port, location=location, upstream=upstream)
    )
    return port, pinned(core, "nginx", "-c", str(config), stderr=subprocess.DEVNULL)


def aegis(home: Path, upstream: int, guards: bool) -> Contender:
    port = free_port()
    document = {
        "version": "1",
        "home": str(home / "aegis"),
        "policy": POLICY,
        "limits": {"requests_per_minute": 10_000_000},
        "server": {"port": port},
        "providers": {
            "up": {"type": "openai_compatible", "base_url": f"http://127.0.0.1:{upstream}/v1"}
        },
    }
    if not guards:
        document["guardrails"] = {}
    config = home / "aegis.yaml"
    config.write_text(json.dumps(document))
    script = HERE.parent / "tests" / "gateway" / "gateway_process.py"
    process = pinned(
        SERVER_CORE,
        sys.executable,
        str(script),
        str(config),
        '{"name": "bench"}',
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    started = json.loads(process.stdout.readline())
    return Contender("aegis", port, started["keys"]["bench"], process)


def litellm(home: Path, upstream: int, folder: Path) -> Contender:
    """LiteLLM's proxy: one worker, no database, one model behind the same upstream."""
    port = free_port()
    params = {
        "model": "openai/gpt-4o",
        "api_base": f"http://127.0.0.1:{upstream}/v1",
        "api_key": "x",
    }
    config = home / "litellm.yaml"
    config.write_text(
        json.dumps({"model_list": [{"model_name": "gpt-4o", "litellm_params": params}]})
    )
    with (home / "litellm.log").open("wb") as log:
        process = pinned(
            SERVER_CORE,
            str(folder / "bin" / "litellm"),
            *("--config", str(config), "--port", str(port), "--num_workers", "1"),
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **LITELLM_ENVIRONMENT},
        )
    return Contender("litellm", port, "sk-any", process)


def _head(contender: Contender) -> str:
    return (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{contender.port}\r\n"
        f"content-type: application/json\r\nauthorization: Bearer {contender.key}\r\n"
        f"content-length: {len(BODY)}\r\n\r\n"
    )


def wrk(home: Path, contender: Contender, seconds: float) -> tuple[int, float, float, float, int]:
    """(requests, seconds, p50 ms, p99 ms, errors)."""
    script = home / f"{contender.name}.lua"
    before, after = (
        part.encode("unicode_escape").decode().replace("'", "\\'")
        for part in (_head(contender) + BODY).split("000000000")
    )
    # every question is a new one: what a gateway remembers of earlier ones must not flatter it
    script.write_text(
        f"local before='{before}'\nlocal after='{after}'\nlocal n=0\n"
        "request=function() n=n+1; return before..string.format('%09d',n)..after end\n"
        "done=function(s,l,r) io.write(string.format('@ %d %d %d %d %d\\n', s.requests, "
        "s.duration, l:percentile(50), l:percentile(99), s.errors.status+s.errors.read"
        "+s.errors.connect+s.errors.timeout)) end\n"
    )
    url = f"http://127.0.0.1:{contender.port}/v1/chat/completions"
    with pinned(
        LOAD_CORE,
        *("wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:g}s", "--timeout", "30s"),
        *("-s", str(script), url),
        stdout=subprocess.PIPE,
    ) as process:
        text = process.communicate()[0].decode()
    found = [int(word) for word in text.rsplit("@ ", 1)[1].split()]
    return found[0], found[1] / 1e6, found[2] / 1e3, found[3] / 1e3, found[4]


def visit(home: Path, contender: Contender, seconds: float) -> None:
    before = contender.cpu_seconds()
    requests, took, p50, p99, errors = wrk(home, contender, seconds)
    spent = contender.cpu_seconds() - before
    contender.samples.append(
        Sample(requests / took, spent / max(1, requests) * 1e6, p50, p99, errors)
    )


async def paced(port: int, key: str, rate: int, seconds: float) -> list[float]:
    """Latencies (ms) of requests sent at a fixed rate, whatever the answers do."""
    loop = asyncio.get_running_loop()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(BODY)}\r\n\r\n{BODY}"
    ).encode()
    idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    took: list[float] = []

    async def one(due: float) -> None:
        reader, writer = idle.pop() if idle else await asyncio.open_connection("127.0.0.1", port)
        writer.write(head)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", answer.lower())
        await reader.readexactly(int(length[1]) if length else 0)
        took.append((loop.time() - due) * 1e3)
        idle.append((reader, writer))

    tasks = []
    start = loop.time() + 0.1
    for number in range(int(rate * seconds)):
        due = start + number / rate
        delay = due - loop.time()
        if delay > 0:
            await asyncio.sleep(delay)
        tasks.append(asyncio.create_task(one(loop.time())))
    await asyncio.gather(*tasks)
    for _, writer in idle:
        writer.close()
    return sorted(took[len(took) // 5 :])


def latency(contender: Contender) -> float:
    """The median latency at RATE, in milliseconds."""
    os.sched_setaffinity(0, {LOAD_CORE})
    try:
        return statistics.median(
            statistics.median(asyncio.run(paced(contender.port, contender.key, RATE, 1.5)))
            for _ in range(3)
        )
    finally:
        os.sched_setaffinity(0, {SERVER_CORE, LOAD_CORE})


def report(contenders: list[Contender]) -> dict[str, Sample]:
    medians = {}
    print(f"{'':14}{'req/s':>10}{'CPU us/req':>12}{'p50 ms':>9}{'p99 ms':>9}{'RSS MB':>9}")
    for contender in contenders:
        middle = Sample(
            *(statistics.median(column) for column in zip(*contender.samples, strict=True))
        )
        medians[contender.name] = middle
        print(
            f"{contender.name:14}{middle.rate:10.0f}{middle.cpu_us:12.1f}{middle.p50:9.2f}"
            f"{middle.p99:9.2f}{contender.rss_mb():9.1f}"
            + (f"  {middle.errors:.0f} errors" if middle.errors else "")
        )
    return medians


def wait_for(contender: Contender, home: Path) -> None:
    """Return when a contender listens; end with the last words of one that does not."""
    end = time.monotonic() + UP_SECONDS
    while time.monotonic() < end and contender.process.poll() is None:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", contender.port), 1),
        ):
            return
        time.sleep(0.1)
    log = home / f"{contender.name}.log"
    last = log.read_text(errors="replace").strip()[-600:] if log.exists() else ""
    raise SystemExit(f"{contender.name} does not listen on port {contender.port}\n{last}")


def settled(home: Path, contender: Contender, requests: int) -> bool:
    """Drive so many requests; whether memory stays below its goal, and flat in the second half."""
    seen = [contender.rss_mb()]
    done = 0
    for goal in (requests // 2, requests):
        while done < goal:
            done += wrk(home, contender, 2)[0]
        seen.append(contender.rss_mb())
    print(
        f"RSS {seen[0]:.1f} MB, after half of {done} requests {seen[1]:.1f} MB, in the end "
        f"{seen[2]:.1f} MB (goals: {RSS_MB_MAX:g}, and {GROWTH_MB_MAX:g} in the second half)"
    )
    return seen[2] <= RSS_MB_MAX and seen[2] - seen[1] <= GROWTH_MB_MAX


def measure(
    options: argparse.Namespace, home: Path, running: list[subprocess.Popen[bytes]]
) -> bool:
    reply = REPLY.replace("'", "")
    up_port, up = nginx(
        home, "upstream", LOAD_CORE, f"default_type application/json; return 200 '{reply}';"
    )
    running.append(up)
    block = (
        f"upstream up {{ server 127.0.0.1:{up_port}; keepalive 256; "
        "keepalive_requests 1000000000; }"
    )
    px_port, px = nginx(
        home,
        "proxy",
        SERVER_CORE,
        'proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection "";',
        block,
    )
    running.append(px)
    contenders = [Contender("nginx", px_port, "x", px), aegis(home, up_port, options.guards)]
    running.append(contenders[1].process)
    if options.litellm:
        contenders.append(litellm(home, up_port, Path(options.litellm)))
        running.append(contenders[2].process)
    for contender in contenders:
        wait_for(contender, home)
        wrk(home, contender, 1)
    ours = contenders[1]
    fine = True
    if options.requests:
        fine &= settled(home, ours, options.requests)
    for _ in range(options.rounds):
        for contender in contenders:
            visit(home, contender, options.seconds)
    medians = report(contenders)
    share = medians["aegis"].rate / medians["nginx"].rate
    cpu = medians["nginx"].cpu_us / medians["aegis"].cpu_us
    print(f"aegis / nginx      {share:.2f} by rate, {cpu:.2f} by CPU time (goal: {NGINX_MIN})")
    fine &= share >= NGINX_MIN
    if options.litellm:
        times = medians["aegis"].rate / medians["litellm"].rate
        print(f"aegis / litellm    {times:.0f} (goal: {LITELLM_MIN:g})")
        fine &= times >= LITELLM_MIN
    direct = latency(Contender("direct", up_port, "x", up))
    through = latency(ours)
    print(
        f"p50 at {RATE} req/s  {direct:.2f} ms direct, {latency(contenders[0]):.2f} nginx, "
        f"{through:.2f} aegis: {through - direct:.2f} added (goal: {ADDED_MS_MAX})"
    )
    return fine and through - direct <= ADDED_MS_MAX


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--requests", type=int, default=0)
    parser.add_argument("--litellm", metavar="FOLDER", default="")
    parser.add_argument("--no-guards", dest="guards", action="store_false")
    options = parser.parse_args()
    for tool in ("nginx", "wrk", "taskset"):
        if shutil.which(tool) is None:
            print(f"`{tool}` is not installed; this bench needs nginx, wrk and taskset")
            return 2
    if options.litellm and not (Path(options.litellm) / "bin" / "litellm").exists():
        print(f"no LiteLLM in `{options.litellm}`; `make bench-compare` puts it there")
        return 2
    running: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory(prefix="aegis-bench-") as folder:
        Path(folder).chmod(0o755)
        try:
            return 0 if measure(options, Path(folder), running) else 1
        finally:
            for process in running:
                process.send_signal(signal.SIGTERM)
            for process in running:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(10)


if __name__ == "__main__":
    sys.exit(main())
