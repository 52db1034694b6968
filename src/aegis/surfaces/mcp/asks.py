"""What upstreams with a session ask of clients without one.

A stateless client (2026-07-28) cannot be asked while its request runs: it gets a result that says
which input is required, and sends the request again with the answers. Meanwhile the request goes
on waiting here, under a token that only the same caller can use, and only for the same request.
"""

from __future__ import annotations

import asyncio
import secrets
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from . import protocol as rpc
from .session import ASK_SECONDS, Asker

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from .protocol import Frame

STATE = "aegis:ask:"
"""How the `requestState` of a parked request begins."""

PARKED_MAX = 1_000
"""Most requests that wait for input of a stateless client."""

KEY = "input"
"""The name of the request among `inputRequests`: one is asked at a time."""


class Asks:
    """The requests to one stateless client during one of its own."""

    def __init__(self) -> None:
        self.asked: asyncio.Queue[tuple[str, Frame]] = asyncio.Queue()
        self.answer: asyncio.Future[Frame] | None = None
        self._one = asyncio.Lock()

    async def ask(self, method: str, params: Frame) -> Frame:
        """The client's answer."""
        async with self._one:
            self.answer = asyncio.get_running_loop().create_future()
            self.asked.put_nowait((method, params))
            return await self.answer


class Parked:
    """A request that waits for its client to come back."""

    def __init__(self, task: asyncio.Task[Frame], asker: Asker, bound: str) -> None:
        self.task = task
        self.asker = asker
        self.bound = bound
        loop = asyncio.get_running_loop()
        self.timer = loop.call_later(ASK_SECONDS, task.cancel)


class Parking:
    """The parked requests of one gateway."""

    def __init__(self) -> None:
        self._parked: dict[str, Parked] = {}

    async def run(
        self, asker: Asker, method: str, params: Frame, work: Coroutine[Any, Any, Frame]
    ) -> Frame:
        """The result of a request of a stateless client, or what input it requires."""
        bound = _bound(asker, method, params)
        parked = self._taken(params, bound)
        if parked is None:
            asker.asks = Asks()
            task = asyncio.get_running_loop().create_task(work)
        else:
            work.close()
            parked.timer.cancel()
            task = parked.task
            running, channel = parked.asker, asker.channel
            running.channel, asker = channel, running
            answers = params.get("inputResponses")
            answer = answers.get(KEY) if isinstance(answers, dict) else None
            if asker.asks.answer is not None and not asker.asks.answer.done():
                asker.asks.answer.set_result(answer if isinstance(answer, dict) else {})
        return await self._until(task, asker, bound)

    async def _until(self, task: asyncio.Task[Frame], asker: Asker, bound: str) -> Frame:
        asked = asyncio.get_running_loop().create_task(asker.asks.asked.get())
        try:
            await asyncio.wait((task, asked), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            task.cancel()
            asked.cancel()
            raise
        if task.done():
            asked.cancel()
            return task.result()
        method, params = asked.result()
        if len(self._parked) >= PARKED_MAX:
            task.cancel()
            raise rpc.RpcError(rpc.UNAVAILABLE, f"{PARKED_MAX} requests wait for input already")
        token = secrets.token_urlsafe(24)
        self._parked[token] = Parked(task, asker, bound)
        task.add_done_callback(lambda done: self._over(token, done))
        return {
            "resultType": "input_required",
            "inputRequests": {KEY: {"method": method, "params": params}},
            "requestState": STATE + token,
        }

    def _taken(self, params: Frame, bound: str) -> Parked | None:
        if not resumed(params):
            return None
        token = params["requestState"].removeprefix(STATE)
        parked = self._parked.get(token)
        if parked is None or parked.bound != bound:
            raise rpc.RpcError(
                rpc.INVALID_PARAMS,
                "nothing waits under this `requestState`: it ended, or it belongs to another "
                "request; send the request without it",
            )
        return self._parked.pop(token)

    def _over(self, token: str, task: asyncio.Task[Frame]) -> None:
        self._parked.pop(token, None)
        if not task.cancelled():
            task.exception()  # looked at, so that the loop does not complain about it later

    def close(self) -> None:
        """Give up what is parked."""
        for parked in list(self._parked.values()):
            parked.timer.cancel()
            parked.task.cancel()


def resumed(params: Frame) -> bool:
    """Whether a request says that it goes on with a parked one."""
    state = params.get("requestState")
    return isinstance(state, str) and state.startswith(STATE)


def _bound(asker: Asker, method: str, params: Frame) -> str:
    """What a parked request is bound to: who asks, and what."""
    actor = asker.session.actor
    what = {k: v for k, v in params.items() if k in ("name", "arguments", "uri")}
    who = [actor.principal, actor.agent, actor.session]
    return sha256(rpc.encode([who, method, what])).hexdigest()
