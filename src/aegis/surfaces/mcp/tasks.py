"""Calls that go on after their request was answered: the tasks extension of 2026-07-28.

A client that declares the extension gets a handle where a call waits for a person, asks its own
person something, or became a task of the upstream. The call goes on here, as the one action it
was: its result is inspected and recorded when it is there, and the client fetches it by the handle.
Source: https://modelcontextprotocol.github.io/ext-tasks/specification/2026-07-28/tasks.html
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from . import protocol as rpc
from .task import TASK_SECONDS, Task

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from .protocol import Frame
    from .session import Asker
    from .task import Owner

TASKS_MAX = 1_000
"""Most tasks kept at once, over or not; where all are under way, a call is answered without one."""

OWN_MAX = 200
"""Most tasks of one caller: what many are made for pushes out no result of others."""


def declared(capabilities: Frame) -> bool:
    """Whether a client, or a server, said that it knows the extension."""
    extensions = capabilities.get("extensions")
    return isinstance(extensions, dict) and isinstance(extensions.get(rpc.TASKS_EXTENSION), dict)


class Tasks:
    """The tasks of one gateway."""

    def __init__(self) -> None:
        self._tasks: dict[str, Task] = {}

    async def run(self, asker: Asker, work: Coroutine[Any, Any, Frame]) -> Frame:
        """The result of a call, or the handle under which it goes on."""
        if not self._room(owner_of(asker)):
            return await work
        task = asker.task = asker.asks = Task(owner_of(asker), work)
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

    def _found(self, asker: Asker, params: Frame) -> Task:
        """The task of a handle. Raises RpcError where the caller has none of that id."""
        if not declared(asker.capabilities):
            raise rpc.RpcError(
                rpc.NO_CAPABILITY,
                f"the client does not declare the extension `{rpc.TASKS_EXTENSION}`",
                {"requiredCapabilities": {"extensions": {rpc.TASKS_EXTENSION: {}}}},
            )
        task = self._tasks.get(rpc.text_of(params, "taskId"))
        if task is None or task.owner != owner_of(asker):
            raise rpc.RpcError(
                rpc.INVALID_PARAMS, "there is no such task: it ended, or another caller has it"
            )
        return task

    async def get(self, asker: Asker, params: Frame) -> Frame:
        """Answer `tasks/get`. Raises RpcError."""
        return self._found(asker, params).shown()

    async def update(self, asker: Asker, params: Frame) -> Frame:
        """Answer `tasks/update`. Raises RpcError."""
        self._found(asker, params).answered(params.get("inputResponses"))
        return {}

    async def cancel(self, asker: Asker, params: Frame) -> Frame:
        """Answer `tasks/cancel`. Raises RpcError."""
        self._found(asker, params).work.cancel()
        return {}

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
        task.timer = asyncio.get_running_loop().call_later(TASK_SECONDS, self._forget, task)

    def _forget(self, task: Task) -> None:
        task.work.cancel()
        self._tasks.pop(task.id, None)
        if task.timer is not None:
            task.timer.cancel()  # it would keep the result until then

    def _room(self, owner: Owner) -> bool:
        """Whether one more can be kept; the caller's oldest that is over makes room, and where all
        callers have too many, the oldest of any.
        """
        own = [task for task in self._tasks.values() if task.owner[0] == owner[0]]
        full = len(self._tasks) >= TASKS_MAX
        if len(own) < OWN_MAX and not full:
            return True
        among = own if len(own) >= OWN_MAX else self._tasks.values()
        over = next((task for task in among if task.work.done()), None)
        if over is None:
            return False
        self._forget(over)
        return True


def owner_of(asker: Asker) -> Owner:
    """Whose task it is."""
    actor = asker.session.actor
    return actor.principal, actor.agent, actor.session
