"""A gateway in a process of its own: `remote_server.py CONFIG KEY…`; a key is NAME or NAME=AGENT.

Prints one line of JSON, {"port", "keys"}, once it takes connections.
"""

import json
import sys

from aegis.kernel.build import open_runtime
from aegis.kernel.config import load
from aegis.surfaces.gateway.serve import serve


def main():
    runtime = open_runtime(load(sys.argv[1]))
    keys = {}
    for word in sys.argv[2:]:
        name, _, agent = word.partition("=")
        keys[name] = runtime.keys.create(name, agent=agent)[0]

    def started(host, port):
        print(json.dumps({"port": port, "keys": keys}), flush=True)

    serve(runtime, started=started)


if __name__ == "__main__":
    main()
