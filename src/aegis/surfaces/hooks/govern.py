"""Governs one event of an agent's hook.

Before: the call is an action whose performance is handing it to the agent; the decision is on
record before the agent goes on. After: the result is the performance of the same call, decided
already, so only the guards on results have a say, and what came of it is recorded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ...model import Action, AegisError, Decision, RiskLevel, Verdict, joined
from ...tools.dangers import DANGERS
from ...tools.reading import DANGER
from .actions import action_of
from .events import BEFORE, Event, HookError, Reply, allowed, denied, event_of, failed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...kernel.runtime import Runtime
    from ...model import Finding, Outcome

REPORTED = "<reported>"
"""The rule of a decision about a result: the call was decided, and performed by the agent."""

HANDED = {"handed": "to the agent"}
"""What the record of a call holds until its result is reported."""


class ToolFailed(Exception):
    """The tool failed in the agent; the message is the agent's."""


class Reported:
    """Decides what has happened already: nothing is left to permit."""

    def __init__(self, version: str) -> None:
        self.version = version

    def decide(
        self,
        action: Action,
        *,
        now: int = 0,
        findings: Sequence[Finding] = (),
        labels: Sequence[str] = (),
    ) -> Decision:
        """Allow; the guards on results come after."""
        del action, now, findings, labels
        reasons = ("the agent performed it; its result is judged here",)
        return Decision(Verdict.ALLOW, RiskLevel.LOW, REPORTED, self.version, reasons)


def answer(runtime: Runtime, agent: str, body: bytes, project: str = "") -> Reply:
    """What the hook process writes and returns, for an agent in a project. Never raises for what
    an event or the ledger does wrong: the reply refuses.
    """
    try:
        event = event_of(agent, body)
        action = action_of(event, project)
        if event.moment == BEFORE:
            return _before(runtime, event, action)
        return _after(runtime, event, action)
    except (HookError, AegisError) as error:
        return failed(str(error))


def _before(runtime: Runtime, event: Event, action: Action) -> Reply:
    handed: list[Action] = []

    def hand(decided: Action) -> Any:
        handed.append(decided)
        return HANDED

    outcome = runtime.govern(action, hand)
    if not outcome.ok:
        return denied(event, _why(outcome))
    params = {key: value for key, value in handed[0].params.items() if key in event.input}
    return allowed(event, params if params != event.input else None)


def _after(runtime: Runtime, event: Event, action: Action) -> Reply:
    def report(_: Action) -> Any:
        if event.error:
            raise ToolFailed(event.error)
        return event.response

    outcome = _reporting(runtime).govern(action, report)
    if outcome.ok or (event.error and outcome.status == "failed"):
        return allowed(event)
    return denied(event, _why(outcome))


def _reporting(runtime: Runtime) -> Runtime:
    """The runtime for what has happened: same ledger, same guards on results."""
    rules = msgspec.structs.replace(
        runtime.rules, policy=Reported(runtime.rules.policy.version), inputs=()
    )
    return runtime.ruled(rules)


def _why(outcome: Outcome) -> str:
    decision = outcome.decision
    labels = outcome.action.labels
    dangers = [f"it {DANGERS[id]}" for id in DANGERS if DANGER + id in labels]
    said = f"Aegis: {joined((*dangers, *decision.reasons))} (rule `{decision.rule}`)"
    return f"{said}; {decision.advice}" if decision.advice else said
