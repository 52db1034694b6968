"""Plans: several actions with what would be decided about each, and the rules over them all.

A plan is a preview. Executing it decides every action again, by the policy then in force; a
plan made by hand or made long ago permits nothing.
"""

from __future__ import annotations

import msgspec

from ...model import Action, Decision, Verdict
from ...policy import PlanViolation


class ExecutionPlan(msgspec.Struct, frozen=True):
    """Actions in order, the decision expected for each, and the plan rules they break."""

    actions: tuple[Action, ...]
    decisions: tuple[Decision, ...] = ()
    plan_violations: tuple[PlanViolation, ...] = ()

    @property
    def has_plan_violations(self) -> bool:
        """Whether a rule over several actions is broken."""
        return bool(self.plan_violations)

    @property
    def has_blocked(self) -> bool:
        """Whether any action would be blocked."""
        return any(decision.verdict is Verdict.BLOCK for decision in self.decisions)

    @property
    def requires_approval(self) -> bool:
        """Whether any action would wait for a person."""
        return any(decision.verdict is Verdict.REVIEW for decision in self.decisions)

    def summary(self) -> str:
        """One line per action, and one per broken plan rule."""
        lines = [
            f"{decision.verdict.word:8} {action.type} {action.target or '-'}  ({decision.rule})"
            for action, decision in zip(self.actions, self.decisions, strict=False)
        ]
        lines += [
            f"{v.verdict.word:8} plan rule {v.rule}: {v.description}" for v in self.plan_violations
        ]
        return "\n".join(lines)
