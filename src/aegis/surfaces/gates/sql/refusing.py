"""Refusals as PostgreSQL tells errors: an SQLSTATE, what, why, and what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ....model import Decision, RiskLevel, Verdict
from ...refusal import said, shareable
from . import wire

if TYPE_CHECKING:
    from ....model import Action, Outcome

SQLSTATES = {"limit": "53400", "error": "58030", "abandoned": "57014"}
"""By the kind of refusal an Outcome names: configuration_limit_exceeded, io_error,
query_canceled. Every other is insufficient_privilege (PostgreSQL, appendix "Error Codes")."""

REFUSED = "42501"

MEANING_LABEL = "danger:sql-session"
"""Label of a statement that changes what later ones mean."""

MEANING = Decision(
    Verdict.BLOCK,
    RiskLevel.HIGH,
    "<gate>",
    reasons=("it would change what later statements of this session mean, or who runs them",),
    advice="name schemas in the statement, or log in as another user",
)
"""Whatever a policy says of it: after such a statement, nothing is read as the server would."""


def refusal(outcome: Outcome, severity: str = "ERROR") -> bytes:
    """The error of a statement that was not performed, or whose answer is withheld."""
    code = SQLSTATES.get(outcome.code, REFUSED)
    more = f", record {outcome.receipt.seq}" if outcome.receipt is not None else ""
    more += f", approval {outcome.approval}" if outcome.approval else ""
    if outcome.code == "expired" and outcome.approval:
        hint = f"once somebody ran `aegis approve {outcome.approval}`, send the same again"
        decision = msgspec.structs.replace(outcome.decision, advice=hint)
        return _told(decision, outcome.action, (severity, code), more)
    return _told(outcome.decision, outcome.action, (severity, code), more)


def cut(decision: Decision, action: Action) -> bytes:
    """The error that ends an answer which may not go on."""
    return _told(decision, action, ("ERROR", REFUSED), ", the answer is withheld")


def _told(decision: Decision, action: Action, head: tuple[str, str], more: str) -> bytes:
    decision = shareable(decision)
    text = said(msgspec.structs.replace(decision, advice=""))
    detail = f"action {action.id}, policy {decision.policy}{more}"
    return wire.failure(*head, text, detail, decision.advice)


def brief(raw: bytes) -> bytes:
    """An error or notice that belongs to no judged answer, without what quotes data: its detail,
    hint and context.
    """
    kept = {key: value for key, value in wire.fields_of(raw).items() if key in "SVCMP"}
    return wire.told(raw[:1], kept)
