"""Rules compiled to tests: what can be decided from names once, and what is left per action."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..model import Decision, Verdict
from .conditions import Condition, compile_conditions, labelled, state_of
from .fold import NAME_MAX, fold, shown
from .glob import Glob, forms, separators
from .params import FALSE, TRUE, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..model import Action
    from .document import Rule
    from .facts import Facts
    from .params import State
    from .semantic import SemanticEvaluator

STATIC = ("protocol", "type", "agent", "tenant", "capability", "environment")
"""Criteria over names that few distinct values of occur; rows of the engine are keyed by them."""

ATTRIBUTES = {"agent": "actor.agent", "tenant": "actor.tenant"}
"""Where an action keeps a criterion's value, where it is not an attribute of its own."""


class Names:
    """The globs of one criterion, any of which may match."""

    __slots__ = ("_loose", "_strict", "_tests", "anything", "field", "patterns")

    def __init__(self, field: str, patterns: Sequence[str], strict: bool) -> None:
        self.field = field
        self.patterns = tuple(patterns)
        self.anything = any(Glob(text).anything for text in patterns)
        self._strict = strict
        self._tests: dict[str, Callable[[str], bool]] = {}
        self._loose: list[tuple[str, Callable[[str], bool], str]] | None = None

    @property
    def loose(self) -> list[tuple[str, Callable[[str], bool], str]]:
        """Each pattern, its test without separators, and its folded text without stars."""
        if self._loose is None:
            self._loose = [
                (text, Glob(text).matches, fold(text.strip("*?"))) for text in self.patterns
            ]
        return self._loose

    def test(self, protocol: str) -> Callable[[str], bool]:
        """The test of a folded name in an action of a (folded) protocol."""
        stops = separators(self.field, protocol)
        test = self._tests.get(stops)
        if test is None:
            tests = [self._one(text, stops) for text in self.patterns]
            test = tests[0] if len(tests) == 1 else _any(tests)
            self._tests[stops] = test
        return test

    def _one(self, text: str, stops: str) -> Callable[[str], bool]:
        # A pattern with a space is a command line, where `*` stops at nothing.
        if self.field == "target" and any(char.isspace() for char in text.strip()):
            stops = ""
        narrow = Glob(text, stops).matches
        if not (stops and self._strict and self.field == "target"):
            return narrow
        broad = Glob(text).matches
        # A command line given to a restricting rule's path pattern: `git*` covers `git push a/b`.
        return lambda name: narrow(name) or (" " in name and broad(name))

    def said(self) -> str:
        """The patterns, for a sentence."""
        said = " or ".join(shown(text) for text in self.patterns[:3])
        return f"{said} or {len(self.patterns) - 3} more" if len(self.patterns) > 3 else said


def _any(tests: list[Callable[[str], bool]]) -> Callable[[str], bool]:
    return lambda name: any(test(name) for test in tests)


class Compiled:
    """One rule: its names by criterion, what is left per action, and its ready decision."""

    __slots__ = (
        "conditions",
        "costly",
        "decision",
        "index",
        "labels",
        "rest",
        "rule",
        "static",
        "strict",
        "target",
    )

    def __init__(
        self,
        rule: Rule,
        index: int,
        version: str,
        timezone: str,
        evaluator: SemanticEvaluator | None,
    ) -> None:
        self.rule = rule
        self.index = index
        self.strict = rule.verdict >= Verdict.REVIEW
        names = {key: Names(key, globs, self.strict) for key, globs in rule.match.items()}
        self.static = [names[key] for key in STATIC if key in names and not names[key].anything]
        self.target = _unless_anything(names.get("target"))
        label = _unless_anything(names.get("label"))
        self.labels = [Glob(text) for text in label.patterns] if label is not None else []
        self.conditions: list[Condition] = []
        if label is not None:
            self.conditions.append(Condition(self._labelled, f"labelled {label.said()}"))
        self.conditions += compile_conditions(rule.conditions, timezone, evaluator)
        self.costly = any(condition.costly for condition in self.conditions)
        self.rest = _all(self.conditions) if self.conditions else None
        self.decision = Decision(
            rule.verdict,
            rule.risk,
            rule.name,
            version,
            (f"rule {shown(rule.name)} {SAYS[rule.verdict]}",),
            obligations=_obligations(rule),
        )

    def _labelled(self, facts: Facts) -> State:
        return labelled(self.labels, facts.action.labels, facts.labels)

    @property
    def dynamic(self) -> bool:
        """Whether anything is left to decide per action."""
        return self.target is not None or self.rest is not None

    def applies(self, state: State) -> bool:
        """Whether a rule in this state decides: unknown restricts, and never permits."""
        return state == TRUE or (self.strict and state == UNKNOWN)


def _obligations(rule: Rule) -> tuple[str, ...]:
    """What has to be true of a performance under this rule."""
    if rule.verdict is Verdict.SANITIZE:
        return ("mask",)
    if rule.verdict is Verdict.REVIEW and rule.approvers > 1:
        return (f"approvers:{rule.approvers}",)
    return ()


SAYS = {
    Verdict.ALLOW: "allows it",
    Verdict.SANITIZE: "allows it with findings masked",
    Verdict.REVIEW: "asks for a person's approval",
    Verdict.BLOCK: "blocks it",
}
"""What a rule does, for a sentence."""


def _unless_anything(names: Names | None) -> Names | None:
    return None if names is None or names.anything else names


def _all(conditions: list[Condition]) -> Callable[[Facts], State]:
    def test(facts: Facts) -> State:
        result = TRUE
        for condition in conditions:
            state = state_of(condition, facts)
            if state == TRUE:
                continue
            # an absent parameter is no match at this level
            if state != UNKNOWN:
                return FALSE
            result = UNKNOWN
        return result

    return test


def name_of(action: Action, field: str) -> str:
    """The raw value of a criterion."""
    if field == "agent":
        return action.actor.agent
    if field == "tenant":
        return action.actor.tenant
    value: str = getattr(action, field)
    return value


def static_state(names: Names, action: Action, protocol: str, folded: dict[str, str]) -> State:
    """Whether a criterion over a name holds; `protocol` is folded, and `folded` remembers the
    other names.
    """
    field = names.field
    name = folded.get(field)
    if name is None:
        raw = name_of(action, field)
        if len(raw) > NAME_MAX:
            return UNKNOWN
        name = folded[field] = fold(raw)
    return TRUE if names.test(protocol)(name) else FALSE


def target_state(test: Callable[[str], bool], target: str) -> State:
    """Whether a target matches. Spellings that disagree, and a target too long, are UNKNOWN."""
    spellings = forms(target)
    if len(spellings) == 1:
        return TRUE if test(spellings[0]) else FALSE
    hits = {test(name) for name in spellings}
    return UNKNOWN if len(hits) != 1 else (TRUE if hits.pop() else FALSE)
