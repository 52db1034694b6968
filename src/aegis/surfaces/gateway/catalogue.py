"""`GET /v1/models` and `GET /v1/models/{id}`: what the providers name and the key may use.

Nobody upstream is asked: what a glob covers is served, and not listed.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from .errors import Failure
from .turn import JSON
from .wire import encode

if TYPE_CHECKING:
    from ...kernel.runtime import Runtime
    from ...model import Principal
    from .turn import Turn


async def listed(runtime: Runtime, turn: Turn, principal: Principal) -> None:
    """All models."""
    await turn.whole(200, [JSON], encode({"object": "list", "data": _models(runtime, principal)}))


async def single(runtime: Runtime, turn: Turn, principal: Principal) -> None:
    """One model by name; names may hold slashes. Raises Failure."""
    name = turn.path.removeprefix("/v1/models/")
    for model in _models(runtime, principal):
        if model["id"] == name:
            await turn.whole(200, [JSON], encode(model))
            return
    raise Failure(
        404,
        f"no provider names a model `{name[:100]}`; GET /v1/models lists those that are named, and "
        "one that a glob of a provider covers is served without being listed",
        "model_not_found",
        param="model",
    )


def _models(runtime: Runtime, principal: Principal) -> list[dict[str, Any]]:
    allowed = principal.models
    return [
        {"id": model, "object": "model", "created": 0, "owned_by": provider}
        for model, provider in dict(runtime.dispatch.models()).items()
        if not allowed or any(fnmatchcase(model, glob) for glob in allowed)
    ]
