"""Many clients, a SIGKILL in the middle, and what the ledger still knows afterwards."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aegis.kernel.build import open_runtime
from aegis.kernel.config import load

CLIENTS = 200


async def client(gateway, number, answered, until):
    """Ask again and again on one connection; note what each answer promises."""
    loop = asyncio.get_running_loop()
    stream = number % 4 == 0
    model = ("offline", "forbidden", "normal", "offline-tools")[number % 4]
    body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": "hi"}]}
    data = json.dumps(body).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer "
        f"{gateway.keys['plain']}\r\nx-aegis-session: s{number % 20}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
    ).encode()
    writer = None
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        while loop.time() < until:
            writer.write(head + data)
            headers = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            fields = dict(line.split(": ", 1) for line in headers.split("\r\n")[1:-2])
            if "content-length" in fields:
                await reader.readexactly(int(fields["content-length"]))
                record = int(fields["x-aegis-record"])
            else:
                text = (await reader.readuntil(b"0\r\n\r\n")).decode()
                assert "[DONE]" in text
                record = int(text.split("x-aegis-record ")[1].split()[0])
            answered.append((record, fields["x-aegis-action"], int(headers.split()[1])))
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        if writer is not None:
            writer.close()


async def storm(gateway, longest, least, kill):
    loop = asyncio.get_running_loop()
    answered = []
    until = loop.time() + longest
    tasks = [asyncio.create_task(client(gateway, n, answered, until)) for n in range(CLIENTS)]
    if kill:
        await asyncio.sleep(least * 0.6)
        while len(answered) <= 2 * CLIENTS and loop.time() < until:
            await asyncio.sleep(0.01)
        gateway.process.kill()
    await asyncio.gather(*tasks)
    return answered


def command(config, *arguments):
    return subprocess.run(
        [str(Path(sys.executable).with_name("aegis")), *map(str, arguments)],
        env={**os.environ, "AEGIS_CONFIG": str(config)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def survive(fresh, tmp_path, longest, least):
    first = fresh()
    before = asyncio.run(storm(first, longest, least, kill=True))
    first.kill()
    assert len(before) > CLIENTS
    second = fresh(keys=())
    second.keys = first.keys
    after = []
    deadline = time.monotonic() + 60
    while not after:
        assert time.monotonic() < deadline, "it answers nobody"
        after = asyncio.run(storm(second, least, least, kill=False))
    second.stop()

    ledger = open_runtime(load(second.config))
    records = list(ledger.journal.records())
    ledger.close()
    assert [record.seq for record in records] == list(range(len(records)))
    by_action = {}
    for record in records:
        by_action.setdefault(record.fields.get("action"), []).append(record)
    for seq, action, status in (*before, *after):
        assert records[seq].fields["action"] == action
        kinds = [record.kind for record in by_action[action]]
        assert kinds == (["decision", "outcome"] if status == 200 else ["decision"])
    for action, found in by_action.items():
        if action and found[0].fields.get("verdict") == "allow":
            # nothing is left open, and nothing happened twice
            assert [record.kind for record in found] == ["decision", "outcome"]

    bundle = tmp_path / "bundle"
    exported = command(second.config, "evidence", "export", "--out", bundle)
    assert exported.returncode == 0, exported.stderr
    verified = command(second.config, "verify", bundle)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    print(
        f"{CLIENTS} clients: {len(before)} answers before the kill, {len(after)} after it, "
        f"{len(records)} records, all verified"
    )


def test_what_was_answered_is_on_record_after_a_crash(fresh, tmp_path):
    survive(fresh, tmp_path, 5.0, 1.0)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_what_was_answered_is_on_record_after_a_crash_under_long_load(fresh, tmp_path):
    survive(fresh, tmp_path, 60.0, 60.0)
