"""One call that goes on after its request was answered, and the handle its client has of it.

Source: https://modelcontextprotocol.github.io/ext-tasks/specification/2026-07-28/tasks.html
"""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from . import protocol as rpc

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from .protocol import Frame

    Owner = tuple[str, str, str]

TASK_SECONDS = 86_400.0
"""How long a task is kept, over or not: as long as an approval waits by default, at most."""

POLL_MS = 1_000
"""How soon it is worth asking again, in milliseconds."""


class Task:
    """One call and its handle. It stands where the client's person is asked, too: what is asked
    is told by the handle.
    """

    def __init__(self, owner: Owner, work: Coroutine[Any, Any, Frame]) -> None:
        self.id = secrets.token_urlsafe(24)
        self.owner = owner
        self.message = ""
        self.detached = asyncio.Event()
        self.created = self.updated = _now()
        self.open: tuple[str, Frame] | None = None
        self.timer: asyncio.TimerHandle | None = None
        self._asked = 0
        self._answer: asyncio.Future[Frame] | None = None
        self._one = asyncio.Lock()
        self.work = asyncio.get_running_loop().create_task(work)
        self.work.add_done_callback(self._over)

    def detach(self, message: str = "") -> None:
        """The request is answered with the handle; `message` says why it takes longer."""
        self.message = message
        self.updated = _now()
        self.detached.set()

    async def ask(self, method: str, params: Frame) -> Frame:
        """What the client's person answers."""
        async with self._one:
            self._asked += 1
            self._answer = asyncio.get_running_loop().create_future()
            self.open = (f"input-{self._asked}", {"method": method, "params": params})
            self.detach(self.message)
            try:
                return await self._answer
            finally:
                self.open = None

    def answered(self, responses: Any) -> None:
        """Take the answer to what is asked now; others are dropped."""
        answer = responses.get(self.open[0]) if self.open and isinstance(responses, dict) else None
        if isinstance(answer, dict) and self._answer is not None and not self._answer.done():
            self._answer.set_result(answer)
            self.updated = _now()

    def shown(self) -> Frame:
        """The handle as it is now (`DetailedTask`)."""
        body: Frame = {
            "taskId": self.id,
            "status": "working",
            "createdAt": self.created,
            "lastUpdatedAt": self.updated,
            "ttlMs": int(TASK_SECONDS * 1_000),
            "pollIntervalMs": POLL_MS,
        }
        if not self.work.done():
            if self.message:
                body["statusMessage"] = self.message
            if self.open is not None:
                key, request = self.open
                body |= {"status": "input_required", "inputRequests": {key: request}}
        elif self.work.cancelled():
            body["status"] = "cancelled"
        elif (error := self.work.exception()) is not None:
            told = error if isinstance(error, rpc.RpcError) else _broken()
            body |= {"status": "failed", "statusMessage": str(told), "error": told.error()}
        else:
            result = {"resultType": "complete", **self.work.result()}
            body |= {"status": "completed", "result": result}
        return body

    def _over(self, work: asyncio.Task[Frame]) -> None:
        self.updated = _now()
        if not work.cancelled():
            work.exception()  # looked at, so that the loop does not complain about it later


def _broken() -> rpc.RpcError:
    return rpc.RpcError(rpc.INTERNAL, "an unexpected error; the gateway's log names the cause")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
