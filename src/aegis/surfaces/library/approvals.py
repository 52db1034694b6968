"""Who is asked when a policy wants a person: handlers that answer in this process.

Without a handler, a terminal is asked if there is one; otherwise the request waits on the
approval desk, where `aegis approve ID` in another process answers it. Whoever answers, request
and answer are on record, with the channel they came through.
"""

from __future__ import annotations

import asyncio
import getpass
import inspect
import os
import select
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any

import msgspec

from ...approval import words
from ...flow import Answer
from ...model import Action, CallerError, Decision, shown
from .events import log, tell

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ...flow import Ask

HANDLER_SECONDS = 1800.0
"""How long a handler may take before the request counts as expired."""


class PendingDecision(Decision, frozen=True):
    """A decision that waits for a person, the action it is about, and the request's id."""

    action: Action = Action("")
    request: str = ""


class ApprovalHandler:
    """Answers approvals. Override `request_approval`."""

    channel = "handler"

    async def request_approval(self, decision: PendingDecision) -> bool:
        """True where the action may happen. Anything but True, `"yes"` included, denies."""
        raise NotImplementedError(f"`{type(self).__name__}` has no `request_approval`")

    @property
    def by(self) -> str:
        """Who answers, as it stands in the record."""
        return type(self).__name__


class AutoApprovalHandler(ApprovalHandler):
    """Approves everything. The record says that nobody was asked."""

    channel = "auto"

    async def request_approval(self, decision: PendingDecision) -> bool:
        """True."""
        return True

    @property
    def by(self) -> str:
        """Nobody in particular."""
        return "auto"


class CallbackApprovalHandler(ApprovalHandler):
    """Asks a function, plain or async: `callback(decision) -> bool`."""

    channel = "callback"

    def __init__(self, callback: Callable[[PendingDecision], bool | Awaitable[bool]]) -> None:
        if not callable(callback):
            raise CallerError(f"a callback has to be callable, not {callback!r:.80}")
        self._callback = callback

    async def request_approval(self, decision: PendingDecision) -> bool:
        """The callback's answer; only True approves."""
        answer = self._callback(decision)
        if inspect.isawaitable(answer):
            answer = await answer
        return answer is True

    @property
    def by(self) -> str:
        """The callback's name."""
        return getattr(self._callback, "__qualname__", type(self._callback).__name__)


class CLIApprovalHandler(ApprovalHandler):
    """Asks on the terminal; no answer, or the end of the input, denies."""

    channel = "terminal"

    async def request_approval(self, decision: PendingDecision) -> bool:
        """What the person typed: `y` or `yes` approves."""
        return await asyncio.to_thread(self._prompt, decision)

    @property
    def by(self) -> str:
        """The user of this machine."""
        return user()

    def _prompt(self, decision: PendingDecision) -> bool:
        action = decision.action
        lines = [
            "",
            f"aegis: {action.type} on {action.target or '-'} needs your approval",
            f"  agent   {action.actor.agent or '-'}",
            f"  params  {_shown(action.params)}",
            f"  rule    {decision.rule}  risk {decision.risk.name.lower()}",
            *(f"  why     {reason}" for reason in decision.reasons),
            "approve? [y/N] ",
        ]
        print("\n".join(map(shown, lines)), end="", flush=True)
        return words.answer(_line(HANDLER_SECONDS)) is True


HANDLER: ContextVar[tuple[ApprovalHandler, asyncio.AbstractEventLoop | None] | None] = ContextVar(
    "aegis_approval_handler", default=None
)
"""The handler of the call under way, and the event loop it belongs to."""

_default: ApprovalHandler | None = None


def set_default(handler: ApprovalHandler | None) -> None:
    """The handler of calls that bring none. Raises CallerError for anything else."""
    global _default
    if handler is not None and not hasattr(handler, "request_approval"):
        raise CallerError("an approval handler needs `async request_approval(decision) -> bool`")
    _default = handler


def ask(effect: Ask) -> Answer | None:
    """Answer an approval in this process; None leaves it to the desk."""
    tell(effect.action, effect.decision, "REVIEW")
    handler, loop = HANDLER.get() or (_default, None)
    if handler is None:
        if not _terminal():
            return None
        handler = CLIApprovalHandler()
    pending = _pending(effect)
    try:
        answer = _run(lambda: handler.request_approval(pending), loop)
    except TimeoutError:
        return _answer(handler, "expired", f"no answer within {HANDLER_SECONDS:.0f} seconds")
    except Exception as error:
        log.warning("approval handler `%s` failed", handler.__class__.__name__, exc_info=True)
        return _answer(handler, "denied", f"the handler failed: {type(error).__name__}")
    if answer is True:
        comment = "approved automatically, nobody was asked" if _auto(handler) else ""
        return _answer(handler, "approved", comment)
    if answer is not False:
        return _answer(handler, "denied", f"the handler answered {answer!r:.80}, not True or False")
    return _answer(handler, "denied", "")


def user() -> str:
    """The user of this machine, as records name people who answer here."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return f"uid-{os.getuid()}" if hasattr(os, "getuid") else "local"


def run_coroutine(make: Callable[[], Any]) -> Any:
    """The result of a coroutine, from a thread that may or may not have a running loop."""
    if _running() is None:
        return asyncio.run(_bounded(make))
    # a loop cannot be entered twice: this one waits while another thread runs the coroutine
    context = copy_context()
    with ThreadPoolExecutor(1, "aegis-approval") as pool:
        return pool.submit(context.run, asyncio.run, _bounded(make)).result()


def _run(make: Callable[[], Any], loop: asyncio.AbstractEventLoop | None) -> Any:
    if loop is not None and loop.is_running() and loop is not _running():
        future = asyncio.run_coroutine_threadsafe(_bounded(make), loop)
        return future.result()
    return run_coroutine(make)


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


async def _bounded(make: Callable[[], Any]) -> Any:
    answer = make()
    if inspect.isawaitable(answer):
        async with asyncio.timeout(HANDLER_SECONDS):
            return await answer
    return answer


def _pending(effect: Ask) -> PendingDecision:
    fields = {name: getattr(effect.decision, name) for name in Decision.__struct_fields__}
    return PendingDecision(**fields, action=effect.action, request=effect.approval)


def _answer(handler: ApprovalHandler, state: str, comment: str) -> Answer:
    by = str(getattr(handler, "by", type(handler).__name__))[:200]
    channel = str(getattr(handler, "channel", "handler"))[:40]
    return Answer(state, by, comment, channel, time.time_ns() // 1000)


def _auto(handler: ApprovalHandler) -> bool:
    return getattr(handler, "channel", "") == AutoApprovalHandler.channel


def _terminal() -> bool:
    try:
        return sys.stdin.isatty()
    except (AttributeError, ValueError):
        return False


def _line(seconds: float) -> str:
    """One line from the terminal; empty where none came in time."""
    try:
        if os.name == "posix" and not select.select([sys.stdin], [], [], seconds)[0]:
            return ""
        return sys.stdin.readline()
    except (OSError, ValueError):
        return ""


def _shown(params: Any) -> str:
    text = msgspec.json.encode(params, enc_hook=lambda value: repr(value)[:200]).decode()
    return "".join(char if char.isprintable() else "�" for char in text[:2000])
