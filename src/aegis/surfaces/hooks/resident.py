"""Keeps one runtime open for the hooks of a project, so that each answers in milliseconds.

Started by the first hook (`client.py`), it listens on a socket that only this user can reach and
ends by itself when nobody has asked for a while. A changed configuration or policy is in force
before the next answer.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socketserver
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ...kernel import config
from ...kernel.build import open_runtime, reload
from ...kernel.reload import Watch
from ...model import AegisError
from .client import WAIT_SECONDS, receive, send
from .events import BODY_BYTES_MAX, Reply, failed
from .govern import answer

if TYPE_CHECKING:
    from ...kernel.config import Loaded
    from ...kernel.runtime import Runtime

IDLE_SECONDS = 900.0
"""How long nobody has to ask before the helper ends: a coffee break does not restart it."""

TICK_SECONDS = 0.5
"""How often it looks whether to end: removing its socket ends it."""

BUSY_MAX = 64
"""Most events under way at once; each may wait for a person. More are refused."""


class Resident(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Answers events, each connection on a thread of its own."""

    daemon_threads = True
    request_queue_size = BUSY_MAX

    def __init__(self, path: str, runtime: Runtime, project: str) -> None:
        self.runtime = runtime
        self.project = project
        self.watch: Watch | None = None
        self.broken = ""
        self.busy = 0
        self.asked = time.monotonic()
        self.lock = threading.Lock()
        super().__init__(path, Handler)

    def serve(self, idle_seconds: float) -> None:
        """Serve until nobody has asked for so long, or the socket is gone."""
        self.timeout = min(idle_seconds, TICK_SECONDS)
        path = Path(str(self.server_address))
        while self.busy or (path.exists() and time.monotonic() - self.asked < idle_seconds):
            self.handle_request()

    def answered(self, request: bytes) -> Reply:
        """The reply to one request: the agent's name, a line feed, the event."""
        with self.lock:
            self.asked = time.monotonic()
            if self.busy >= BUSY_MAX:
                return failed(f"{BUSY_MAX} events are under way already; try again")
            broken = self._broken()
            if broken:
                return failed(broken)
            self.busy += 1
        try:
            agent, _, body = request.partition(b"\n")
            return answer(self.runtime, agent.decode("ascii", "replace"), body, self.project)
        finally:
            with self.lock:
                self.busy -= 1
                self.asked = time.monotonic()

    def told(self, message: str, problem: bool) -> None:
        """What became of a changed configuration."""
        self.broken = message if problem else ""

    def _broken(self) -> str:
        """Why nothing may run: the files on disk are not what is in force. A policy that people
        have taken away, or written wrongly, is not replaced by the one before it.
        """
        if self.watch is None:
            return ""
        self.watch.check()
        gone = [file for file in self.watch.loaded.files if not Path(file).exists()]
        return f"`{gone[0]}` is gone; bring it back" if gone else self.broken


class Handler(socketserver.BaseRequestHandler):
    """One event."""

    def handle(self) -> None:
        """Read it, answer it."""
        server = self.server
        if not isinstance(server, Resident):
            return
        try:
            self.request.settimeout(WAIT_SECONDS)
            request = receive(self.request, BODY_BYTES_MAX + 64)
            send(self.request, msgspec.json.encode(server.answered(request)))
        except OSError:
            return  # the hook went away; without an answer it refuses by itself


def main(path: str, source: str, cwd: str) -> int:
    """Open the runtime and serve; returns the exit code. Says on stderr why it cannot."""
    held = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return 0  # another one serves, or is about to
    os.umask(0o077)
    os.chdir(cwd)
    try:
        found = _load(source)
        runtime = open_runtime(found)
    except AegisError as error:
        print(error, file=sys.stderr)
        return 1
    Path(path).unlink(missing_ok=True)
    _bound(runtime)
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    try:
        with Resident(path, runtime, _project(source)) as resident:
            resident.watch = Watch(
                found, lambda: _load(source), lambda new: _apply(runtime, new), resident.told
            )
            print("ready", flush=True)
            resident.serve(IDLE_SECONDS)
    finally:
        Path(path).unlink(missing_ok=True)
        runtime.close()
    return 0


def _load(source: str) -> Loaded:
    return config.load(source or None, resolve=False)


def _apply(runtime: Runtime, loaded: Loaded) -> None:
    reload(runtime, loaded)
    _bound(runtime)


def _bound(runtime: Runtime) -> None:
    """A person is waited for at most as long as the hook itself waits."""
    desk = runtime.desk
    seconds = min(desk.settings.wait_seconds, WAIT_SECONDS / 2)
    desk.settings = msgspec.structs.replace(desk.settings, wait_seconds=seconds)


def _project(source: str) -> str:
    """The folder that a configuration governs: its own, or the one its `.aegis` lies in."""
    if not source:
        return ""
    folder = Path(source).resolve().parent
    return str(folder.parent if folder.name == ".aegis" else folder)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
