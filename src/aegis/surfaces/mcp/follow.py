"""Answers of upstreams that are not there yet: input they require, and tasks they began.

Both end here, within the performance of the one action that asked: a client that knows neither
waits, and one that knows tasks has a handle of ours meanwhile.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeGuard

from ...model import UpstreamError
from . import protocol as rpc
from .task import TASK_SECONDS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .link import Link
    from .protocol import Frame
    from .session import Asker

    Ask = Callable[[Frame], Awaitable[Any]]

ROUNDS_MAX = 8
"""Most times a stateless upstream may ask for more input in answer to one request."""

PAUSE_SECONDS = (0.1, 30.0)
"""Shortest and longest pause between two looks at a task, whatever the upstream suggests."""

PAUSE_DEFAULT = 1.0
"""The pause where it suggests none, in seconds."""


async def satisfied(link: Link, asker: Asker, method: str, body: Frame, ask: Ask) -> Frame:
    """The final response of an upstream. `ask` asks the client's person what it requires.

    Raises RpcError, UpstreamError.
    """
    for _ in range(ROUNDS_MAX):
        response = await link.exchange(method, body, asker)
        result = response.get("result")
        if not isinstance(result, dict):
            return response
        kind = result.get("resultType")
        if kind == "task":
            return await _followed(link, asker, result, ask)
        # a stateless client without a task is asked by the result itself, and asks again
        if kind != "input_required" or (asker.modern and asker.task is None):
            return response
        answers = await _answers(result.get("inputRequests"), ask)
        body = {**body, "inputResponses": answers, "requestState": result.get("requestState")}
    raise rpc.RpcError(
        rpc.UPSTREAM, f"upstream `{link.name}` asked for input {ROUNDS_MAX} times and had no end"
    )


async def _followed(link: Link, asker: Asker, task: Frame, ask: Ask) -> Frame:
    """The response a task of an upstream ends with; it is cancelled there if it is here."""
    id = task.get("taskId")
    if not isinstance(id, str) or not 0 < len(id) <= rpc.TEXT_MAX:
        raise rpc.RpcError(rpc.UPSTREAM, f"upstream `{link.name}` began a task without an id")
    try:
        async with asyncio.timeout(TASK_SECONDS):
            return await _end_of(link, asker, {"taskId": id}, task, ask)
    except TimeoutError:
        await link.exchange("tasks/cancel", {"taskId": id})
        raise UpstreamError(
            f"a task of upstream `{link.name}` had no end within {TASK_SECONDS:g} seconds; what it "
            "was asked may have happened",
            status=504,
        ) from None
    except asyncio.CancelledError:
        link.later("tasks/cancel", {"taskId": id})
        raise


async def _end_of(link: Link, asker: Asker, params: Frame, task: Frame, ask: Ask) -> Frame:
    told: set[str] = set()
    while True:
        if asker.task is not None:
            message = task.get("statusMessage")
            asker.task.detach(message[:200] if isinstance(message, str) else "")
        status = task.get("status")
        if status == "completed":
            return {"result": task.get("result")}
        if status == "failed":
            return {"error": task.get("error")}
        if status == "cancelled":
            raise rpc.RpcError(rpc.UPSTREAM, f"upstream `{link.name}` cancelled the task")
        if status == "input_required":
            asked = task.get("inputRequests")
            new = {k: v for k, v in asked.items() if k not in told} if _maps(asked) else {}
            if new:
                told |= new.keys()
                answers = await _answers(new, ask)
                await link.request("tasks/update", {**params, "inputResponses": answers})
        await asyncio.sleep(_pause(task.get("pollIntervalMs")))
        task = await link.request("tasks/get", params, asker)


async def _answers(asked: Any, ask: Ask) -> Frame:
    """What the client's person says to each request. Raises RpcError."""
    answers: Frame = {}
    for key, request in asked.items() if _maps(asked) else ():
        answers[key] = await ask(rpc.check({"jsonrpc": "2.0", **request}))
    return answers


def _maps(value: Any) -> TypeGuard[Frame]:
    return isinstance(value, dict) and all(isinstance(each, dict) for each in value.values())


def _pause(suggested: Any) -> float:
    """Seconds until the next look."""
    plain = isinstance(suggested, (int, float)) and not isinstance(suggested, bool)
    least, most = PAUSE_SECONDS
    return min(max(suggested / 1_000, least), most) if plain else PAUSE_DEFAULT
