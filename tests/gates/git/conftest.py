"""The gate as a process, and git clients in front of it."""

import base64
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from aegis.cli import home
from aegis.cli.main import run as command

from .git_server import TOKEN, USER, GitServer

AEGIS = Path(sys.executable).with_name("aegis")
"""The command under test."""

CONFIG = """
home: home
policy: {{ path: policy.yaml }}
approvals: {{ wait_seconds: 0 }}
{more}
gates:
  git:
    {gate}
    upstreams:
      up: {{ url: "{url}", username: {user}, password: {token} }}
"""

ALL = "defaults: { verdict: allow }\nrules: []\n"
"""A policy that allows everything."""

CLEAN = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_AUTHOR_NAME": "dev",
    "GIT_AUTHOR_EMAIL": "dev@example.com",
    "GIT_COMMITTER_NAME": "dev",
    "GIT_COMMITTER_EMAIL": "dev@example.com",
}
"""Variables of every client."""


def run(*words, cwd, ok=True, **env):
    """Run a command; its result, which has to be a success where `ok`."""
    done = subprocess.run(
        [str(word) for word in words], cwd=cwd, capture_output=True, text=True, check=False,
        timeout=60, env={**os.environ, **CLEAN, **env},
    )  # fmt: skip
    assert not ok or done.returncode == 0, done.stderr
    return done


class World:
    """A server with one repository, a gate before it, and a clone that goes through the gate."""

    def __init__(self, folder, policy=ALL, *, more="", gate="", form="sha1"):
        self.folder = folder
        (folder / "srv/acme").mkdir(parents=True)
        self.bare = folder / "srv/acme/site.git"
        run("git", "init", "-q", "--bare", "-b", "main", f"--object-format={form}", self.bare,
            cwd=folder)  # fmt: skip
        run("git", "config", "receive.advertisePushOptions", "true", cwd=self.bare)
        run("git", "config", "uploadpack.allowFilter", "true", cwd=self.bare)
        seed = folder / "seed"
        run("git", "init", "-q", "-b", "main", f"--object-format={form}", seed, cwd=folder)
        self.commit({"README": "hello\n", "src/a.py": "a = 1\n"}, work=seed)
        run("git", "push", "-q", self.bare, "main", cwd=seed)
        login = base64.b64encode(f"{USER}:{TOKEN}".encode()).decode()
        self.server = GitServer(folder / "srv", f"Basic {login}")
        config = CONFIG.format(url=self.server.url, user=USER, token=TOKEN, more=more, gate=gate)
        (folder / "aegis.yaml").write_text(config)
        (folder / "policy.yaml").write_text(policy)
        with home.runtime(folder / "aegis.yaml") as runtime:
            self.key, _ = runtime.keys.create("dev")
        self.gate = None
        self.start()
        self.work = folder / "work"

    def start(self):
        """Start the gate; it says where it listens."""
        self.gate = subprocess.Popen(
            [str(AEGIS), "gate", "git", "--listen", "127.0.0.1:0"],
            cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        line = self.gate.stdout.readline()
        assert "listens on" in line, line + self.gate.stderr.read()
        self.address = line.rpartition(" ")[2].strip()
        self.errors = []
        threading.Thread(target=self._drained, args=(self.gate.stderr,), daemon=True).start()

    def _drained(self, stream):
        self.errors.extend(stream)

    def url(self, key=None):
        """The repository's address through the gate, with a login."""
        return f"http://dev:{key or self.key}@{self.address}/up/acme/site.git"

    def clone(self, *options, work=None):
        """A clone through the gate."""
        work = work or self.work
        run("git", "clone", "-q", *options, self.url(), work, cwd=self.folder)
        return work

    def commit(self, files, message="change", work=None):
        """Commit files (None: deleted); the new commit."""
        work = work or self.work
        for name, text in files.items():
            path = work / name
            if text is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        run("git", "add", "-A", cwd=work)
        run("git", "commit", "-q", "-m", message, "--allow-empty", cwd=work)
        return run("git", "rev-parse", "HEAD", cwd=work).stdout.strip()

    def push(self, *words, work=None, ok=False, **env):
        """Push through the gate."""
        return run("git", "push", *words, cwd=work or self.work, ok=ok, **env)

    def tips(self):
        """Every ref of the server's repository with its object."""
        rows = run("git", "for-each-ref", "--format=%(refname) %(objectname)", cwd=self.bare)
        return dict(row.split(" ") for row in rows.stdout.splitlines())

    def records(self, type="git.push"):
        """The decisions and outcomes about actions of a type, in pairs."""
        out = self.folder / "records.jsonl"
        out.unlink(missing_ok=True)
        self._command("audit", "--format", "jsonl", "--limit", "0", "--out", out)
        rows = [json.loads(line) for line in out.read_text().splitlines()]
        ends = {row["action"]: row for row in rows if row["kind"] == "outcome"}
        begun = [row for row in rows if row["kind"] == "decision" and row["type"] == type]
        return [(row, ends.get(row["action"])) for row in begun]

    def approve(self, id):
        """Agree to what waits."""
        self._command("approve", id, "--as", "somebody")

    def _command(self, *words):
        config = self.folder / "aegis.yaml"
        assert command([*(str(word) for word in words), "--config", str(config)]) == 0

    def stop(self):
        """End the gate in order."""
        if self.gate is not None and self.gate.poll() is None:
            self.gate.terminate()
            assert self.gate.wait(20) == 0, self.errors
        self.server.shutdown()


@pytest.fixture
def make(tmp_path):
    """Makes the one world of a test."""
    made = []

    def build(*args, **options):
        made.append(World(tmp_path, *args, **options))
        return made[0]

    yield build
    for world in made:
        world.stop()
