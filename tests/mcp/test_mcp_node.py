"""Servers and a client from the npm registry: the reference servers, the official TypeScript SDK.

They are installed once into a cache of their own, at exact versions; without npm, Node or the
registry the tests are skipped and say so.
"""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from .conftest import AEGIS, Place, Server

HERE = Path(__file__).parent
PACKAGES = (
    "@modelcontextprotocol/server-everything@2026.8.31",
    "@modelcontextprotocol/server-filesystem@2026.8.31",
    "@modelcontextprotocol/sdk@1.32.2",
)
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aegis-tests"


def installed():
    """The `node_modules` of the packages. Skips where they cannot be had."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("npm and Node are not installed: the reference servers were not tried")
    versions = "-".join(package.rpartition("@")[2] for package in PACKAGES)
    place = CACHE / f"mcp-{versions}"
    if not place.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=CACHE))
        options = ["--ignore-scripts", "--no-audit", "--no-fund", "--silent", "--prefix", fresh]
        done = subprocess.run(
            [npm, "install", *options, *PACKAGES], capture_output=True, text=True, check=False
        )
        if done.returncode:
            shutil.rmtree(fresh)
            pytest.skip(f"npm could not install the reference servers: {done.stderr[-200:]}")
        try:
            fresh.rename(place)
        except OSError:
            shutil.rmtree(fresh)  # another process was faster
    return place / "node_modules"


@pytest.fixture(scope="module")
def modules():
    """Where the packages are."""
    return installed()


@pytest.fixture(scope="module")
def served(modules, tmp_path_factory):
    """A gateway over HTTP before the reference servers."""
    place = Place(tmp_path_factory.mktemp("node"))
    work = place.folder / "work"
    work.mkdir()
    (work / "a.txt").write_text("hello there\n")
    (work / ".env").write_text("TOKEN=1\n")
    servers = modules / "@modelcontextprotocol"
    everything = [str(servers / "server-everything/dist/index.js"), "stdio"]
    files = [str(servers / "server-filesystem/dist/index.js"), str(work)]
    place.config.write_text(
        "upstreams:\n"
        f"  every: {{ command: node, args: {json.dumps(everything)} }}\n"
        f"  files: {{ command: node, args: {json.dumps(files)} }}\n"
        "policy:\n"
        "  defaults: { approval: auto }\n"
        "  rules:\n"
        "    - { name: secrets, match: { target: '**/.env' }, approval: block }\n"
        "    - { name: writes, match: { type: 'files__*', capability: write }, approval: block }\n"
        "log: { format: text }\n"
    )
    server = Server(place)
    server.place, server.work = place, work
    yield server
    server.end()


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["stdio", "http", "sse"])
def test_the_typescript_sdk_uses_the_reference_servers(served, modules, kind):
    command = [*AEGIS, "mcp", "run", "--config", str(served.place.config)]
    script = [str(HERE / "client.mjs"), str(modules), str(served.work), kind, served.url]
    done = subprocess.run(
        ["node", *script, served.key, *command],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        cwd=served.place.folder,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["server"] == "aegis"
    assert {"every__get-sum", "files__read_text_file"} <= set(seen["tools"])
    assert "files__write_file" not in seen["tools"]
    assert "every__simple-prompt" in seen["prompts"]
    assert seen["resources"] > 0
    assert seen["sum"] == "The sum of 2 and 3 is 5."
    # this SDK drops the last one where it arrives in one read with the answer
    assert seen["steps"][:2] == [1, 2]
    assert "User provided" in seen["elicited"]
    assert "sampled" in seen["sampled"]
    assert seen["file"] == "hello there\n"
    assert seen["secret"] == {"code": 40301, "rule": "secrets"}
    assert seen["prompt"] == 1


@pytest.mark.soak
def test_the_catalogue_knows_the_tools_of_the_reference_servers(served):
    place = served.place
    shown = json.loads(place.aegis("mcp", "tools", "--json", "--config", place.config))
    said = {row["tool"]: row["said_by"] for row in shown}
    assert len(said) > 20
    assert set(said.values()) == {"catalogue/everything", "catalogue/filesystem"}
