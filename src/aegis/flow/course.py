"""What is known about an action while it travels, and the record bodies made from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ..ledger.record import DecisionBody, OutcomeBody
from ..model import (
    NO_USAGE,
    Action,
    Coverage,
    Decision,
    Finding,
    Outcome,
    Receipt,
    Usage,
    Verdict,
)

if TYPE_CHECKING:
    from .rules import Rules
    from .view import View

PENDING = Decision(Verdict.BLOCK, reasons=("not decided yet",))

TEXT_MAX = 2_000
"""Longest free text (error, justification) in a record, in code points."""


class Course(msgspec.Struct):
    """One action under way. Mutable, private to one flow; the Outcome is made from it."""

    action: Action
    rules: Any
    view: Any
    decision: Decision = PENDING
    findings: tuple[Finding, ...] = ()
    coverage: tuple[Coverage, ...] = ()
    approval: str = ""
    receipt: Receipt | None = None
    status: str = "refused"
    code: str = ""
    value: Any = None
    recorded: Any = None
    error: BaseException | None = None
    usage: Usage = NO_USAGE
    retry_after: float = 0.0

    def saw(self, findings: tuple[Finding, ...], coverage: tuple[Coverage, ...]) -> None:
        """Add what a later inspection found. Coverage keeps the worse account of a guard."""
        if findings:
            self.findings = self.findings + findings
        if coverage and coverage is not self.coverage:
            known = {entry.guard: entry for entry in self.coverage}
            for entry in coverage:
                if entry.guard not in known or entry.status != "ran":
                    known[entry.guard] = entry
            self.coverage = tuple(known.values())

    def outcome(self) -> Outcome:
        """The course as its caller sees it."""
        return Outcome(
            self.action,
            self.status,
            self.decision,
            self.value,
            self.error,
            self.code,
            self.findings,
            self.coverage,
            self.usage,
            self.receipt,
            self.approval,
            self.retry_after,
        )


def decision_body(course: Course) -> DecisionBody:
    """The record of a decision. Texts pass the redactor; findings carry no text."""
    action, decision = course.action, course.decision
    rules: Rules = course.rules
    view: View = course.view
    params = view.recorded(action)
    redact = rules.redact
    return DecisionBody(
        action=action.id,
        actor=action.actor,
        advice=decision.advice,
        approval=course.approval,
        at=action.time,
        capability=action.capability,
        coverage=course.coverage,
        description=redact(action.description) if action.description else "",
        environment=action.environment,
        findings=course.findings,
        justification=redact(action.justification[:TEXT_MAX]) if action.justification else "",
        labels=action.labels,
        near=decision.near,
        obligations=decision.obligations,
        params=redact(params) if params else None,
        parent=action.parent,
        policy=decision.policy,
        protocol=action.protocol,
        reasons=decision.reasons,
        resources=action.resources,
        risk=_RISK_WORDS[decision.risk],
        rule=decision.rule,
        target=redact(action.target) if action.target else "",
        task=action.task,
        type=action.type,
        verdict=_VERDICT_WORDS[decision.verdict],
    )


def outcome_body(course: Course, at: int) -> OutcomeBody:
    """The record of an outcome."""
    rules: Rules = course.rules
    recorded = course.recorded
    error = course.error
    return OutcomeBody(
        action=course.action.id,
        at=at,
        code=course.code,
        coverage=course.coverage,
        decision=course.receipt.seq if course.receipt is not None else -1,
        error=rules.redact(f"{type(error).__name__}: {error}"[:TEXT_MAX]) if error else "",
        findings=course.findings,
        result=rules.redact(recorded) if recorded is not None else None,
        status=course.status,
        usage=course.usage,
    )


_RISK_WORDS = ("", "low", "medium", "high", "critical")
_VERDICT_WORDS = ("allow", "sanitize", "review", "block")
