"""Outcomes as Python knows them: a result, or the exception that says why there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...model import (
    ApprovalDenied,
    ApprovalTimeout,
    BlockedError,
    GuardrailError,
    KillSwitchError,
    LimitError,
    joined,
    shown,
)

if TYPE_CHECKING:
    from ...model import Outcome

_OF_CODE: dict[str, type[BlockedError]] = {
    "denied": ApprovalDenied,
    "expired": ApprovalTimeout,
    "guard": GuardrailError,
    "killed": KillSwitchError,
    "limit": LimitError,
}


def result(outcome: Outcome) -> Any:
    """What the performance returned. Raises what it raised, or the refusal."""
    if outcome.status == "performed":
        return outcome.result
    if outcome.status == "failed" and outcome.error is not None:
        raise outcome.error
    raise refusal(outcome)


def refusal(outcome: Outcome) -> BlockedError:
    """The exception for an outcome that gives no result."""
    kind = _OF_CODE.get(outcome.code, BlockedError)
    details: dict[str, Any] = {
        "code": outcome.code,
        "status": outcome.status,
        "action": outcome.action.id,
    }
    if outcome.retry_after:
        details["retry_after"] = outcome.retry_after
    if outcome.approval:
        details["approval"] = outcome.approval
    return kind(message(outcome), outcome.decision, outcome.findings, **details)


_BEGUN = {
    "withheld": "was performed, and its result is withheld",
    "unknown": "was begun, and how it ended is unknown",
    "failed": "failed",
}


def message(outcome: Outcome) -> str:
    """One sentence: what was refused, by which rule of which policy, why, and what to do next."""
    decision, action = outcome.decision, outcome.action
    what = _BEGUN.get(outcome.status, "was refused")
    agent = f" of agent `{action.actor.agent}`" if action.actor.agent else ""
    text = f"`{action.type}`{agent} {what} by rule `{decision.rule}`"
    if decision.policy:
        text += f" of policy {decision.policy}"
    if decision.reasons:
        text += ": " + joined(decision.reasons)
    return shown(f"{text} ({decision.advice})" if decision.advice else text)
