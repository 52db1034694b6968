"""What the host program can watch: one event per governed call, handed to a hook.

A hook looks on; it never decides. One that raises is logged and never breaks the call.
"""

from __future__ import annotations

import inspect
import logging
from typing import TYPE_CHECKING, Any

import msgspec

from ...model import joined

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...model import Action, Decision, Outcome

log = logging.getLogger("aegis")


class MonitorEvent(msgspec.Struct, frozen=True):
    """What became of a call.

    `status` is `ALLOWED` (it was performed), `BLOCKED`, `KILLED`, `REVIEW` (a person is asked
    now; another event follows), `DENIED`, `EXPIRED`, `FAILED` (it was performed and raised) or
    `UNKNOWN`. `details` are the reasons in one sentence.
    """

    agent: str
    action: str
    status: str
    details: str = ""
    target: str = ""
    rule: str = ""
    policy: str = ""
    id: str = ""

    @property
    def agent_name(self) -> str:
        """The agent's name."""
        return self.agent


_hook: Callable[[MonitorEvent], Any] | None = None

_OF_CODE = {"killed": "KILLED", "denied": "DENIED", "expired": "EXPIRED"}
_OF_STATUS = {"performed": "ALLOWED", "failed": "FAILED", "unknown": "UNKNOWN"}


def set_monitor_hook(hook: Callable[[MonitorEvent], Any] | None) -> None:
    """Hand every event to `hook`; None stops it. It is called in the thread of the call."""
    global _hook
    _hook = hook


def ended(outcome: Outcome) -> None:
    """Tell the hook what became of an action."""
    if _hook is not None:
        status = _OF_STATUS.get(outcome.status) or _OF_CODE.get(outcome.code, "BLOCKED")
        tell(outcome.action, outcome.decision, status)


def tell(action: Action, decision: Decision, status: str) -> None:
    """Hand an event to the hook."""
    if _hook is not None:
        safely(
            _hook,
            MonitorEvent(
                action.actor.agent,
                action.type,
                status,
                joined(decision.reasons),
                action.target,
                decision.rule,
                decision.policy,
                action.id,
            ),
        )


def safely(hook: Callable[..., Any], *args: Any) -> None:
    """Call what looks on; its failure is logged, never the caller's problem."""
    try:
        answer = hook(*args)
        if inspect.iscoroutine(answer):
            answer.close()
            log.warning("the hook %r is async and was not run; give a plain function", hook)
    except Exception:
        log.warning("the hook %r failed and was passed over", hook, exc_info=True)
