"""Frames to and from a child process: one JSON object a line on its standard streams.

The child gets the variables a program needs to run at all, and those configured for it; secrets
of this process stay here. What it prints to standard error goes to the log, cleaned.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from typing import TYPE_CHECKING, Any

from ...model import UpstreamError
from . import protocol as rpc

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ...kernel.mcp_settings import McpUpstream
    from .link import Lost, Receive
    from .protocol import Frame

PASSED = (
    "HOME",
    "LANG",
    "LC_ALL",
    "LOGNAME",
    "PATH",
    "SHELL",
    "SYSTEMROOT",
    "TEMP",
    "TERM",
    "TMP",
    "TMPDIR",
    "TZ",
    "USER",
)
"""Variables of this process that a child gets, too."""

LEAVE_SECONDS = 2.0
"""How long a child may take to end once its input is closed, and again once it is told to."""

COMPLAINT_MAX = 2_000
"""Longest line of a child's standard error that is logged, in bytes."""

log = logging.getLogger("aegis.mcp")


class StdioWire:
    """The standard streams of one child process."""

    def __init__(
        self,
        name: str,
        spec: McpUpstream,
        redact: Callable[[Any], Any],
        *,
        frame_max: int = rpc.FRAME_MAX,
    ) -> None:
        self.name = name
        self.spec = spec
        self._redact = redact
        self._frame_max = frame_max
        self._process: asyncio.subprocess.Process | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._receive: Receive | None = None
        self._lost: Lost | None = None

    async def start(self, receive: Receive, lost: Lost) -> None:
        """Start the child. Raises UpstreamError."""
        self._receive, self._lost = receive, lost
        spec = self.spec
        env = {name: os.environ[name] for name in PASSED if name in os.environ}
        try:
            self._process = await asyncio.create_subprocess_exec(
                spec.command,
                *spec.args,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={**env, **spec.env},
                cwd=spec.cwd or None,
                limit=self._frame_max,
                start_new_session=os.name == "posix",
            )
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it holds a zero byte"
            raise UpstreamError(
                f"upstream `{self.name}` cannot be started: `{spec.command}`: "
                f"{str(reason).lower()}",
                status=503,
                began=False,
            ) from None
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._complain())]

    async def send(self, frame: Frame) -> None:
        """One line to the child. Raises UpstreamError."""
        stdin = self._process.stdin if self._process is not None else None
        if stdin is None or stdin.is_closing():
            raise UpstreamError(f"upstream `{self.name}` is not running", status=503, began=False)
        try:
            stdin.write(rpc.encode(frame) + b"\n")
            if stdin.transport.get_write_buffer_size():
                async with asyncio.timeout(self.spec.timeout_seconds):
                    await stdin.drain()
        except (ConnectionError, RuntimeError) as error:
            raise UpstreamError(f"upstream `{self.name}` takes no more input") from error
        except TimeoutError:
            raise UpstreamError(f"upstream `{self.name}` does not read", status=504) from None

    def greeted(self, revision: str) -> None:
        """A pipe carries every revision alike."""

    def listed(self, tools: Mapping[str, Frame]) -> None:
        """Nothing here depends on what the tools are."""

    async def close(self) -> None:
        """End the child: its input first, then a request to end, then by force."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        for number in (0, signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
            if number:
                _signal(process, number)
            try:
                await asyncio.wait_for(process.wait(), LEAVE_SECONDS)
                break
            except TimeoutError:
                continue
        _signal(process, getattr(signal, "SIGKILL", signal.SIGTERM))  # what it started itself
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _read(self) -> None:
        process = self._process
        if process is None or process.stdout is None or self._receive is None:
            return
        reason = ""
        while not reason:
            try:
                line = await process.stdout.readline()
            except ValueError:
                reason = f"sent a line of more than {self._frame_max} bytes"
                break
            if not line:
                break
            if line.isspace():
                continue
            try:
                frame = rpc.decode(line)
            except rpc.RpcError as error:
                self._unreadable(line, error)
            else:
                self._receive(frame, None)
        if reason:
            _signal(process, signal.SIGTERM)
        code = await process.wait()
        if self._lost is not None:
            how = reason or (f"ended with exit code {code}" if code >= 0 else f"died ({-code})")
            self._lost(f"upstream `{self.name}` {how}", None)

    def _unreadable(self, line: bytes, error: rpc.RpcError) -> None:
        """A line that is no frame: noise, or an answer that somebody waits for in vain."""
        request = rpc.id_near(line) if line.startswith(b"{") else None
        if isinstance(request, int) and self._lost is not None:
            self._lost(f"upstream `{self.name}` answered no frame: {error}", request)
        else:
            log.warning("upstream `%s` printed a line that is no frame", self.name)

    async def _complain(self) -> None:
        """Log what the child prints to standard error, without the secrets it was given."""
        process = self._process
        if process is None or process.stderr is None:
            return
        while True:
            try:
                line = await process.stderr.readline()
            except ValueError:
                continue  # a line beyond the limit: the reader dropped it
            if not line:
                return
            text = line[:COMPLAINT_MAX].decode("utf-8", "replace").rstrip()
            for value in self.spec.env.values():
                text = text.replace(value, "***") if len(value) > 3 else text
            if text:
                log.info("upstream `%s`: %s", self.name, self._redact(text))


def _signal(process: asyncio.subprocess.Process, number: int) -> None:
    """Signal a child and what it started: it leads a process group of its own."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, number)
        elif process.returncode is None:
            process.send_signal(number)
