"""Why a rule applied, did not apply, or nearly did: sentences for people.

This walks the criteria of a rule one by one, apart from the engine's rows; tests hold the two
against each other. Sentences name patterns and parameters, never their values, since they stand
in records.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ..model import Decision, Near, Verdict
from .compile import SAYS, Compiled, Names, name_of, static_state, target_state
from .conditions import state_of
from .fold import NAME_MAX, fold, shown, words
from .params import ABSENT, FALSE, TRUE, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ..model import Action
    from .facts import Facts
    from .params import State

NEAR_MAX = 3
"""Most nearly-matched rules in one decision."""

NEAR_SCAN_MAX = 512
"""Most rules looked at for near misses; a refusal stays cheap under a long policy."""


class RuleTrace(msgspec.Struct, frozen=True):
    """How one rule stood: `matched` says it applies to the action, `decided` that it was the
    first to; `why` is the first criterion that kept it from applying, or why it applied.
    """

    rule: str
    index: int
    verdict: Verdict
    matched: bool
    decided: bool
    why: str


class Explanation(msgspec.Struct, frozen=True):
    """A decision with the trace of every rule that was tried."""

    decision: Decision
    rules: tuple[RuleTrace, ...]
    near: tuple[Near, ...]

    def __str__(self) -> str:
        lines = [f"{self.decision.verdict.word} by {self.decision.rule}"]
        for trace in self.rules:
            mark = "=>" if trace.decided else " +" if trace.matched else " -"
            lines.append(f"{mark} {trace.rule} ({trace.verdict.word}): {trace.why}")
        lines += [f"near: {near.rule} ({near.verdict.word}): {near.why}" for near in self.near]
        return "\n".join(lines)


def criteria(compiled: Compiled, action: Action, facts: Facts) -> Iterator[tuple[State, str]]:
    """Each criterion of a rule: its state, and what it says."""
    folded: dict[str, str] = {}
    protocol = fold(action.protocol[:NAME_MAX])
    for names in compiled.static:
        yield static_state(names, action, protocol, folded), _said(names, action)
    if compiled.target is not None:
        test = compiled.target.test(protocol)
        yield target_state(test, action.target), f"target matches {compiled.target.said()}"
    for condition in compiled.conditions:
        yield state_of(condition, facts), condition.text


def _said(names: Names, action: Action) -> str:
    raw = name_of(action, names.field)
    value = f" {shown(raw)}" if raw else " (none)"
    return f"{names.field}{value} matches {names.said()}"


def state_over(compiled: Compiled, action: Action, facts: Facts) -> tuple[State, str]:
    """Whether a rule holds, and the sentence that decided it."""
    undecided = ""
    for state, said in criteria(compiled, action, facts):
        if state in (FALSE, ABSENT):
            return FALSE, _missed(state, said)
        if state == UNKNOWN and not undecided:
            undecided = said
    if undecided:
        return UNKNOWN, f"could not be decided: {undecided}"
    return TRUE, "every criterion matches"


def _missed(state: State, said: str) -> str:
    return f"not given: {said}" if state == ABSENT else f"not so: {said}"


def reasons_of(compiled: Compiled, action: Action, facts: Facts) -> tuple[str, ...]:
    """The sentences of a decision by a rule: what it does, what held, what was undecided."""
    rule = compiled.rule
    reasons = [f"rule {shown(rule.name)} {SAYS[rule.verdict]}: {shown(action.type)}"]
    if rule.description:
        reasons.append(rule.description)
    for state, said in criteria(compiled, action, facts):
        if state == UNKNOWN:
            reasons.append(f"could not be decided, and so restricts: {said}")
        elif not said.startswith("type "):
            reasons.append(said)
    return tuple(reasons)


def nearly(
    rules: Sequence[Compiled], before: int | None, action: Action, facts: Facts
) -> tuple[Near, ...]:
    """The first rules, of those before an index, that one criterion kept from applying.

    Either a name missed and nothing else is asked, or every name matched and one thing left to
    decide did not hold. A rule of a single name counts only where the name is close: the same
    word in another place, or a `*` that stopped at a separator.
    """
    by_name = near_by_name(rules, action)
    steps = [c for c in rules if c.dynamic and _names_match(c, action)]
    return near_of(by_name, near_of_steps(steps, action, facts), before)


def near_of(
    by_name: Sequence[tuple[int, Near]], by_step: Sequence[tuple[int, Near]], before: int | None
) -> tuple[Near, ...]:
    """The first NEAR_MAX of both, in the order of the rules."""
    both = sorted((*by_name, *by_step), key=_index) if by_name and by_step else by_name or by_step
    if before is not None:
        both = [found for found in both if found[0] < before]
    return tuple(near for _, near in both[:NEAR_MAX])


def _index(found: tuple[int, Near]) -> int:
    return found[0]


def near_by_name(rules: Sequence[Compiled], action: Action) -> list[tuple[int, Near]]:
    """Rules that ask for names only, one of which missed. Nothing but names goes into this, so
    that a row of the engine can keep it.
    """
    out: list[tuple[int, Near]] = []
    folded: dict[str, str] = {}
    protocol = fold(action.protocol[:NAME_MAX])
    for compiled in rules:
        if compiled.index >= NEAR_SCAN_MAX:
            break
        if compiled.dynamic:
            continue
        missed: list[Names] = []
        for names in compiled.static:
            if not compiled.applies(static_state(names, action, protocol, folded)):
                missed.append(names)
                if len(missed) > 1:
                    break
        if len(missed) == 1:
            why = _close(compiled, action, missed[0], folded)
            if not why and len(compiled.static) > 1:
                why = f"not so: {_said(missed[0], action)}"
            if why:
                out.append((compiled.index, Near(compiled.rule.name, compiled.rule.verdict, why)))
                if len(out) == NEAR_MAX:
                    break
    return out


def near_of_steps(
    steps: Sequence[Compiled], action: Action, facts: Facts
) -> list[tuple[int, Near]]:
    """Rules whose names match, and one thing more than names missed."""
    out: list[tuple[int, Near]] = []
    for compiled in steps:
        if compiled.index >= NEAR_SCAN_MAX:
            break
        why = _missed_step(compiled, action, facts)
        if why:
            out.append((compiled.index, Near(compiled.rule.name, compiled.rule.verdict, why)))
            if len(out) == NEAR_MAX:
                break
    return out


def _missed_step(compiled: Compiled, action: Action, facts: Facts) -> str:
    missed: tuple[State, str] | None = None
    held = bool(compiled.static)
    if compiled.target is not None:
        state = target_state(compiled.target.test(fold(action.protocol)), action.target)
        if compiled.applies(state):
            held = True
        else:
            missed = (state, f"target matches {compiled.target.said()}")
    for condition in compiled.conditions:
        if missed is not None and compiled.costly:
            # nobody's evaluator is asked for the sake of a sentence
            return ""
        state = state_of(condition, facts)
        if compiled.applies(state):
            held = True
        elif missed is not None:
            return ""
        else:
            missed = (state, condition.text)
    if missed is None or not held:
        return ""
    state, said = missed
    return f"could not be decided: {said}" if state == UNKNOWN else _missed(state, said)


def _names_match(compiled: Compiled, action: Action) -> bool:
    folded: dict[str, str] = {}
    protocol = fold(action.protocol[:NAME_MAX])
    return all(
        compiled.applies(static_state(names, action, protocol, folded)) for names in compiled.static
    )


def _close(compiled: Compiled, action: Action, names: Names, folded: dict[str, str]) -> str:
    """Why a name that a restricting rule's type does not match is close to it."""
    name = folded.get("type")
    if names.field != "type" or not compiled.strict or name is None:
        return ""
    for pattern, anywhere, literal in names.loose:
        if anywhere(name):
            return f"{shown(pattern)} stops at `.` and `/` here; `**` does not"
        if literal in name and literal in words(action.type):
            return (
                f"{shown(literal)} is a word of {shown(action.type)}, but not where "
                f"{shown(pattern)} expects it"
            )
    return ""


def explained(
    rules: Sequence[Compiled],
    action: Action,
    facts: Facts,
    made: Callable[[Compiled | None, Action, Facts, tuple[Near, ...]], Decision],
) -> Explanation:
    """The decision made by walking every rule, and how each one stood. `made` makes the decision
    of the rule that applies (None: of the default).
    """
    traces: list[RuleTrace] = []
    decided: Compiled | None = None
    for compiled in rules:
        state, why = state_over(compiled, action, facts)
        matched = compiled.applies(state)
        first = matched and decided is None
        decided = compiled if first else decided
        rule = compiled.rule
        traces.append(RuleTrace(rule.name, compiled.index, rule.verdict, matched, first, why))
    near = nearly(rules, decided.index if decided else None, action, facts)
    return Explanation(made(decided, action, facts, near), tuple(traces), near)
