"""The HTTP gate as a process, before real servers, asked by real clients."""

import contextlib
import http.client
import importlib.util
import io
import json
import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import pytest
import trustme

from aegis.cli.main import run as command

HERE = Path(__file__).parent
NAMES = {
    "origin.test": [["127.0.0.1"]],
    "other.test": [["127.0.0.1"]],
    "inside.test": [["10.9.8.7"]],
    "mixed.test": [["127.0.0.1", "169.254.169.254"]],
    "rebinding.test": [["127.0.0.1"], ["10.9.8.7"]],
    "six.test": [["64:ff9b::a00:1"]],
}
DOCUMENT = {
    "version": "1",
    "guardrails": {
        "injection": {"action": "block"},
        "secrets": {"action": "mask", "options": {"arguments": "mask"}},
    },
    "approvals": {"wait_seconds": 0.2},
    "policy": {
        "defaults": {"verdict": "allow"},
        "rules": [
            {"name": "admin", "match": {"target": "http*://*/admin/**"}, "verdict": "block"},
            {"name": "ask", "match": {"target": "http*://*/ask/**"}, "verdict": "review"},
            {"name": "ask-host", "match": {"target": "ask.test:*"}, "verdict": "review"},
            {"name": "no-host", "conditions": {"resource": "host:evil.test"}, "verdict": "block"},
            {"name": "no-delete", "match": {"type": "DELETE"}, "verdict": "block"},
            {
                "name": "small",
                "match": {"type": "POST", "target": "http*://*/pay/**"},
                "conditions": {"param_gt": {"body.amount": 100}},
                "verdict": "block",
            },
        ],
    },
}


def sibling(name):
    """A module of this folder."""
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


origins = sibling("origin")


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.fields = response.getheaders()
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        return self.json["error"]["code"]


class Gate:
    """A running gate. `kill` is a SIGKILL, `stop` a polite end."""

    def __init__(self, folder, **sections):
        self.folder = folder
        self.config = folder / "aegis.yaml"
        self.names = folder / "names.json"
        settings = {"listen": "127.0.0.1:0", "private": ["127.0.0.1/32"], "shutdown_seconds": 2}
        settings |= sections.pop("http", {})
        document = {**DOCUMENT, "home": str(folder / "home"), "gates": {"http": settings}}
        self.config.write_text(json.dumps({**document, **sections}))
        self.names.write_text(json.dumps(NAMES))
        script = [sys.executable, str(HERE / "gate_process.py"), str(self.config), str(self.names)]
        self.log = (folder / "gate.log").open("w+")
        self.process = subprocess.Popen(script, stdout=subprocess.PIPE, stderr=self.log)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError((folder / "gate.log").read_text())
        started = json.loads(line)
        self.port = started["port"]
        self.keys = started["keys"]

    def address(self, key="plain", agent="bot"):
        """The proxy as clients are told of it."""
        return f"http://{agent}:{self.keys.get(key, key)}@127.0.0.1:{self.port}"

    def credential(self, key="plain", agent="bot"):
        """The header clients make of it."""
        pair = f"{agent}:{self.keys.get(key, key)}".encode()
        return {"proxy-authorization": "Basic " + b64encode(pair).decode()}

    def ask(self, method, url, body=None, headers=None, *, key="plain", timeout=20):
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        sent = {**(self.credential(key) if key else {}), **(headers or {})}
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
            sent.setdefault("content-type", "application/json")
        try:
            connection.request(method, url, body, sent)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, url, **more):
        return self.ask("GET", url, **more)

    def records(self, *words):
        """What the ledger holds, oldest first."""
        told = self.aegis("audit", "--format", "jsonl", "--config", str(self.config), *words)
        return [json.loads(line) for line in told.splitlines() if line.startswith("{")]

    def aegis(self, *words, code=0):
        """What a verb says about this home."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            got = command(list(words))
        assert got == code, (got, out.getvalue(), err.getvalue())
        return out.getvalue()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()

    def stop(self):
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(15)
        self.kill()


@pytest.fixture(scope="session")
def http_authority():
    return trustme.CA()


@pytest.fixture(scope="session")
def http_authority_file(http_authority, tmp_path_factory):
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    http_authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture(scope="session")
def origin():
    made = origins.Origin()
    yield made
    made.close()


@pytest.fixture(scope="session")
def secure(http_authority):
    """A server over TLS that is both `origin.test` and `other.test`."""
    certificate = http_authority.issue_cert("origin.test", "other.test", "127.0.0.1")
    made = origins.Origin(origins.tls_context(certificate))
    yield made
    made.close()


@pytest.fixture(scope="session")
def gate(tmp_path_factory, secure, http_authority_file):
    ports = [secure.port, 443]
    settings = {"ca_file": str(http_authority_file), "tunnel_ports": ports}
    made = Gate(tmp_path_factory.mktemp("http-gate"), http=settings)
    yield made
    made.stop()


@pytest.fixture
def fresh(tmp_path, secure, http_authority_file):
    """Starts further gates, with sections of the configuration replaced."""
    running = []

    def start(**sections):
        settings = {"ca_file": str(http_authority_file), "tunnel_ports": [secure.port]}
        sections["http"] = {**settings, **sections.get("http", {})}
        running.append(Gate(tmp_path, **sections))
        return running[-1]

    yield start
    for made in running:
        made.kill()


@pytest.fixture(scope="session")
def site(origin):
    return f"http://origin.test:{origin.port}"
