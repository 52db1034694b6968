"""A home folder of its own for every test, opened by the first governed call."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest

import aegis
from aegis.ledger.entry import Query
from aegis.surfaces.library import process


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An empty working directory, where Aegis has not been opened yet."""
    aegis.reset_agent_context()
    aegis.shutdown()
    process._agents.clear()
    for name in ("AEGIS_URL", "AEGIS_API_KEY", "AEGIS_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AEGIS__APPROVALS__WAIT_SECONDS", "0.2")
    yield tmp_path
    aegis.set_monitor_hook(None)
    aegis.shutdown()
    process._agents.clear()


@pytest.fixture
def patient(monkeypatch):
    """Approvals wait for a person as long as a test may take."""
    monkeypatch.setenv("AEGIS__APPROVALS__WAIT_SECONDS", "20")


@pytest.fixture
def events():
    """Every event of the monitor hook."""
    seen = []
    aegis.set_monitor_hook(seen.append)
    return seen


@pytest.fixture
def child(home):
    """Runs a Python program in another process on the same home; gives its standard output."""

    def run(program, **env):
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=home,
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, **env},
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def records(**filters):
    """The decision records of this process, oldest first, as plain values."""
    journal = aegis.get().home.runtime.journal
    return [record.fields for record in journal.records(Query(**filters))]


@pytest.fixture
def ledger():
    """Reads the records of this process."""
    return records


# a server, for remote mode

RULES = [
    {"name": "no_deletes", "match": {"type": "delete*"}, "approval": "block"},
    {"name": "ask", "match": {"type": "ask*"}, "approval": "approve"},
    {"name": "no-agent-reads", "match": {"type": "read*"}, "approval": "auto"},
    {"name": "lookups", "match": {"type": "lookup*"}, "approval": "auto"},
]
CONFIG = {
    "home": "home",
    "guardrails": {},
    "policy": {"rules": RULES},
    "approvals": {"wait_seconds": 0.3},
    "server": {"port": 0},
}


class Server:
    def __init__(self, folder, **sections):
        folder.mkdir()
        self.folder = folder
        (folder / "aegis.yaml").write_text(json.dumps({**CONFIG, **sections}))
        script = Path(__file__).with_name("remote_server.py")
        command = [sys.executable, script, folder / "aegis.yaml", "app", "other", "bound=Bot"]
        self.process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE)
        started = json.loads(self.process.stdout.readline())
        self.url = f"http://127.0.0.1:{started['port']}"
        self.keys = started["keys"]

    def post(self, path, body, key="app"):
        headers = {"authorization": f"Bearer {self.keys.get(key, key)}"}
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        reply = httpx2.post(self.url + path, content=content, headers=headers, timeout=30)
        return reply.status_code, reply.json()

    def records(self, kind):
        """The records of a kind, once the server has written what it was told."""
        from aegis.builtin.stores.sqlite import SqliteStore
        from aegis.ledger.entry import record_of

        time.sleep(0.1)
        store = SqliteStore(self.folder / "home" / "ledger.db")
        try:
            rows = list(store.rows(Query(kind=kind)))
        finally:
            store.close()
        return [record_of(row.hash, row.entry).fields for row in rows]

    def cli(self, *words):
        done = subprocess.run(
            [Path(sys.executable).with_name("aegis"), *words],
            cwd=self.folder, capture_output=True, text=True, timeout=60, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(15)
        finally:
            self.process.kill()
            self.process.stdout.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("remote") / "server")
    yield server
    server.stop()


@pytest.fixture
def server(shared, monkeypatch):
    monkeypatch.setenv("AEGIS_URL", shared.url)
    monkeypatch.setenv("AEGIS_API_KEY", shared.keys["app"])
    return shared


@pytest.fixture
def serve(tmp_path):
    """Starts a server with other sections in its configuration."""
    started = []

    def start(**sections):
        started.append(Server(tmp_path / f"server-{len(started)}", **sections))
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def own(serve, patient, monkeypatch):
    """A server that a test may stop, with people who take their time."""
    server = serve(approvals={"wait_seconds": 10})
    monkeypatch.setenv("AEGIS_URL", server.url)
    monkeypatch.setenv("AEGIS_API_KEY", server.keys["app"])
    return server
