"""Real clients through the proxy: curl, httpx2, requests, Node, git and pip."""

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2
import pytest
import requests

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aegis-tests"
PACKAGES = ("undici@7.30.2", "axios@1.21.1")

SCRIPT = """
const { ProxyAgent, fetch } = require('undici');
const axios = require('axios');
const [proxy, key, port, plain, secure] = process.argv.slice(1);
(async () => {
  const uri = `http://bot:${key}@127.0.0.1:${port}`;
  const token = 'Basic ' + Buffer.from(`bot:${key}`).toString('base64');
  const tunnelled = new ProxyAgent({ uri, token, requestTls: { ca: process.env.CA } });
  const direct = new ProxyAgent({ uri, token, proxyTunnel: false });
  const told = {};
  told.tunnel = (await (await fetch(`${secure}/t`, { dispatcher: tunnelled })).json()).path;
  told.plain = (await (await fetch(`${plain}/p`, { dispatcher: direct })).json()).path;
  told.refused = (await fetch(`${plain}/admin/x`, { dispatcher: direct })).status;
  const options = { proxy: { protocol: 'http', host: '127.0.0.1', port: Number(port),
                             auth: { username: 'bot', password: key } },
                    validateStatus: () => true };
  told.axios = (await axios.post(`${plain}/a`, { n: 1 }, options)).data.body;
  told.axiosRefused = (await axios.get(`${plain}/admin/x`, options)).data.error.code;
  console.log(JSON.stringify(told));
  process.exit(0);
})();
"""


@pytest.fixture(scope="module")
def bundle(http_authority_file):
    """What the clients trust."""
    return str(http_authority_file)


@pytest.fixture
def https(secure):
    return f"https://origin.test:{secure.port}"


def test_httpx_asks_plainly_and_through_a_tunnel(gate, site, https, bundle):
    context = ssl.create_default_context(cafile=bundle)
    with httpx2.Client(proxy=gate.address(), verify=context, timeout=30) as client:
        assert client.get(f"{site}/a").json()["path"] == "/a"
        assert client.get(f"{site}/admin/x").status_code == 403
        assert client.get(f"{https}/b").json()["path"] == "/b"
        with client.stream("GET", f"{site}/events?count=3") as answer:
            assert answer.read().count(b"data: ") == 3
    with httpx2.Client(proxy=gate.address("wrong"), verify=context, timeout=30) as client:
        assert client.get(f"{site}/a").status_code == 407
        with pytest.raises(httpx2.ProxyError, match="407"):
            client.get(f"{https}/b")


def test_requests_asks_plainly_and_through_a_tunnel(gate, site, https, bundle):
    proxies = {"http": gate.address(), "https": gate.address()}
    with requests.Session() as session:
        session.trust_env = False
        assert session.get(f"{site}/a", proxies=proxies, timeout=10).json()["path"] == "/a"
        found = session.get(f"{https}/b", proxies=proxies, verify=bundle, timeout=10)
        assert found.json()["path"] == "/b"
        moved = session.get(f"{site}/redirect?to=/admin/x", proxies=proxies, timeout=10)
        assert (moved.status_code, moved.json()["error"]["code"]) == (403, "policy_violation")


def curl(gate, *words, key="plain"):
    command = ["curl", "--silent", "--show-error", "--max-time", "20", "--proxy"]
    return subprocess.run(
        [*command, gate.address(key), *words], capture_output=True, text=True, check=False
    )


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_asks_plainly_and_through_a_tunnel(gate, site, https, bundle, tmp_path):
    assert json.loads(curl(gate, f"{site}/a").stdout)["path"] == "/a"
    assert json.loads(curl(gate, "--cacert", bundle, f"{https}/b").stdout)["path"] == "/b"
    upload = tmp_path / "upload"
    upload.write_bytes(b"x" * 300_000)
    sent = curl(gate, "--data-binary", f"@{upload}", "-H", "Expect: 100-continue", f"{site}/up")
    assert len(json.loads(sent.stdout)["body"]) == 300_000
    refused = curl(gate, "-o", os.devnull, "-w", "%{http_connect}", "https://origin.test:22/")
    assert (refused.returncode, refused.stdout) == (56, "403")
    big = tmp_path / "big"
    curl(gate, "-o", str(big), f"{site}/big?kib=4096")
    assert big.read_bytes() == bytes(range(256)) * (4096 * 4)


def test_an_address_with_https_is_asked_over_tls_by_the_proxy_and_inspected(gate, secure):
    answer = gate.get(f"https://origin.test:{secure.port}/leak")
    assert answer.headers["x-aegis-verdict"] == "sanitize"
    answer = gate.get(f"https://127.0.0.1:{secure.port}/x")
    assert answer.json["path"] == "/x"


def test_a_server_with_the_certificate_of_another_is_not_asked(gate, secure):
    names = json.loads(gate.names.read_text())
    gate.names.write_text(json.dumps({**names, "wrong-name.test": [["127.0.0.1"]]}))
    before = len(secure.seen)
    answer = gate.get(f"https://wrong-name.test:{secure.port}/x")
    assert (answer.status, answer.code) == (502, "upstream_error")
    assert "certificate" in answer.json["error"]["message"]
    assert len(secure.seen) == before


def tunnel(gate, target):
    """A socket through the proxy, and the status of its answer."""
    raw = socket.create_connection(("127.0.0.1", gate.port), timeout=10)
    credential = gate.credential()["proxy-authorization"]
    lines = f"CONNECT {target} HTTP/1.1\r\nhost: {target}\r\nproxy-authorization: {credential}"
    raw.sendall(f"{lines}\r\n\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head:
        head += raw.recv(1)
    return raw, int(head.split()[1])


def test_a_tunnel_that_asks_for_another_host_is_closed(gate, secure, bundle):
    before = len(secure.seen)
    context = ssl.create_default_context(cafile=bundle)
    raw, status = tunnel(gate, f"origin.test:{secure.port}")
    assert status == 200
    with pytest.raises(OSError), raw:
        context.wrap_socket(raw, server_hostname="other.test").recv(1)
    assert len(secure.seen) == before
    outcomes = json.dumps(gate.records("--kind", "outcome"))
    assert "asks for `other.test`" in outcomes


@pytest.mark.parametrize(
    "opening",
    [b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", b"\x16\x03\x01\0\x01\x02", b"SSH-2.0-x\r\n"],
)
def test_a_tunnel_that_carries_no_tls_is_closed(gate, secure, opening):
    raw, status = tunnel(gate, f"origin.test:{secure.port}")
    with raw:
        assert status == 200
        raw.sendall(opening)
        assert raw.recv(1) == b""


def test_a_tunnel_is_recorded_before_it_stands_and_when_it_ends(gate, secure, bundle):
    context = ssl.create_default_context(cafile=bundle)
    raw, _ = tunnel(gate, f"other.test:{secure.port}")
    with context.wrap_socket(raw, server_hostname="other.test") as stream:
        stream.sendall(b"GET /recorded HTTP/1.1\r\nhost: other.test\r\nconnection: close\r\n\r\n")
        while stream.recv(65536):
            pass
    decision = gate.records("--kind", "decision")[-1]
    assert (decision["type"], decision["target"]) == ("CONNECT", f"other.test:{secure.port}")
    outcome = next(
        one for one in gate.records("--kind", "outcome") if one["action"] == decision["action"]
    )
    assert outcome["status"] == "performed"
    assert outcome["result"]["tunnel"]["received"] > 100


@pytest.fixture(scope="module")
def modules():
    """The `node_modules` of the clients. Skips where they cannot be had."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("npm and Node are not installed: undici and axios were not tried")
    versions = "-".join(package.rpartition("@")[2] for package in PACKAGES)
    place = CACHE / f"http-{versions}"
    if not place.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=CACHE))
        options = ["--ignore-scripts", "--no-audit", "--no-fund", "--silent", "--prefix", fresh]
        done = subprocess.run(
            [npm, "install", *options, *PACKAGES], capture_output=True, text=True, check=False
        )
        if done.returncode:
            shutil.rmtree(fresh)
            pytest.skip(f"npm could not install the clients: {done.stderr[-200:]}")
        try:
            fresh.rename(place)
        except OSError:
            shutil.rmtree(fresh)  # another process was faster
    return place / "node_modules"


def test_node_asks_with_fetch_and_with_axios(gate, modules, site, https, bundle):
    words = ["proxy", gate.keys["plain"], str(gate.port), site, https]
    done = subprocess.run(
        ["node", "-e", SCRIPT, *words],
        env={**os.environ, "NODE_PATH": str(modules), "CA": Path(bundle).read_text()},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.stdout, done.stderr
    assert json.loads(done.stdout) == {
        "tunnel": "/t",
        "plain": "/p",
        "refused": 403,
        "axios": '{"n":1}',
        "axiosRefused": "policy_violation",
    }


@pytest.fixture
def files(tmp_path):
    """A server of files."""
    root = tmp_path / "root"
    root.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root)))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield root, f"http://origin.test:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_git_clones_through_the_proxy(gate, files, tmp_path):
    root, url = files
    work = tmp_path / "work"
    who = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com"]

    def git(*words, cwd=tmp_path):
        return subprocess.run(["git", *words], cwd=cwd, capture_output=True, text=True, check=True)

    git("init", "-q", str(work))
    (work / "file").write_text("content\n")
    git("add", "file", cwd=work)
    git(*who, "commit", "-q", "-m", "first", cwd=work)
    git("clone", "-q", "--bare", str(work), str(root / "repo.git"))
    git("update-server-info", cwd=root / "repo.git")
    git("-c", f"http.proxy={gate.address()}", "clone", "-q", f"{url}/repo.git", "copy")
    assert (tmp_path / "copy" / "file").read_text() == "content\n"


def test_pip_downloads_through_the_proxy(gate, files, tmp_path):
    root, url = files
    name = "thing-1.0-py3-none-any.whl"
    (root / "simple" / "thing").mkdir(parents=True)
    (root / "simple" / "thing" / "index.html").write_text(f'<a href="/{name}">{name}</a>')
    with zipfile.ZipFile(root / name, "w") as wheel:
        about = "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n"
        wheel.writestr("thing-1.0.dist-info/METADATA", about)
        wheel.writestr("thing-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n")
        wheel.writestr("thing-1.0.dist-info/RECORD", "")
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir",
         "--proxy", gate.address(), "--index-url", f"{url}/simple", "--trusted-host",
         "origin.test", "--dest", str(tmp_path / "got"), "thing"],
        capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"]},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "got" / name).read_bytes() == (root / name).read_bytes()
