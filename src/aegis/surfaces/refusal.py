"""A refusal in words and as a value, as every surface that answers over a wire tells it.

Clients learn which rule refused, under which policy, why, and what to do next. Of a fault of Aegis
itself they learn only the kind: the rest may name this machine's files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from ..flow.decide import ERROR_RULE
from ..model import RiskLevel, joined, shown

if TYPE_CHECKING:
    from ..model import Decision, Outcome

REFUSALS = {
    "policy": (403, "policy_violation"),
    "guard": (403, "guard_violation"),
    "killed": (403, "agent_disabled"),
    "identity": (403, "identity_refused"),
    "limit": (429, "rate_limit_exceeded"),
    "denied": (403, "approval_denied"),
    "expired": (403, "approval_expired"),
}
"""Status and code over HTTP (RFC 9110, 15.5) by the kind of refusal an Outcome names."""

FAULTS = (
    "the ledger failed",
    "the outcome could not be recorded",
    "the policy failed",
    "no approval could be obtained",
    "break-glass",
)
"""How reasons begin that tell a fault of Aegis itself; what follows may name this machine's
files, and is for the log."""

GUARD_FAULT = "could not run"
"""What such a reason says of a guard."""


def shareable(decision: Decision) -> Decision:
    """The decision as a client may see it: of a fault of Aegis itself, only the kind."""
    reasons = tuple(_kind(reason, decision) for reason in decision.reasons)
    return decision if reasons == decision.reasons else replace(decision, reasons=reasons)


def _kind(reason: str, decision: Decision) -> str:
    kind, colon, _ = reason.partition(": ")
    if not colon or not (
        kind in FAULTS
        or (kind.startswith("guard `") and kind.endswith(GUARD_FAULT))
        or (decision.rule == ERROR_RULE and decision.risk is RiskLevel.CRITICAL)
    ):
        return reason
    if kind == "break-glass":
        return f"{kind}: a safeguard failed"
    return f"{kind} (the server's log names the cause)"


def said(decision: Decision) -> str:
    """A refusal as one sentence: who refused, why, what to do next."""
    decision = shareable(decision)
    why = joined(decision.reasons) or "refused"
    text = f"refused by rule `{decision.rule}`: {why}"
    return shown(f"{text}; {decision.advice}" if decision.advice else text)


def about(outcome: Outcome) -> dict[str, Any]:
    """What the `aegis` object of an error says."""
    decision = shareable(outcome.decision)
    kept: dict[str, Any] = {
        "action": outcome.action.id,
        "status": outcome.status,
        "verdict": decision.verdict.word,
        "rule": decision.rule,
        "policy": decision.policy,
        "reasons": list(decision.reasons),
        "advice": decision.advice,
        "stage": "output" if outcome.status == "withheld" else "input",
    }
    if outcome.receipt is not None:
        kept["record"] = outcome.receipt.seq
    if outcome.approval:
        kept["approval"] = outcome.approval
    return kept
