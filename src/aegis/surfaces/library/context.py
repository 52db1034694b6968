"""Which agent is acting: a context variable that tasks inherit and threads do not.

    with agent_context("SupportBot"):
        lookup_balance(42)

Contexts nest: the inner agent acts, the outer ones are its delegation chain, and switching any
of them off stops it.
"""

from __future__ import annotations

import functools
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from ...model import Actor, CallerError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Token

P = ParamSpec("P")
R = TypeVar("R")

CHAIN_MAX = 32
"""Deepest nesting of agents; deeper ones are a loop of agents calling one another."""

NAME_MAX = 200
"""Longest name of an agent, in characters."""

_TASK: ContextVar[str] = ContextVar("aegis_task", default="")
_ACTING: ContextVar[tuple[str, ...]] = ContextVar("aegis_agents", default=())


def acting() -> tuple[str, ...]:
    """The names of the acting agents, outermost first; empty outside any context."""
    return _ACTING.get()


def task() -> str:
    """What the acting agent was asked to do; empty where nobody said."""
    return _TASK.get()


def actor(session: str = "") -> Actor:
    """The actor of a call made now."""
    names = _ACTING.get()
    if not names:
        return Actor(session=session)
    return Actor(agent=names[-1], session=session, chain=names[:-1])


def named(name: object) -> str:
    """The name, if an agent can have it. Raises CallerError."""
    if not isinstance(name, str) or not name.strip() or len(name) > NAME_MAX:
        raise CallerError(f"an agent needs a name of 1 to {NAME_MAX} characters, not {name!r:.80}")
    return name


def set_agent_context(name: str) -> Token[tuple[str, ...]]:
    """Act as an agent from here on, until `reset_agent_context`. Raises CallerError."""
    outer = _ACTING.get()
    if len(outer) >= CHAIN_MAX:
        raise CallerError(f"{CHAIN_MAX} agents are nested already; `{outer[-1]}` calls in circles")
    return _ACTING.set((*outer, named(name)))


def reset_agent_context(token: Token[tuple[str, ...]] | None = None) -> None:
    """Go back to what was before the `set_agent_context` that gave the token; without one, act
    for no agent.
    """
    if token is None:
        _ACTING.set(())
    else:
        _ACTING.reset(token)


class agent_context:
    """Act as an agent inside a `with` or `async with` block. Raises CallerError for a bad name.

    `task` is what the user asked for, in their words, or the name of a manifest; without one the
    task around it goes on. Its words count as the user's own: never put there what a tool or a
    model said.
    """

    def __init__(self, name: str, task: str = "") -> None:
        self._name = named(name)
        self._task = task
        self._tokens: list[tuple[Token[tuple[str, ...]], Token[str]]] = []

    def __enter__(self) -> agent_context:
        acting = set_agent_context(self._name)
        self._tokens.append((acting, _TASK.set(self._task or _TASK.get())))
        return self

    def __exit__(self, *_: object) -> None:
        acting, task = self._tokens.pop()
        _TASK.reset(task)
        reset_agent_context(acting)

    async def __aenter__(self) -> agent_context:
        return self.__enter__()

    async def __aexit__(self, *_: object) -> None:
        self.__exit__()


def carry_context(function: Callable[P, R]) -> Callable[P, R]:
    """The function, acting as the agent that acts now, in whatever thread it is called.

    Threads start with no context of their own: hand them `carry_context(work)` instead of `work`.
    """
    names, task = _ACTING.get(), _TASK.get()

    @functools.wraps(function)
    def carried(*args: Any, **kwargs: Any) -> Any:
        tokens = _ACTING.set(names), _TASK.set(task)
        try:
            return function(*args, **kwargs)
        finally:
            _ACTING.reset(tokens[0])
            _TASK.reset(tokens[1])

    return carried
