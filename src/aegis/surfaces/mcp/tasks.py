"""Calls that go on after their request was answered: the tasks extension of 2026-07-28.

A client that declares the extension gets a handle where a call waits for a person, asks its own
person something, or became a task of the upstream. The call goes on here, as the one action it
was: its result is inspected and recorded when it is there, and the client fetches it by the handle.
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

    from .hub import Hub
    from .protocol import Frame
    from .session import Asker

EXTENSION = "io.modelcontextprotocol/tasks"

TASKS_MAX = 1_000
"""Most tasks kept at once, over or not; where all are under way, a call is answered without one."""

TASK_SECONDS = 86_400.0
"""How long a task is kept, over or not: as long as an approval waits by default, at most."""

POLL_MS = 1_000
"""How soon it is worth asking again, in milliseconds."""


def declared(capabilities: Frame) -> bool:
    """Whether a client, or a server, said that it knows the extension."""
    extensions = capabilities.get("extensions")
    return isinstance(extensions, dict) and isinstance(extensions.get(EXTENSION), dict)


class Task:
    """One call and its handle. It stands where the client's person is asked, too: what is asked
    is told by the handle.
    """

    def __init__(self, asker: Asker, work: Coroutine[Any, Any, Frame]) -> None:
        self.id = secrets.token_urlsafe(24)
        self.owner = owner_of(asker)
        self.message = ""
        self.detached = asyncio.Event()
        self.created = self.updated = _now()
        self.open: tuple[str, Frame] | None = None
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


class Tasks:
    """The tasks of one gateway."""

    def __init__(self) -> None:
        self._tasks: dict[str, Task] = {}

    async def run(self, asker: Asker, work: Coroutine[Any, Any, Frame]) -> Frame:
        """The result of a call, or the handle under which it goes on."""
        if not self._room():
            return await work
        task = asker.task = asker.asks = Task(asker, work)
        waiting = asyncio.get_running_loop().create_task(task.detached.wait())
        try:
            await asyncio.wait((task.work, waiting), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            task.work.cancel()
            raise
        finally:
            waiting.cancel()
        if task.work.done():
            return task.work.result()
        self._keep(task, asker)
        return {**task.shown(), "resultType": "task"}

    def find(self, asker: Asker, params: Frame) -> Task:
        """The task of a handle. Raises RpcError where the caller has none of that id."""
        if not declared(asker.capabilities):
            raise rpc.RpcError(
                rpc.NO_CAPABILITY,
                f"the client does not declare the extension `{EXTENSION}`",
                {"requiredCapabilities": {"extensions": {EXTENSION: {}}}},
            )
        task = self._tasks.get(rpc.text_of(params, "taskId"))
        if task is None or task.owner != owner_of(asker):
            raise rpc.RpcError(
                rpc.INVALID_PARAMS, "there is no such task: it ended, or another caller has it"
            )
        return task

    def close(self) -> None:
        """Give up what is under way."""
        for task in self._tasks.values():
            task.work.cancel()

    def _keep(self, task: Task, asker: Asker) -> None:
        """Keep a task for its time. What runs keeps its session, which ends it when it ends."""
        self._tasks[task.id] = task
        running = asker.session.running
        running[task] = task.work
        task.work.add_done_callback(lambda _: running.pop(task, None))
        asyncio.get_running_loop().call_later(TASK_SECONDS, self._forget, task)

    def _forget(self, task: Task) -> None:
        task.work.cancel()
        self._tasks.pop(task.id, None)

    def _room(self) -> bool:
        """Whether one more can be kept; the oldest that is over makes room."""
        if len(self._tasks) >= TASKS_MAX:
            over = next((task for task in self._tasks.values() if task.work.done()), None)
            if over is None:
                return False
            self._forget(over)
        return True


async def get(hub: Hub, asker: Asker, params: Frame) -> Frame:
    """Answer `tasks/get`."""
    return hub.tasks.find(asker, params).shown()


async def update(hub: Hub, asker: Asker, params: Frame) -> Frame:
    """Answer `tasks/update`."""
    hub.tasks.find(asker, params).answered(params.get("inputResponses"))
    return {}


async def cancel(hub: Hub, asker: Asker, params: Frame) -> Frame:
    """Answer `tasks/cancel`."""
    hub.tasks.find(asker, params).work.cancel()
    return {}


def owner_of(asker: Asker) -> tuple[str, str, str]:
    """Whose task it is."""
    actor = asker.session.actor
    return actor.principal, actor.agent, actor.session


def _broken() -> rpc.RpcError:
    return rpc.RpcError(rpc.INTERNAL, "an unexpected error; the gateway's log names the cause")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
