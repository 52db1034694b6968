"""The routes of remote actions: bytes of a turn to the handlers of `actions.py` and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .actions import Actions
from .errors import Failure
from .headers import check_encoding
from .turn import JSON

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from ...kernel.runtime import Runtime
    from ...model import Principal
    from .turn import Turn

    Handler = Callable[[Runtime, Turn, Principal], Awaitable[None]]

ACTIONS, AGENTS = "/v1/aegis/actions", "/v1/aegis/agents"


class RemoteRoutes:
    """`routes` and `prefixes` for the gateway's table; `close` when the server ends."""

    def __init__(self) -> None:
        self.actions = Actions()
        self.routes: Mapping[tuple[str, str], Handler] = {
            ("POST", ACTIONS): self._begin,
            ("POST", AGENTS): self._register,
        }
        self.prefixes: Mapping[tuple[str, str], Handler] = {
            ("POST", f"{ACTIONS}/"): self._outcome,
            ("POST", f"{AGENTS}/"): self._status,
        }

    async def close(self) -> None:
        """Give up the actions under way; they are recorded as unknown."""
        await self.actions.close()

    async def _begin(self, runtime: Runtime, turn: Turn, principal: Principal) -> None:
        body = await self._body(runtime, turn)
        await self._answer(turn, await self.actions.begin(runtime, principal, body))

    async def _register(self, runtime: Runtime, turn: Turn, principal: Principal) -> None:
        body = await self._body(runtime, turn)
        await self._answer(turn, await self.actions.register(runtime, principal, body))

    async def _outcome(self, runtime: Runtime, turn: Turn, principal: Principal) -> None:
        name = _between(turn.path, f"{ACTIONS}/", "/outcome")
        body = await self._body(runtime, turn)
        await self._answer(turn, await self.actions.outcome(runtime, principal, name, body))

    async def _status(self, runtime: Runtime, turn: Turn, principal: Principal) -> None:
        name = _between(turn.path, f"{AGENTS}/", "/status")
        body = await self._body(runtime, turn)
        await self._answer(turn, await self.actions.status(runtime, principal, name, body))

    async def _body(self, runtime: Runtime, turn: Turn) -> bytes:
        check_encoding(turn.headers)
        return await turn.read(runtime.settings.limits.body_bytes)

    async def _answer(self, turn: Turn, answer: tuple[int, bytes]) -> None:
        status, body = answer
        await turn.whole(status, (JSON,), body)


def _between(path: str, head: str, tail: str) -> str:
    """The name between two parts of a path. Raises Failure (404) where there is none."""
    name = path.removeprefix(head).removesuffix(tail)
    if not name or not path.endswith(tail):
        raise Failure(404, f"there is no `{path[:100]}` here", "not_found", close=True)
    return name
