"""Governed functions: the one wrapper that `monitor`, `guard` and `wrap_tools` put around a
callable.

What is inspected: the arguments before the call and the whole result after it. A generator runs
to its end inside the performance, and its items are handed out once they have been inspected
together; nothing leaves it unread.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Protocol

from ...kernel.effective import NO_AGENT
from ...model import Action, ActionError, CallerError
from . import process
from .calls import CALLS, Signature
from .context import actor, task
from .refusals import refusal, result

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from ...model import Outcome
    from .calls import Call
    from .governor import Governor

ITEMS_MAX = 100_000
"""Most items of a governed generator, which are held until the last one has been inspected."""

MARK = "__aegis_governed__"
"""The attribute of a governed function that holds what it was wrapped with."""


class Wrapping(Protocol):
    """How one function is governed."""

    @property
    def type(self) -> str:
        """The action's type."""
        ...

    @property
    def target(self) -> str:
        """The action's target."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """The action's labels."""
        ...

    def governor(self) -> Governor:
        """Who decides."""
        ...

    def refused(self, outcome: Outcome) -> Any:
        """What a refused call gives; raises where it gives nothing."""
        ...


class Governed:
    """A wrapping with its facts; `refused` raises."""

    def __init__(self, type: str, target: str = "", labels: tuple[str, ...] = ()) -> None:
        self.type = type
        self.target = target
        self.labels = labels

    def governor(self) -> Governor:
        """What decides for the process."""
        return process.current()

    def refused(self, outcome: Outcome) -> Any:
        """Raises the refusal."""
        raise refusal(outcome)


def action_of(wrapping: Wrapping, params: dict[str, Any], *, monitored: bool) -> Action:
    """The action of a call made now."""
    who = actor()
    labels = wrapping.labels
    if monitored and not who.agent:
        labels = (*labels, NO_AGENT)
    return Action(wrapping.type, wrapping.target, params, actor=who, labels=labels, task=task())


def governed(
    function: Any, wrapping: Wrapping, *, monitored: bool = True, skip: Sequence[str] = ()
) -> Any:
    """The function, governed. Sync and async functions, generators, methods, and the objects
    that `staticmethod` and `classmethod` make. A function governed already stays as it is.

    `monitored`: calls outside any agent context are marked. Raises CallerError for what cannot
    be called.
    """
    if isinstance(function, (staticmethod, classmethod)):
        inner = governed(function.__func__, wrapping, monitored=monitored, skip=skip)
        return type(function)(inner)
    if inspect.isclass(function) or not callable(function):
        raise CallerError(
            f"only functions and methods can be governed, not {function!r:.80}; put the decorator "
            "beneath one that makes a tool of the function, or govern the tool with `wrap_tools`"
        )
    if getattr(function, MARK, None) is not None:
        return function
    signature = Signature(function, skip=skip)

    def begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Call, Action]:
        call = signature.bind(args, kwargs)
        return call, action_of(wrapping, call.params, monitored=monitored)

    wrapper = _wrapper(function, wrapping, begin)
    functools.update_wrapper(wrapper, function)
    setattr(wrapper, MARK, wrapping)
    return wrapper


def _wrapper(function: Callable[..., Any], wrapping: Wrapping, begin: Any) -> Callable[..., Any]:
    """The wrapper of the function's own kind."""
    if inspect.isasyncgenfunction(function):
        return _async_generator(function, wrapping, begin)
    if inspect.isgeneratorfunction(function):
        return _generator(function, wrapping, begin)
    if _is_async(function):
        return _coroutine(function, wrapping, begin)

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        call, action = begin(args, kwargs)

        def perform(decided: Action) -> Any:
            args, kwargs = call.arguments(decided.params)
            return function(*args, **kwargs)

        return given(wrapping, wrapping.governor().govern(action, perform, CALLS))

    return wrapper


def _coroutine(function: Callable[..., Any], wrapping: Wrapping, begin: Any) -> Callable[..., Any]:
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        call, action = begin(args, kwargs)

        def perform(decided: Action) -> Any:
            args, kwargs = call.arguments(decided.params)
            return function(*args, **kwargs)

        return given(wrapping, await wrapping.governor().agovern(action, perform, CALLS))

    return wrapper


def _generator(function: Callable[..., Any], wrapping: Wrapping, begin: Any) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Iterator[Any]:
        call, action = begin(args, kwargs)

        def perform(decided: Action) -> list[Any]:
            args, kwargs = call.arguments(decided.params)
            items: list[Any] = []
            for item in function(*args, **kwargs):
                items.append(item)
                _bound(items)
            return items

        items = given(wrapping, wrapping.governor().govern(action, perform, CALLS))
        return (item for item in items or ())

    return wrapper


def _async_generator(
    function: Callable[..., Any], wrapping: Wrapping, begin: Any
) -> Callable[..., Any]:
    async def wrapper(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        call, action = begin(args, kwargs)

        async def perform(decided: Action) -> list[Any]:
            args, kwargs = call.arguments(decided.params)
            items: list[Any] = []
            async for item in function(*args, **kwargs):
                items.append(item)
                _bound(items)
            return items

        items = given(wrapping, await wrapping.governor().agovern(action, perform, CALLS))
        for item in items or ():
            yield item

    return wrapper


def given(wrapping: Wrapping, outcome: Outcome) -> Any:
    """What a governed call gives its caller: the result, or what a refusal gives or raises."""
    if outcome.status in ("performed", "failed"):
        return result(outcome)
    return wrapping.refused(outcome)


def _bound(items: list[Any]) -> None:
    if len(items) > ITEMS_MAX:
        raise ActionError(f"a governed generator gives at most {ITEMS_MAX} items; page through it")


def _is_async(function: Any) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 - asks about the kind, not the ability
    )
