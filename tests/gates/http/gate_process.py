"""A gate in a process of its own: `gate_process.py CONFIG NAMES`.

NAMES is a file of JSON, {name: [[address, …], …]}: what a name resolves to, one answer after the
other, the last again and again. Prints one line of JSON, {"port", "keys"}, once it listens.
"""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import socket
import sys
from pathlib import Path

from aegis.kernel.build import open_runtime
from aegis.kernel.config import load
from aegis.surfaces.gates.http.gate import HttpGate
from aegis.surfaces.gates.service import Service

KEYS = ({"name": "plain"}, {"name": "bound", "agent": "billing-bot"})


class Names:
    """A resolver that reads its answers from a file."""

    def __init__(self, file):
        self.file = file
        self.asked = {}

    async def __call__(self, host, port):
        known = json.loads(self.file.read_text()).get(host)
        if not known:
            raise socket.gaierror(-2, "Name or service not known")
        count = self.asked[host] = self.asked.get(host, 0) + 1
        self.file.with_suffix(".asked").write_text(json.dumps(self.asked))
        return known[min(count, len(known)) - 1]


async def main() -> None:
    logging.basicConfig()
    runtime = open_runtime(load(Path(sys.argv[1])))
    keys = {terms["name"]: runtime.keys.create(**terms)[0] for terms in KEYS}
    gate = HttpGate(runtime, Names(Path(sys.argv[2])))
    service = Service(gate, "gates.http", runtime.settings.gates.http)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)

    def started(address: str) -> None:
        print(json.dumps({"port": int(address.rpartition(":")[2]), "keys": keys}), flush=True)

    try:
        await service.run(started, stop)
    finally:
        runtime.close()


if __name__ == "__main__":
    asyncio.run(main())
