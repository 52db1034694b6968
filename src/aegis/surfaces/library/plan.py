"""Plans: several actions with what would be decided about each, and the rules over them all.

A plan is a preview. Executing it decides every action again, by the policy then in force; a
plan made by hand or made long ago permits nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ...model import Action, Decision, Verdict
from ...policy import PlanViolation

if TYPE_CHECKING:
    from collections.abc import Sequence


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


class PlanRuler:
    """The plan rules of a policy, over the actions of a session as they come.

    Sequences count across plans: the same actions sent one by one are the same sequence. Risk
    adds up within a plan.
    """

    def __init__(self, policy: Any) -> None:
        """`policy` may be anything that decides; only a policy document has plan rules."""
        document = getattr(policy, "base", policy)
        self._policy = document
        rules = document.to_dict().get("plan_rules", {}) if hasattr(document, "to_dict") else {}
        self._any = bool(rules)
        self._sums = rules.get("cumulative_risk") is not None
        self._sum_name = (rules.get("cumulative_risk") or {}).get("name", "cumulative_risk")

    def of_plan(self, actions: Sequence[Action]) -> list[PlanViolation]:
        """What a whole plan breaks."""
        return list(self._policy.evaluate_plan(list(actions))) if self._any else []

    def at(
        self, history: Sequence[Action], prefix: Sequence[Action], action: Action
    ) -> list[PlanViolation]:
        """What this action completes, after the session's `history` and the plan's `prefix`."""
        if not self._any:
            return []
        found = [
            violation
            for violation in self._policy.evaluate_plan([*history, action])
            if violation.rule != self._sum_name and violation.involved[-1] is action
        ]
        if self._sums and prefix:
            found += [
                violation
                for violation in self._policy.evaluate_plan([*prefix, action])
                if violation.rule == self._sum_name
            ]
        return found


def as_decision(violations: Sequence[PlanViolation]) -> Decision | None:
    """The strictest of the violations as a decision; None where there are none."""
    if not violations:
        return None
    worst = max(violations, key=lambda violation: (violation.verdict, violation.risk))
    reasons = tuple(f"plan rule `{v.rule}`: {v.description}" for v in violations[:4])
    advice = "leave one of these actions out, or ask a person to approve them"
    return Decision(worst.verdict, worst.risk, worst.rule, "", reasons, advice=advice)
