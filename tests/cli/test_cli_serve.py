"""`aegis serve` as a process: what it prints, what it serves, reloading, and its end."""

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import pytest

AEGIS = "from aegis.cli.main import main; main()"


class Server:
    """A running gateway and what it said so far."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen(
            [sys.executable, "-c", AEGIS, "serve", "--port", "0", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.out = []
        self.err = []
        for stream, lines in ((self.process.stdout, self.out), (self.process.stderr, self.err)):
            threading.Thread(target=lines.extend, args=(stream,), daemon=True).start()

    def until(self, pattern, lines=None):
        """The first match in what it says; fails after a while."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            found = re.search(pattern, "".join(self.out if lines is None else lines))
            if found:
                return found
            time.sleep(0.02)
        raise AssertionError(f"never said {pattern}: {self.out} {self.err}")

    @property
    def url(self):
        return self.until(r"http://127\.0\.0\.1:\d+(?=/v1)").group()

    def post(self, key, text="hi"):
        body = {"model": "offline", "messages": [{"role": "user", "content": text}]}
        request = urllib.request.Request(
            f"{self.url}/v1/chat/completions",
            json.dumps(body).encode(),
            {"content-type": "application/json", "authorization": f"Bearer {key}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, dict(answer.headers)
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers)

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(30)


@pytest.fixture
def serve(folder):
    running = []

    def start(*arguments):
        running.append(Server(*arguments))
        return running[-1]

    yield start
    for server in running:
        if server.process.poll() is None:
            server.process.kill()
        server.process.wait(30)
        for stream in (server.process.stdout, server.process.stderr):
            stream.close()


def test_a_newcomer_gets_an_address_a_key_and_an_answer(serve, process):
    process("init")
    server = serve()
    key = server.until(r"first key +(sk-aegis-\S+)").group(1)
    fingerprint = server.until(r"ledger key +(sha256:[0-9a-f]{64})").group(1)
    with urllib.request.urlopen(f"{server.url}/health/liveness", timeout=30) as answer:
        assert answer.status == 200
    assert server.post("wrong")[0] == 401
    status, headers = server.post(key)
    assert status == 200
    # other commands work while it runs
    action = headers["x-aegis-action"]
    assert "model_calls" in process("why", action).out
    second = process("keys", "create", "--name", "second").out.strip()
    assert server.post(second)[0] == 200
    process("keys", "revoke", "second")
    assert server.post(second)[0] == 401
    assert server.end() == 0
    exported = process("evidence", "export", "--out", "e.txt")
    assert fingerprint in exported.out
    assert "verified" in process("verify", "e.txt").out


def test_a_second_start_makes_no_second_key(serve, process):
    process("keys", "create", "--name", "mine")
    server = serve()
    server.until("ledger key")
    assert server.end(signal.SIGINT) == 0
    assert "first key" not in "".join(server.out)


def test_after_a_kill_everything_acknowledged_is_there(serve, process):
    server = serve()
    key = server.until(r"first key +(sk-aegis-\S+)").group(1)
    actions = [server.post(key)[1]["x-aegis-action"] for _ in range(5)]
    server.end(signal.SIGKILL)
    found = {
        record["action"]
        for record in process("audit", "--kind", "decision", "--format", "json").json
    }
    assert set(actions) <= found
    again = serve()
    assert again.post(key)[0] == 200
    again.end()
    process("evidence", "export", "--out", "e.txt")
    process("verify", "e.txt")


def test_a_changed_file_is_put_in_force_and_a_broken_one_is_not(serve, process, folder):
    process("init")
    file = folder / "aegis.yaml"
    text = file.read_text()
    server = serve("--watch")
    key = server.until(r"first key +(sk-aegis-\S+)").group(1)
    assert server.post(key)[0] == 200
    file.write_text(text.replace("match: { protocol: llm }\n      approval: auto",
                                 "match: { protocol: llm }\n      approval: block"))  # fmt: skip
    server.until("configuration loaded again", server.err)
    assert server.post(key)[0] == 403
    file.write_text(text + "servr: 1\n")
    server.until("unknown key `servr`", server.err)
    assert server.post(key)[0] == 403
    assert server.end() == 0
    file.write_text(text)
    reloads = process("audit", "--type", "config.reload", "--format", "json").json
    assert len(reloads) == 1


def test_sighup_loads_again_and_names_what_needs_a_restart(serve, process, folder):
    (folder / "aegis.yaml").write_text("log: { format: text }")
    server = serve()
    server.until("first key")  # the last line it says before it waits
    (folder / "aegis.yaml").write_text("home: elsewhere")
    server.process.send_signal(signal.SIGHUP)
    server.until("home changed only after a restart", server.err)
    assert server.end() == 0


@pytest.mark.parametrize(
    ("text", "arguments", "said"),
    [
        ("server: { require_key: false }", ["--host", "0.0.0.0"], "allow_unauthenticated"),
        ("servr: 1", [], "did you mean `server`"),
        ("providers: { p: { type: offline, api_key: secret://env/NO } }", [], "`NO` is not set"),
        ("version: 1", ["--host", "203.0.113.7"], "cannot serve on 203.0.113.7"),
    ],
)
def test_what_it_refuses_to_start_with(process, folder, text, arguments, said):
    (folder / "aegis.yaml").write_text(text)
    assert said in process("serve", "--port", "0", *arguments, code=2).err


def test_each_request_is_a_line_of_the_log_where_that_is_asked_for(serve, process, folder):
    (folder / "aegis.yaml").write_text("server: { access_log: true }")
    key = process("keys", "create", "--name", "ci").out.strip()
    server = serve()
    assert server.post(key)[0] == 200
    assert server.post("sk-aegis-unknown")[0] == 401
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"{server.url}/x%0Ay", timeout=30)
    server.until(r"in \d+ ms[^$]*in \d+ ms[^$]*in \d+ ms", server.err)
    lines = [json.loads(line) for line in server.err]
    said = [re.sub(r"\d+ ms", "N ms", line["message"]) for line in lines]
    posted = [f"POST /v1/chat/completions {status} in N ms" for status in (200, 401)]
    assert said == [*posted, "GET /x%0Ay 404 in N ms"]
    assert {line["logger"] for line in lines} == {"aegis.access"}


def test_a_port_that_is_taken(process, folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = process("serve", "--port", taken.getsockname()[1], code=2)
    assert "in use" in done.err


def test_without_keys_it_serves_who_comes_and_says_so(serve, folder):
    server = serve("--allow-unauthenticated")
    server.until("none required")
    assert server.post("")[0] == 200
    assert server.end() == 0


def test_the_server_part_may_be_missing(folder):
    code = (
        "import sys; sys.modules['uvicorn'] = None;from aegis.cli.main import main; main(['serve'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install aegis-govern[server]" in done.stderr
