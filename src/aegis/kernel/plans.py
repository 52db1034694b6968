"""The plan rules of a policy, held against the actions of a session as they come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..model import Decision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..model import Action
    from ..policy import PlanViolation

HISTORY_MAX = 256
"""Actions of a session that sequence rules look back over."""


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
        self._rules = rules
        self._any = bool(rules)
        self._sums = rules.get("cumulative_risk") is not None
        self._sum_name = (rules.get("cumulative_risk") or {}).get("name", "cumulative_risk")

    @property
    def sequences(self) -> bool:
        """Whether any rule is about the order of actions."""
        return self._any and bool(self._rules.get("sequence_patterns"))

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
