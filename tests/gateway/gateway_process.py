"""A gateway in a process of its own: `gateway_process.py CONFIG [KEY-NAME …]`.

Prints one line of JSON, {"port", "keys"}, once it takes connections.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from aegis.kernel.build import open_runtime
from aegis.kernel.config import load
from aegis.surfaces.gateway.serve import serve


def main() -> None:
    runtime = open_runtime(load(Path(sys.argv[1])))
    keys = {}
    for spec in sys.argv[2:]:
        options = json.loads(spec)
        keys[options["name"]] = runtime.keys.create(**options)[0]

    def started(host: str, port: int) -> None:
        print(json.dumps({"port": port, "keys": keys}), flush=True)

    serve(runtime, started=started)


if __name__ == "__main__":
    main()
