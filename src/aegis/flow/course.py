"""What is known about an action while it travels, and the record bodies made from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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
    Resource,
    Text,
    Usage,
    Verdict,
)
from .decide import code_of
from .effects import Admission, Append, Settled

PENDING = Decision(Verdict.BLOCK, reasons=("not decided yet",))

ADMITTED = Admission()

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
    texts: Sequence[Text] = ()
    lease: Any = None
    admission: Admission = ADMITTED
    replied: tuple[Text, ...] = ()
    left: tuple[Finding, ...] = ()

    def failed(self, error: Exception) -> None:
        """The performance raised."""
        self.status, self.code, self.error, self.value = "failed", "error", error, None

    def withhold(self, decision: Decision) -> None:
        """Keep a result that may not be delivered."""
        self.decision, self.code = decision, code_of(decision)
        self.status, self.value = "withheld", None

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


def decision_append(course: Course, durability: str = "") -> Append:
    """The record of a decision, as durable as its capability asks for, if nothing else is said.
    Texts pass the redactor; findings carry no text.

    Positional, in the order the fields are declared (by name): this runs once per action, and
    twenty-six keywords would cost more than the rest of it.
    """
    action, decision = course.action, course.decision
    redact = course.rules.redact
    params = course.view.recorded(action)
    description, justification = action.description, action.justification
    return Append(
        "decision",
        action.actor.session,
        DecisionBody(
            action.id,
            action.actor,
            decision.advice,
            course.approval,
            action.time,
            action.capability,
            course.coverage,
            redact(description[:TEXT_MAX]) if description else "",
            action.environment,
            course.findings,
            redact(justification[:TEXT_MAX]) if justification else "",
            action.labels + course.admission.labels,
            decision.near,
            decision.obligations,
            redact(params) if params else None,
            action.parent,
            decision.policy,
            action.protocol,
            decision.reasons,
            _named(action.resources, redact) if action.resources else (),
            _RISK_WORDS[decision.risk],
            decision.rule,
            redact(action.target) if action.target else "",
            action.task,
            action.type,
            _VERDICT_WORDS[decision.verdict],
        ),
        durability or course.rules.durability.get(action.capability, "synced"),
    )


def _named(resources: tuple[Resource, ...], redact: Any) -> tuple[Resource, ...]:
    """The resources as records name them."""
    return tuple(Resource(one.kind, redact(one.name), one.verb) for one in resources)


def outcome_append(course: Course, settled: Settled) -> Append:
    """The record that ends the action, positional like `decision_append`."""
    action, recorded, error = course.action, course.recorded, course.error
    redact = course.rules.redact
    if settled.cost_micros and not course.usage.cost_micros:
        course.usage = msgspec.structs.replace(course.usage, cost_micros=settled.cost_micros)
    return Append(
        "outcome",
        action.actor.session,
        OutcomeBody(
            action.id,
            settled.at,
            course.code,
            course.coverage,
            course.receipt.seq if course.receipt is not None else -1,
            redact(f"{type(error).__name__}: {error}"[:TEXT_MAX]) if error is not None else "",
            course.findings,
            redact(recorded) if recorded is not None else None,
            course.status,
            course.usage,
        ),
        course.rules.durability.get(action.capability, "synced"),
    )


_RISK_WORDS = ("", "low", "medium", "high", "critical")
_VERDICT_WORDS = ("allow", "sanitize", "review", "block")
