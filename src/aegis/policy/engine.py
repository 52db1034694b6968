"""Decides actions. First match wins, and the common case costs one lookup.

Everything that depends only on names is decided once per distinct combination of names and kept
in a row: the rules still in question, each with what is left of it, and the decision that follows
when none of them applies. Names are chosen by callers, so rows are bounded and forgotten oldest
first, by halves.

Three-valued: what cannot be decided makes a restricting rule (review, block) apply and a
permitting one (allow, sanitize) not. Nothing here raises: an error in the engine is a block.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

from ..model import DEFAULT_RULE, UNDECIDED, Decision, RiskLevel, Verdict
from .compile import ATTRIBUTES, STATIC, Compiled, name_of, target_state
from .facts import Facts
from .fold import NAME_MAX, fold, shown
from .glob import forms, separators
from .params import FALSE, TRUE, UNKNOWN
from .trace import (
    Explanation,
    explained,
    near_by_name,
    near_of,
    near_of_steps,
    reasons_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..model import Action, Finding, Near
    from .document import Rule
    from .semantic import SemanticEvaluator

ROWS_MAX = 4_096
"""Most remembered combinations of names; about 2 MB at 20 rules."""

KEY_MAX = 512
"""Most characters of names in a remembered key; longer ones are nobody's regular tool."""

FAILED_RULE = "<error>"
"""The rule name of a block that an error in the engine caused."""

ADVICE = {
    Verdict.REVIEW: "wait for a person's approval, or choose an action the policy allows",
    Verdict.BLOCK: "choose another action, or ask the policy's owner to change rule {rule}",
}
UNREAD_REASON = "what it would do cannot be read to its end, so a person decides"
UNREAD_ADVICE = "write it so that it can be read: one complete, plain command or statement"
NO_RULE_ADVICE = "add a rule that covers this action, or choose one the policy allows"

_Step = tuple["Callable[[str], bool] | None", "Callable[[Facts], int] | None", Compiled]
_Checks = tuple[
    Compiled, "tuple[tuple[str, Callable[[str], bool]], ...]", "Callable[[str], bool] | None"
]


class Row:
    """What one combination of names leaves open: the steps, and who decides when none applies.

    `ready` keeps the decisions that do not vary, by step (len(steps) for the end); `near` the
    rules that a name kept from applying, once somebody asked.
    """

    __slots__ = ("end", "near", "ready", "steps")

    def __init__(self, steps: tuple[_Step, ...], end: Compiled | None) -> None:
        self.steps = steps
        self.end = end
        self.ready: dict[int, Decision] = {}
        self.near: list[tuple[int, Near]] | None = None


class Engine:
    """The compiled rules of one policy."""

    def __init__(
        self,
        rules: Sequence[Rule],
        defaults: tuple[Verdict, RiskLevel, str],
        version: str,
        evaluator: SemanticEvaluator | None,
    ) -> None:
        self.verdict, self.risk, timezone = defaults
        self.version = version
        self.rules = [
            Compiled(rule, index, version, timezone, evaluator)
            for index, rule in enumerate(rules)
            if rule.enabled
        ]
        used = {names.field for compiled in self.rules for names in compiled.static}
        protocols = any(
            compiled.target is not None or any(n.field == "type" for n in compiled.static)
            for compiled in self.rules
        )
        fields = [f for f in STATIC if f in used or f == "type" or (protocols and f == "protocol")]
        self._key: Callable[[Action], Any] = attrgetter(*(ATTRIBUTES.get(f, f) for f in fields))
        self._fields = fields
        # one entry per set of separators, of which there are four
        self._compiled: dict[tuple[str, str], list[_Checks]] = {}
        self._rows: dict[Any, Row] = {}
        self._older: dict[Any, Row] = {}

    def decide(
        self, action: Action, now: int, findings: Sequence[Finding], labels: Sequence[str]
    ) -> Decision:
        """The decision. Never raises; an error inside is a block that says so."""
        try:
            key = self._key(action)
            row = self._rows.get(key)
            if row is None:
                row = self._row(key, action)
            steps = row.steps
            if not steps:
                decision = row.ready.get(0) or self._decision(row, 0, action, _facts(action), True)
            else:
                decision = self._walk(row, action, now, findings, labels)
            if action.labels and UNDECIDED in action.labels:
                return self.restrained(decision)
            return decision
        except Exception as error:
            return self.failed(error)

    def least(self, action: Action) -> Verdict:
        """The mildest verdict that any target, params or time could get under these names."""
        try:
            row = self._row(self._key(action), action)
        except Exception:
            return Verdict.BLOCK
        end = row.end.rule.verdict if row.end is not None else self.verdict
        return min(end, *(step[2].rule.verdict for step in row.steps), end)

    def explain(
        self, action: Action, now: int, findings: Sequence[Finding], labels: Sequence[str]
    ) -> Explanation:
        """The decision with the trace of every rule. Never raises, like `decide`."""
        try:
            found = explained(self.rules, action, Facts(action, now, findings, labels), self.made)
            if UNDECIDED not in action.labels:
                return found
            return Explanation(self.restrained(found.decision), found.rules, found.near)
        except Exception as error:
            return Explanation(self.failed(error), (), ())

    def _walk(
        self,
        row: Row,
        action: Action,
        now: int,
        findings: Sequence[Finding],
        labels: Sequence[str],
    ) -> Decision:
        facts: Facts | None = None
        names: tuple[str, ...] | None = None
        name: str | None = None
        index = -1
        for index, (target, rest, compiled) in enumerate(row.steps):  # noqa: B007
            state = TRUE
            if target is not None:
                if names is None:
                    names = forms(action.target)
                    name = names[0] if len(names) == 1 else None
                if name is None:
                    state = target_state(target, action.target)
                    if state == FALSE:
                        continue
                elif not target(name):
                    continue
            if rest is not None:
                if facts is None:
                    facts = Facts(action, now, findings, labels)
                left = rest(facts)
                if left != TRUE:
                    state = left
            if state == TRUE or (state == UNKNOWN and compiled.strict):
                break
        else:
            index += 1
        if names is None or len(names) == 1:
            ready = row.ready.get(index)
            if ready is not None:
                return ready
        facts = facts or Facts(action, now, findings, labels)
        # several spellings of one target: what is kept was said about a plain one
        return self._decision(row, index, action, facts, names is None or len(names) == 1)

    def _row(self, key: Any, action: Action) -> Row:
        row = self._older.get(key)
        if row is None:
            row = self._built(action)
        size = len(key) if isinstance(key, str) else sum(map(len, key))
        if size <= KEY_MAX:
            if len(self._rows) >= ROWS_MAX // 2:
                self._older = self._rows
                self._rows = {}
            self._rows[key] = row
        return row

    def _built(self, action: Action) -> Row:
        protocol = fold(action.protocol[:NAME_MAX])
        folded: dict[str, str] = {}
        for field in self._fields:
            raw = name_of(action, field)
            if len(raw) <= NAME_MAX:
                folded[field] = fold(raw)
        steps: list[_Step] = []
        for compiled, checks, target in self._checks(protocol):
            for field, test in checks:
                if field in folded:
                    if not test(folded[field]):
                        break
                elif not compiled.strict:
                    # too long to be matched: undecided, and so no permission
                    break
            else:
                if not compiled.dynamic:
                    return Row(tuple(steps), compiled)
                steps.append((target, compiled.rest, compiled))
        return Row(tuple(steps), None)

    def _checks(self, protocol: str) -> list[_Checks]:
        """The tests of every rule's names, compiled for the separators of a protocol."""
        stops = separators("type", protocol), separators("target", protocol)
        checks = self._compiled.get(stops)
        if checks is None:
            checks = [
                (
                    compiled,
                    tuple((names.field, names.test(protocol)) for names in compiled.static),
                    compiled.target.test(protocol) if compiled.target is not None else None,
                )
                for compiled in self.rules
            ]
            self._compiled[stops] = checks
        return checks

    def _decision(
        self, row: Row, index: int, action: Action, facts: Facts, plain: bool
    ) -> Decision:
        """The decision of a row's step or end; kept where nothing but names went into it."""
        compiled = row.steps[index][2] if index < len(row.steps) else row.end
        near: tuple[Near, ...] = ()
        constant = True
        if self._refuses(compiled):
            if row.near is None:
                row.near = near_by_name(self.rules, action)
            passed = [step[2] for step in row.steps[:index]]
            last = compiled.index if compiled is not None else None
            near = near_of(row.near, near_of_steps(passed, action, facts), last)
            constant = plain and all(step[1] is None for step in row.steps[: index + 1])
        decision = self.made(compiled, action, facts, near)
        if constant:
            row.ready[index] = decision
        return decision

    def _refuses(self, compiled: Compiled | None) -> bool:
        return compiled.strict if compiled is not None else self.verdict >= Verdict.REVIEW

    def made(
        self, compiled: Compiled | None, action: Action, facts: Facts, near: tuple[Near, ...]
    ) -> Decision:
        """The full decision of a rule, or of the default: reasons, near rules, advice."""
        if compiled is None:
            return self._default(action, near)
        if not compiled.strict:
            return compiled.decision
        rule = compiled.rule
        return Decision(
            rule.verdict,
            rule.risk,
            rule.name,
            self.version,
            reasons_of(compiled, action, facts),
            near,
            rule.advice or ADVICE[rule.verdict].format(rule=shown(rule.name)),
            compiled.decision.obligations,
        )

    def _default(self, action: Action, near: tuple[Near, ...]) -> Decision:
        word = self.verdict.word
        advice = NO_RULE_ADVICE if self.verdict >= Verdict.REVIEW else ""
        return Decision(
            self.verdict,
            self.risk,
            DEFAULT_RULE,
            self.version,
            (f"no rule matches {shown(action.type)}; the default is {word}",),
            near if self.verdict >= Verdict.REVIEW else (),
            advice,
            obligations=("mask",) if self.verdict is Verdict.SANITIZE else (),
        )

    def restrained(self, decision: Decision) -> Decision:
        """The decision about an action nobody could read: at least a review."""
        if decision.verdict >= Verdict.REVIEW:
            return decision
        return Decision(
            Verdict.REVIEW,
            max(decision.risk, RiskLevel.HIGH),
            decision.rule,
            decision.policy,
            (*decision.reasons, UNREAD_REASON),
            decision.near,
            UNREAD_ADVICE,
            decision.obligations,
        )

    def failed(self, error: Exception) -> Decision:
        """The block for an action the engine could not decide."""
        reason = f"the policy could not decide: {type(error).__name__}"
        return Decision(
            Verdict.BLOCK,
            RiskLevel.CRITICAL,
            FAILED_RULE,
            self.version,
            (reason,),
            advice="check that the action's fields are text and its params JSON-like",
        )


def _facts(action: Action) -> Facts:
    return Facts(action, 0, (), ())
