"""Agents and their lists, the kill switch, and approvals asked for by hand."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, Unpack

from ...kernel.effective import MONITORED, NO_AGENT, check_agent
from ...kernel.state import Agent
from ...model import Action, Actor, ApprovalTimeout, CallerError
from ...policy.fields import field_of, keys_of
from . import process
from .approvals import user
from .calls import CALLS
from .context import agent_context, named

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Iterable, Mapping

    from ...model import Decision

F = TypeVar("F")

WAIT_SECONDS = 300.0
"""How long `wait_for_approval` waits by default."""

RECORDS_MAX = 1000
"""Most records `show_audit_log` returns."""


class AgentLists(TypedDict, total=False):
    """The lists of an agent: globs over tool names. Two spellings of each."""

    allows: Iterable[str]
    blocks: Iterable[str]
    reviews: Iterable[str]
    allowed_actions: Iterable[str]
    blocked_actions: Iterable[str]
    review_actions: Iterable[str]


def agent(name: str, *, owner: str = "", **lists: Unpack[AgentLists]) -> Callable[[F], F]:
    """Register an agent: `@agent("SupportBot", owner="alice", allows=[...], blocks=[...])`.

    What is on no list waits for a person; `blocks` wins over `allows`. The lists may also be
    given as a dictionary, `@agent("SupportBot", **DECORATOR)`. A class is returned as it is; a
    function acts as the agent whenever it is called.

    Raises CallerError for a bad name, PolicyError for bad lists.
    """
    if not isinstance(name, str):
        raise CallerError('an agent needs a name: `@agent("Name", allows=[...])`')
    register_agent(name, owner, **lists)

    def decorate(subject: F) -> F:
        if inspect.isclass(subject):
            subject.__aegis_agent__ = name  # type: ignore[attr-defined]
            return subject
        acting: F = _acting(subject, name)
        return acting

    return decorate


def register_agent(name: str, owner: str = "", **lists: Unpack[AgentLists]) -> None:
    """Register an agent without decorating anything. Registering again replaces the lists.

    Raises CallerError, PolicyError.
    """
    found: dict[str, tuple[str, ...]] = {}
    for key, globs in lists.items():
        field = field_of("agent", key)
        if field is None or field.name not in ("allow", "block", "review"):
            known = ", ".join(k for k in keys_of("agent") if k not in ("owner", "description"))
            raise CallerError(f"an agent has no `{key}`; its lists are {known}")
        found[field.name] = (*found.get(field.name, ()), *_globs(key, globs))
    made = Agent(named(name), owner, **found)  # type: ignore[arg-type]
    check_agent(made)
    process.register(made)


def _globs(key: str, globs: object) -> tuple[str, ...]:
    if isinstance(globs, str):
        globs = (globs,)
    if not isinstance(globs, (list, tuple, set, frozenset)) or not all(
        isinstance(glob, str) for glob in globs
    ):
        raise CallerError(f"`{key}` is a list of tool names, not {globs!r:.80}")
    return tuple(sorted(globs) if isinstance(globs, (set, frozenset)) else globs)


def kill_agent(name: str, reason: str = "") -> None:
    """Switch an agent off: its next call is refused, in every process on this home."""
    process.current().kill(named(name), by=user(), reason=reason)


def revive_agent(name: str) -> None:
    """Switch an agent on again."""
    process.current().revive(named(name), by=user())


def validate_action(
    agent_name: str, action: str, params: Mapping[str, Any] | None = None, *, target: str = ""
) -> Decision:
    """What would be decided about a call of a tool by an agent. Nothing is performed, asked or
    recorded.
    """
    asked = _asked(agent_name, action, params, target)
    return process.current().govern(asked, _nothing, CALLS, dry=True).decision


def create_approval(
    agent_name: str, action: str, params: Mapping[str, Any] | None = None, *, target: str = ""
) -> str:
    """Ask people to approve a call of a tool by an agent; the approval's id.

    The call itself then needs no other approval, if it is made with the same params before the
    approval expires. Raises BlockedError where the policy refuses it anyway.
    """
    return process.current().file(_asked(agent_name, action, params, target))


def wait_for_approval(approval_id: str, timeout: float = WAIT_SECONDS) -> bool:
    """Whether a person approved, waiting at most `timeout` seconds. An approval waited for is
    used up by that. Raises ApprovalTimeout where nobody answered, CallerError for an unknown id.
    """
    approved = process.current().wait(approval_id, float(timeout))
    if approved is None:
        raise ApprovalTimeout(
            f"nobody answered approval `{approval_id}` within {timeout:g} seconds; "
            f"`aegis approve {approval_id}` does"
        )
    return approved


def decide_approval(
    approval_id: str, decision: str | bool, *, by: str = "", comment: str = ""
) -> None:
    """Answer an approval: `"APPROVED"` or `"DENIED"` (or True, False). Raises CallerError."""
    word = decision.strip().upper() if isinstance(decision, str) else decision
    if word not in (True, False, "APPROVED", "DENIED"):
        raise CallerError(f"an approval is APPROVED or DENIED, not `{decision!r:.40}`")
    approve = word in (True, "APPROVED")
    process.current().answer(approval_id, approve, by=by or user(), comment=comment)


def show_audit_log(agent_name: str = "", limit: int = 50) -> list[dict[str, Any]]:
    """The newest decisions about an agent's actions (of all agents without a name), oldest
    first, as they stand in the ledger. They are returned, not printed.
    """
    return list(process.current().records(agent_name, max(1, min(int(limit), RECORDS_MAX))))


def _asked(agent_name: str, action: str, params: Mapping[str, Any] | None, target: str) -> Action:
    labels = (MONITORED,) if agent_name else (MONITORED, NO_AGENT)
    who = Actor(agent=agent_name)
    return Action(action, target, dict(params or {}), actor=who, labels=labels)


def _nothing(_: Action) -> None:
    """A dry run performs nothing."""


def _acting(function: Any, name: str) -> Any:
    """The function, acting as the agent while it runs; generators at each of their steps."""
    if not callable(function):
        raise CallerError(f"`@agent` is for classes and functions, not {function!r:.80}")
    wrapper = _as_agent(function, name)
    functools.update_wrapper(wrapper, function)
    vars(wrapper)["__aegis_agent__"] = name
    return wrapper


def _as_agent(function: Any, name: str) -> Callable[..., Any]:
    if inspect.isasyncgenfunction(function):

        async def stepping(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            steps = function(*args, **kwargs)
            while True:
                async with agent_context(name):
                    try:
                        item = await anext(steps)
                    except StopAsyncIteration:
                        return
                yield item

        return stepping
    if inspect.isgeneratorfunction(function):

        def iterating(*args: Any, **kwargs: Any) -> Generator[Any, None, Any]:
            steps = function(*args, **kwargs)
            while True:
                with agent_context(name):
                    try:
                        item = next(steps)
                    except StopIteration as stop:
                        return stop.value
                yield item

        return iterating
    if inspect.iscoroutinefunction(function):

        async def awaiting(*args: Any, **kwargs: Any) -> Any:
            async with agent_context(name):
                return await function(*args, **kwargs)

        return awaiting

    def calling(*args: Any, **kwargs: Any) -> Any:
        with agent_context(name):
            return function(*args, **kwargs)

    return calling
