"""`@monitor`: a tool whose calls are decided by the acting agent's lists and the policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from ...kernel.effective import MONITORED
from ...model import CallerError
from .wrap import Governed, governed

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")


@overload
def monitor(function: F, /) -> F: ...
@overload
def monitor(name: str = "", *, target: str = "") -> Callable[[F], F]: ...
def monitor(name: Any = "", *, target: str = "") -> Any:
    """Govern a tool: `@monitor`, `@monitor()`, `@monitor("tool name")` or `@monitor(name=…)`.

    Its name is what agents' lists and rules match as the action's type; without one it is the
    function's. Refusals raise BlockedError and its kinds; the function is then not called. A call
    outside any `agent_context` waits for a person, unless a rule says otherwise.
    """
    if isinstance(name, str):
        return lambda function: _monitored(function, name, target)
    return _monitored(name, "", target)


def _monitored(function: Any, name: str, target: str) -> Any:
    return governed(function, Governed(name or name_of(function), target, (MONITORED,)))


def name_of(function: Any) -> str:
    """What a callable is called. Raises CallerError where it has no name."""
    function = getattr(function, "__func__", getattr(function, "func", function))
    name = getattr(function, "__name__", "")
    if not isinstance(name, str) or not name:
        raise CallerError(f'{function!r:.80} has no name; give one: `@monitor("name")`')
    return name
