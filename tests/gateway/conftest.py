"""Real processes: an upstream that speaks the OpenAI wire, and gateways in front of it."""

from __future__ import annotations

import http.client
import importlib.util
import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

HERE = Path(__file__).parent
KEYS = (
    {"name": "plain"},
    {"name": "limited", "requests_per_minute": 3},
    {"name": "tokens", "tokens_per_minute": 20},
    {"name": "narrow", "models": ["offline*"]},
    {"name": "bound", "agent": "billing-bot"},
    {"name": "boss", "roles": ["approver"]},
    {"name": "second", "roles": ["approver"]},
    {"name": "other-tenant", "roles": ["approver"], "tenant": "elsewhere"},
)

POLICY = {
    "defaults": {"approval": "block"},
    "rules": [
        {"name": "no-secret-model", "match": {"target": "forbidden*"}, "approval": "block"},
        {"name": "ask-a-person", "match": {"target": "reviewed*"}, "approval": "approve"},
        {"name": "no-evil-agent", "match": {"agent": "evil*"}, "approval": "block"},
        {"name": "chat", "match": {"protocol": "llm"}, "approval": "auto"},
        {"name": "no-delete", "match": {"type": "delete_*"}, "approval": "block"},
        {"name": "ask-deploy", "match": {"type": "deploy_*"}, "approval": "approve"},
        {"name": "lookups", "match": {"type": "lookup"}, "approval": "auto"},
    ],
}


class Upstream:
    def __init__(self, process):
        self.process = process
        self.port = int(process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def seen(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/seen", timeout=5) as reply:
            return json.load(reply)


class Reply:
    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.json["error"]

    @property
    def events(self):
        """The data of the server-sent events, decoded; `[DONE]` as it is."""
        data = [line[6:] for line in self.body.decode().split("\n") if line.startswith("data: ")]
        return [item if item == "[DONE]" else json.loads(item) for item in data]

    @property
    def text(self):
        """The streamed content."""
        parts = []
        for event in self.events:
            if event != "[DONE]":
                choices = event.get("choices", ())
                parts.extend(choice["delta"].get("content") or "" for choice in choices)
        return "".join(parts)


class Gateway:
    """A running gateway. `kill` is a SIGKILL, `stop` a polite end."""

    def __init__(self, config, keys=KEYS):
        self.config = config
        command = [sys.executable, str(HERE / "gateway_process.py"), str(config)]
        self.process = subprocess.Popen(
            [*command, *map(json.dumps, keys)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(self.process.stderr.read().decode())
        started = json.loads(line)
        self.port = started["port"]
        self.keys = started["keys"]
        self.url = f"http://127.0.0.1:{self.port}"

    def request(self, method, path, body=None, headers=None, *, key="plain", timeout=20):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        sent = dict(headers or {})
        if key:
            sent.setdefault("authorization", f"Bearer {self.keys.get(key, key)}")
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
        if body is not None:
            sent.setdefault("content-type", "application/json")
        try:
            connection.request(method, path, body, sent)
            return Reply(connection.getresponse())
        finally:
            connection.close()

    def chat(self, model, content="hi", *, key="plain", headers=None, **more):
        body = {"model": model, "messages": [{"role": "user", "content": content}], **more}
        return self.request("POST", "/v1/chat/completions", body, headers, key=key)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(15)
        finally:
            self.kill()


def configured(folder, upstream, **sections):
    """The path of a configuration with the upstream behind it."""
    document = {
        "version": "1",
        "home": str(folder / "home"),
        "guardrails": {},
        "policy": POLICY,
        "approvals": {"wait_seconds": 0.2},
        "server": {"port": 0},
        "providers": {
            "offline": {"type": "offline", "models": ["offline*"]},
            "up": {
                "type": "openai_compatible",
                "base_url": upstream.url,
                "api_key": "sk-upstream-secret",
                "timeout_seconds": 1.5,
                "idle_seconds": 0.7,
            },
        },
        **sections,
    }
    path = folder / "aegis.yaml"
    path.write_text(json.dumps(document))
    return path


@pytest.fixture(scope="session")
def upstream():
    script = HERE.parent / "providers" / "upstream_process.py"
    with subprocess.Popen(
        [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        yield Upstream(process)
        process.kill()


@pytest.fixture(scope="session")
def gateway(upstream, tmp_path_factory):
    made = Gateway(configured(tmp_path_factory.mktemp("gateway"), upstream))
    yield made
    made.stop()


@pytest.fixture(scope="session")
def start(upstream):
    """Starts a gateway in a folder, with sections of the configuration replaced."""
    running = []

    def started(folder, **sections):
        running.append(Gateway(configured(folder, upstream, **sections)))
        return running[-1]

    yield started
    for made in running:
        made.kill()


@pytest.fixture
def fresh(upstream, tmp_path):
    """Starts further gateways, with sections of the configuration replaced."""
    running = []

    def start(keys=KEYS, **sections):
        running.append(Gateway(configured(tmp_path, upstream, **sections), keys))
        return running[-1]

    yield start
    for made in running:
        made.kill()


@pytest.fixture(scope="session")
def services():
    """Stand-ins of the services that channels speak to."""
    spec = importlib.util.spec_from_file_location("services", HERE / "services.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def world(services, start, tmp_path_factory):
    """A gateway with a channel to every service."""
    made = services.World(start, tmp_path_factory.mktemp("channels"))
    yield made
    made.close()
