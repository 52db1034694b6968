"""`wrap_tools`: whole sets of tools governed at once, whatever framework they are made for."""

from __future__ import annotations

import copy
import functools
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal

from ...kernel.effective import MONITORED
from ...model import CallerError
from .calls import CALLS, keywords
from .monitor import name_of
from .refusals import message, refusal
from .wrap import MARK, Governed, action_of, given, governed

if TYPE_CHECKING:
    from ...model import Action, Outcome

OnBlock = Literal["raise", "message"]
ON_BLOCK = ("raise", "message")

TOOLS_MAX = 10_000
"""Most tools of one set."""

FRAMEWORK = ("callbacks", "config", "run_manager")
"""Arguments that LangChain hands to a tool's function on its own account."""


class _Tool(Governed):
    """A tool's facts."""

    def __init__(self, name: str, on_block: str) -> None:
        super().__init__(name, "", (MONITORED,))
        self._on_block = on_block

    def refused(self, outcome: Outcome) -> Any:
        """Raises, or says so in words that a model can read."""
        if self._on_block == "message":
            return f"Refused by Aegis: {message(outcome)}"
        raise refusal(outcome)


def wrap_tools(tools: Any, *, on_block: OnBlock = "raise") -> Any:
    """The tools, governed: a list (or tuple) of functions and LangChain tools, or a mapping of
    names to functions. What came is left as it is; copies are returned in the same shape.

    A call is decided like that of a `@monitor` tool of the same name. With `on_block="message"` a
    refused call returns a sentence for the model instead of raising. Raises CallerError for what
    is no tool.
    """
    if on_block not in ON_BLOCK:
        raise CallerError(f"`on_block` is one of {', '.join(ON_BLOCK)}, not `{on_block}`")
    if isinstance(tools, Mapping):
        _bound(len(tools))
        return {name: _wrapped(tool, str(name), on_block) for name, tool in tools.items()}
    if isinstance(tools, (list, tuple)):
        _bound(len(tools))
        wrapped = [_wrapped(tool, "", on_block) for tool in tools]
        return wrapped if isinstance(tools, list) else tuple(wrapped)
    raise CallerError(f"tools are a list or a mapping, not {tools!r:.80}")


def _bound(count: int) -> None:
    if count > TOOLS_MAX:
        raise CallerError(f"at most {TOOLS_MAX} tools at once")


def _wrapped(tool: Any, name: str, on_block: str) -> Any:
    base = _langchain_tool()
    if base is not None and isinstance(tool, base):
        return _governed_tool(tool, base, name or tool.name, on_block)
    if not callable(tool):
        raise CallerError(f"{tool!r:.80} is no tool: it cannot be called")
    return governed(tool, _Tool(name or name_of(tool), on_block))


def _langchain_tool() -> Any:
    """LangChain's class of tools, if the program uses LangChain."""
    module = sys.modules.get("langchain_core.tools")
    return getattr(module, "BaseTool", None)


_passing: ContextVar[int] = ContextVar("aegis_tool_passing", default=0)
"""The tool whose async form is being performed: where that calls its sync form, it is the same
call, and is not decided twice."""


def _governed_tool(tool: Any, base: Any, name: str, on_block: str) -> Any:
    """A copy of a LangChain tool whose `_run` and `_arun` are governed."""
    kind = type(tool)
    if getattr(kind, MARK, None) is not None:
        return tool
    wrapping = _Tool(name, on_block)

    def _run(self: Any, *args: Any, **kwargs: Any) -> Any:
        if _passing.get() == id(self):
            _passing.set(0)
            return kind._run(self, *args, **kwargs)
        call = keywords(args, kwargs, FRAMEWORK)
        action = action_of(wrapping, call.params, monitored=True)

        def perform(decided: Action) -> Any:
            args, kwargs = call.arguments(decided.params)
            return kind._run(self, *args, **kwargs)

        return given(wrapping, wrapping.governor().govern(action, perform, CALLS))

    async def _arun(self: Any, *args: Any, **kwargs: Any) -> Any:
        call = keywords(args, kwargs, FRAMEWORK)
        action = action_of(wrapping, call.params, monitored=True)

        async def perform(decided: Action) -> Any:
            args, kwargs = call.arguments(decided.params)
            token = _passing.set(id(self))
            try:
                return await kind._arun(self, *args, **kwargs)
            finally:
                _passing.reset(token)

        return given(wrapping, await wrapping.governor().agovern(action, perform, CALLS))

    # LangChain reads signatures and annotations to learn what to hand over
    functools.update_wrapper(_run, kind._run)
    functools.update_wrapper(_arun, kind._arun)
    made = copy.copy(tool)
    body = {"_run": _run, MARK: wrapping, "__module__": kind.__module__}
    if kind._arun is not base._arun:  # LangChain's own form calls `_run`, on a thread
        body["_arun"] = _arun
    object.__setattr__(made, "__class__", type(kind.__name__, (kind,), body))
    return made
