"""Rules over several actions together: sequences that may not occur, and risk that adds up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ..model import Action, Approval, Decision, RiskLevel, Verdict
from .fold import NAME_MAX, fold
from .glob import Glob, separators

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class PlanViolation(msgspec.Struct, frozen=True):
    """A plan rule that a plan breaks, and the actions that break it, in order."""

    rule: str
    verdict: Verdict
    risk: RiskLevel
    description: str
    involved: tuple[Action, ...]

    @property
    def rule_name(self) -> str:
        """The rule, under the name of policy files."""
        return self.rule

    @property
    def involved_actions(self) -> tuple[Action, ...]:
        """The actions, under the name of policy files."""
        return self.involved

    @property
    def approval(self) -> Approval:
        """The verdict in the words of policy files."""
        return Approval.of(self.verdict)

    @property
    def risk_level(self) -> RiskLevel:
        """The risk tier."""
        return self.risk


class _Sequence:
    """One sequence pattern. Other actions may lie between its steps."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self.name: str = spec["name"]
        self.steps: list[str] = spec["steps"]
        self.window: int = spec.get("window", 0)
        self.verdict = Verdict.parse(spec.get("verdict", "block"))
        self.risk = RiskLevel[spec.get("risk_level", "critical").upper()]
        self.description: str = spec.get("description", "")
        self._globs: dict[str, list[Glob]] = {}

    def _steps_for(self, protocol: str) -> list[Glob]:
        stops = separators("type", protocol)
        if stops not in self._globs:
            self._globs[stops] = [Glob(step, stops) for step in self.steps]
        return self._globs[stops]

    def find(self, actions: Sequence[Action]) -> tuple[Action, ...]:
        """The actions of the first occurrence; empty for none."""
        last = len(self.steps) - 1
        # best[j]: the occurrence of the first j + 1 steps that started latest
        best: list[tuple[int, ...]] = [()] * len(self.steps)
        for index, action in enumerate(actions):
            name, protocol = fold(action.type[:NAME_MAX]), fold(action.protocol[:NAME_MAX])
            globs = self._steps_for(protocol)
            too_long = len(action.type) > NAME_MAX
            for step in range(last, -1, -1):
                if not (too_long or globs[step].matches(name)):
                    continue
                before = best[step - 1] if step else ()
                if step and not before:
                    continue
                found = (*before, index)
                if not best[step] or found[0] >= best[step][0]:
                    best[step] = found
                if step == last and (not self.window or index - found[0] < self.window):
                    return tuple(actions[i] for i in found)
        return ()


class PlanRules:
    """The plan rules of one policy."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        """From the canonical `plan_rules` section."""
        self.sequences = [_Sequence(pattern) for pattern in spec.get("sequence_patterns", ())]
        self.limit: Mapping[str, Any] | None = spec.get("cumulative_risk")

    def evaluate(
        self, actions: Sequence[Action], decisions: Sequence[Decision]
    ) -> list[PlanViolation]:
        """What the plan breaks: each sequence at most once, then the total risk."""
        out: list[PlanViolation] = []
        for pattern in self.sequences:
            involved = pattern.find(actions)
            if involved:
                said = pattern.description or " then ".join(f"`{s}`" for s in pattern.steps)
                out.append(
                    PlanViolation(pattern.name, pattern.verdict, pattern.risk, said, involved)
                )
        if self.limit is not None:
            total = sum(int(decision.risk) for decision in decisions)
            most = self.limit["max_total_risk"]
            if total > most:
                verdict = Verdict.parse(self.limit.get("verdict", "block"))
                said = f"the plan's risk adds up to {total}; at most {most} is allowed"
                name = self.limit.get("name", "cumulative_risk")
                out.append(PlanViolation(name, verdict, RiskLevel.CRITICAL, said, tuple(actions)))
        return out
