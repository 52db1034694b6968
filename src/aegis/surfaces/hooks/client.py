"""The hook process: hands the event to the helper of its project, starting it where need be.

An agent waits for this process at every tool call, so it imports next to nothing. Whatever goes
wrong here ends with exit code 2: the tool does not run.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import sys
import time
from typing import IO, Any

WAIT_SECONDS = 45.0
"""How long an answer may take, the start of the helper included. Agents kill hooks after 60
seconds, and then let the tool run; the rest is for starting this process on a laden machine."""

START_SECONDS = 20.0
"""How long the helper may take to open guards and ledger, of those: two seconds on a small
machine."""

POLL_SECONDS = 0.02
"""How often a starting helper's socket is tried."""

REPLY_MAX = 16 * 1024 * 1024
"""Largest reply, in bytes: an event's input, changed."""

_HEAD = struct.Struct(">I")


class Unavailable(Exception):
    """No helper answers; the message says why."""


def run(agent: str, source: str, stdin: IO[bytes], out: IO[str], err: IO[str]) -> int:
    """Answer one event; returns the exit code of the hook."""
    try:
        body = stdin.read()
        reply = json.loads(_asked(agent, source, body))
        out.write(reply["out"])
        err.write(reply["err"])
        return int(reply["code"])
    except (Unavailable, OSError, ValueError, KeyError) as error:
        err.write(f"aegis: the hook cannot decide, so nothing runs: {error}\n")
        return 2


def _asked(agent: str, source: str, body: bytes) -> bytes:
    until = time.monotonic() + WAIT_SECONDS
    path = socket_path(source)
    request = agent.encode() + b"\n" + body
    with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
        return _exchange(path, request, until)
    _start(path, source)
    return _exchange(path, request, until)


def _exchange(path: str, request: bytes, until: float) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(max(until - time.monotonic(), POLL_SECONDS))
        connection.connect(path)
        send(connection, request)
        return receive(connection, REPLY_MAX)


def send(connection: socket.socket, data: bytes) -> None:
    """One message: four bytes of length, then its bytes."""
    connection.sendall(_HEAD.pack(len(data)) + data)


def receive(connection: socket.socket, most: int) -> bytes:
    """One message of at most so many bytes. Raises OSError."""
    (size,) = _HEAD.unpack(_exactly(connection, _HEAD.size))
    if size > most:
        raise OSError(f"a message of {size} bytes is too large")
    return _exactly(connection, size)


def _exactly(connection: socket.socket, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        piece = connection.recv(min(size - len(found), 1 << 20))
        if not piece:
            raise OSError("the connection ended early")
        found += piece
    return bytes(found)


def socket_path(source: str) -> str:
    """The helper's socket: one per configuration and user, in a folder nobody else may enter."""
    import hashlib

    uid = os.getuid()
    folder = os.path.join(os.environ.get("XDG_RUNTIME_DIR") or "/tmp", f"aegis-{uid}")  # noqa: S108 - checked below
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, 0o700)
    status = os.lstat(folder)
    if status.st_uid != uid or status.st_mode & 0o077 or os.path.islink(folder):
        raise Unavailable(f"`{folder}` is not this user's alone; remove it")
    what = f"{source and os.path.realpath(source)}\0{os.getcwd() if not source else ''}"
    return os.path.join(folder, hashlib.sha256(what.encode()).hexdigest()[:16])


def _start(path: str, source: str) -> None:
    """Start the helper and wait until it listens. Raises Unavailable with what it said."""
    import subprocess
    import tempfile

    with tempfile.TemporaryFile() as said:
        command = [sys.executable, "-m", "aegis.surfaces.hooks.resident", path, source, os.getcwd()]
        helper = subprocess.Popen(  # noqa: S603 - this very interpreter
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            start_new_session=True,
        )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if _listening(path):
                return
            code = helper.poll()
            if code:
                said.seek(0)
                reason = said.read(2_000).decode("utf-8", "replace").strip()
                raise Unavailable(reason or f"the helper ended with code {code}")
            time.sleep(POLL_SECONDS)
    raise Unavailable(f"the helper did not start within {START_SECONDS:.0f} seconds")


def _listening(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.connect(path)
        except OSError:
            return False
        return True


def main(arguments: list[str]) -> int | None:
    """The exit code of `aegis hook ARGUMENTS`; None where they ask for more than an answer."""
    given: dict[str, Any] = {"--agent": "claude", "--config": ""}
    rest = list(arguments)
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        if name not in given or not (equals or rest):
            return None
        given[name] = value if equals else rest.pop(0)
    agent, source = given["--agent"], given["--config"]
    return run(agent, source, sys.stdin.buffer, sys.stdout, sys.stderr)
