"""Performing model calls: which provider serves a model, and speaking to it."""

from __future__ import annotations

import re
from fnmatch import translate
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..model import UpstreamError
from .lease import lent_headers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence

    from ..plugin.contracts import Provider


class Unserved(UpstreamError):
    """No provider serves the model."""


class Route:
    """One provider and the models it serves."""

    def __init__(self, name: str, provider: Provider, globs: Sequence[str]) -> None:
        self.name = name
        self.provider = provider
        self.globs = tuple(globs)
        self._serves = [re.compile(translate(glob)).match for glob in globs]

    def serves(self, model: str) -> bool:
        """Whether the model matches one of the globs."""
        return any(match(model) for match in self._serves)


_NONE: Mapping[str, str] = MappingProxyType({})

MEMO_MAX = 1024
"""Model names whose provider is remembered; names are the callers' to choose."""


class Dispatch:
    """The providers, in the order of the configuration; the first that serves a model is asked."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = tuple(routes)
        self._memo: dict[str, Route] = {}

    def route(self, model: Any) -> Route:
        """The provider for the `model` of a request. Raises Unserved, also for what is no name."""
        if model.__class__ is not str:
            model = ""
        route = self._memo.get(model)
        if route is None:
            route = next((r for r in self.routes if r.serves(model)), None)
            if route is None:
                raise Unserved(
                    f"no provider serves the model `{model[:100]}`; GET /v1/models lists those "
                    "that are served",
                    status=404,
                    began=False,
                )
            if len(self._memo) >= MEMO_MAX:
                self._memo.clear()
            self._memo[model] = route
        return route

    def complete(
        self, body: dict[str, Any], headers: Mapping[str, str] = _NONE
    ) -> Awaitable[dict[str, Any]]:
        """One whole answer. Raises UpstreamError."""
        return self.route(body.get("model")).provider.complete(body, headers or lent_headers())

    def stream(
        self, body: dict[str, Any], headers: Mapping[str, str] = _NONE
    ) -> AsyncIterator[dict[str, Any]]:
        """The answer in pieces. Raises UpstreamError."""
        return self.route(body.get("model")).provider.stream(body, headers or lent_headers())

    def models(self) -> list[tuple[str, str]]:
        """(model, provider) for every model the providers name."""
        return [(model, r.name) for r in self.routes for model in r.provider.models()]

    async def close(self) -> None:
        """Close every provider."""
        for route in self.routes:
            await route.provider.close()
