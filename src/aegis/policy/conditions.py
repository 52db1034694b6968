"""Conditions compiled to tests, in three-valued logic.

Every condition is TRUE, FALSE, UNKNOWN or ABSENT (a parameter that is not there). Whatever cannot
be decided is UNKNOWN, and a test that raises is UNKNOWN; what that means is the verdict's affair:
a rule that permits does not apply, a rule that restricts does. ABSENT counts as FALSE, but its
negation is UNKNOWN: "not in the EU" is not shown by saying nothing about the region.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import msgspec
import re2

from ..model.flowmark import CONTENT, CONTROL, FLOW, SINKS, flow_label
from . import clock
from .fold import NAME_MAX, fold
from .glob import Glob
from .params import (
    ABSENT,
    FALSE,
    TRUE,
    UNKNOWN,
    Finder,
    State,
    all_of,
    any_of,
    between,
    compared,
    contains,
    equals,
    identical,
    matching,
    none_of,
    one_of,
    present,
)
from .resources import touching
from .semantic import keyword_match

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .facts import Facts
    from .semantic import SemanticEvaluator

    Test = Callable[[Facts], State]


class Condition(msgspec.Struct, frozen=True):
    """One compiled condition and what it says, for sentences about it. `costly` says that it may
    ask an evaluator.
    """

    test: Test
    text: str
    costly: bool = False


_COMPARISONS: dict[str, tuple[Callable[[Any, Any], bool], str]] = {
    "param_gt": (operator.gt, "greater than"),
    "param_lt": (operator.lt, "less than"),
    "param_gte": (operator.ge, "at least"),
    "param_lte": (operator.le, "at most"),
}


def compile_regex(pattern: str) -> Any:
    """The RE2 pattern. Raises ValueError saying what is wrong with it."""
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except (re2.error, ValueError, UnicodeError) as error:
        raise ValueError(
            f"`{pattern[:80]}` is no RE2 expression: {_reason(error)}; RE2 has no lookaround and "
            "no back-references"
        ) from None


def _reason(error: Exception) -> str:
    detail = error.args[0] if error.args else error
    return detail.decode("utf-8", "replace") if isinstance(detail, bytes) else str(detail)


def compile_conditions(
    spec: Mapping[str, Any], timezone: str, evaluator: SemanticEvaluator | None
) -> list[Condition]:
    """The tests for a read conditions section; all of them have to hold."""
    timezone = spec.get("timezone", timezone)
    out = [*_clock(spec, timezone), *_params(spec)]
    if "unnamed" in spec:
        out.append(_unnamed(spec["unnamed"]))
    if "finding" in spec:
        out.append(_finding(spec["finding"]))
    if "label" in spec:
        out.append(_label(spec["label"]))
    if "resource" in spec:
        said = " or ".join(f"`{text}`" for text in spec["resource"])
        out.append(Condition(touching(spec["resource"]), f"it touches {said}"))
    if "flow" in spec:
        out.append(_flow(spec["flow"]))
    for key, fold_states in (("any", any_of), ("all", all_of)):
        if key in spec:
            groups = [compile_conditions(group, timezone, evaluator) for group in spec[key]]
            word = "or" if key == "any" else "and"
            said = f" {word} ".join(f"({_said(group)})" for group in groups)
            costly = any(condition.costly for group in groups for condition in group)
            out.append(Condition(_folding(fold_states, groups), said, costly))
    if "not" in spec:
        group = compile_conditions(spec["not"], timezone, evaluator)
        costly = any(condition.costly for condition in group)
        out.append(Condition(_negated(together(group)), f"not ({_said(group)})", costly))
    if "semantic" in spec:
        out.append(_semantic(spec["semantic"], evaluator))
    # what asks an evaluator comes last: the others may settle the matter
    return sorted(out, key=lambda condition: condition.costly)


def _said(group: list[Condition]) -> str:
    return " and ".join(condition.text for condition in group)


def state_of(condition: Condition, facts: Facts) -> State:
    """The state of one condition; a test that raises is UNKNOWN, never an exception."""
    try:
        return condition.test(facts)
    except Exception:
        return UNKNOWN


def together(conditions: list[Condition]) -> Test:
    """One test for all of the conditions. Cheap ones come first and end it early."""

    def test(facts: Facts) -> State:
        result = TRUE
        for condition in conditions:
            state = state_of(condition, facts)
            if state == FALSE:
                return FALSE
            if state != TRUE and result != ABSENT:
                result = state
        return result

    return test


def _folding(fold_states: Callable[[list[State]], State], groups: list[list[Condition]]) -> Test:
    tests = [together(group) for group in groups]
    return lambda facts: fold_states([test(facts) for test in tests])


def _negated(inner: Test) -> Test:
    flipped = {TRUE: FALSE, FALSE: TRUE}
    return lambda facts: flipped.get(inner(facts), UNKNOWN)


def _clock(spec: Mapping[str, Any], timezone: str) -> list[Condition]:
    tz = clock.zone(timezone)
    after = clock.parse_time(spec["time_after"]) if "time_after" in spec else None
    before = clock.parse_time(spec["time_before"]) if "time_before" in spec else None
    days = frozenset(spec.get("weekdays", ()))
    out: list[Condition] = []
    if after is not None or before is not None:
        low, high = after or 0, 1440 if before is None else before
        said = " and ".join(
            f"time {word} {spec[key]}"
            for key, word in (("time_after", "from"), ("time_before", "before"))
            if key in spec
        )
        out.append(Condition(_timed(_window(low, high), tz), f"{said} {timezone}"))
    if days:
        names = ", ".join(clock.DAYS[day - 1] for day in sorted(days))
        out.append(Condition(_timed(lambda wall: wall[1] in days, tz), f"day is {names}"))
    return out


def _window(low: int, high: int) -> Callable[[tuple[int, int]], bool]:
    if low <= high:
        return lambda wall: low <= wall[0] < high
    return lambda wall: wall[0] >= low or wall[0] < high


def _timed(holds: Callable[[tuple[int, int]], bool], tz: Any) -> Test:
    def test(facts: Facts) -> State:
        now = facts.now or facts.action.time
        if not now:
            return UNKNOWN
        return TRUE if holds(clock.wall(now, tz)) else FALSE

    return test


def _params(spec: Mapping[str, Any]) -> list[Condition]:
    out: list[Condition] = []

    def add(name: str, test: Callable[[Any], State], said: str, absent: State = ABSENT) -> None:
        finder = Finder(name)

        def decide(facts: Facts) -> State:
            state = finder.state(facts.action.params, test)
            return absent if state == ABSENT else state

        out.append(Condition(decide, f"`{name}` {said}"))

    for key, (holds, said) in _COMPARISONS.items():
        for name, bound in spec.get(key, {}).items():
            add(name, compared(holds, bound), f"is {said} {bound}")
    for name, (low, high) in spec.get("param_between", {}).items():
        add(name, between(low, high), f"is from {low} to {high}")
    for name, value in spec.get("param_eq", {}).items():
        add(name, _equal(value), f"is {_value(value)}")
    for name, values in spec.get("param_in", {}).items():
        add(name, one_of(values), f"is one of {_values(values)}")
    for name, values in spec.get("param_not_in", {}).items():
        add(name, none_of(values), f"is none of {_values(values)}", UNKNOWN)
    for name, value in spec.get("param_contains", {}).items():
        add(name, contains(value), f"contains {_value(value)}")
    for name, pattern in spec.get("param_matches", {}).items():
        add(name, matching(compile_regex(pattern)), f"matches `{pattern}`")
    for name in spec.get("param_exists", ()):
        add(name, present, "is given", FALSE)
    for name in spec.get("param_absent", ()):
        add(name, _missing, "is not given", TRUE)
    if "param_only" in spec:
        out.append(_only(spec["param_only"]))
    if "param_exactly" in spec:
        out.append(_exactly(spec["param_exactly"]))
    return out


def _only(names: Sequence[str]) -> Condition:
    known = {fold(name) for name in names}

    def decide(facts: Facts) -> State:
        given = (fold(name[:NAME_MAX]) for name in facts.action.params)
        return TRUE if known.issuperset(given) else FALSE

    return Condition(decide, f"has no parameters but {_values(list(names))}")


def _exactly(params: dict[str, Any]) -> Condition:
    said = f"the parameters are exactly {_value(params)[:200]}" if params else "has no parameters"
    return Condition(lambda facts: _told(identical(params, facts.action.params)), said)


def _unnamed(names: Sequence[str]) -> Condition:
    def test(facts: Facts) -> State:
        action = facts.action
        given = {"agent": action.actor.agent, "tenant": action.actor.tenant}
        return _told(not any(given.get(name) or getattr(action, name, "") for name in names))

    return Condition(test, f"has no {' and no '.join(names)}")


def _told(holds: bool) -> State:
    return TRUE if holds else FALSE


def _equal(value: Any) -> Callable[[Any], State]:
    return lambda actual: equals(value, actual)


def _missing(actual: Any) -> State:
    return UNKNOWN if actual is None else FALSE


def _value(value: Any) -> str:
    return f"`{value}`" if isinstance(value, str) else msgspec.json.encode(value).decode()


def _values(values: list[Any]) -> str:
    said = ", ".join(_value(value) for value in values[:5])
    return f"{said}, …" if len(values) > 5 else said


def _finding(spec: Mapping[str, Any]) -> Condition:
    globs = [Glob(text) for text in spec["category"]]
    least = spec.get("min_score", 0)

    def test(facts: Facts) -> State:
        for finding in facts.findings:
            if finding.score >= least:
                names = (fold(finding.category), fold(finding.type))
                if any(glob.matches(name) for glob in globs for name in names):
                    return TRUE
        return FALSE

    said = f"a guard found {', '.join(f'`{text}`' for text in spec['category'])}"
    return Condition(test, f"{said} with at least {least}/1000" if least else said)


def _label(patterns: list[str]) -> Condition:
    globs = [Glob(text) for text in patterns]

    def test(facts: Facts) -> State:
        return labelled(globs, facts.action.labels, facts.labels)

    return Condition(test, f"labelled {' or '.join(f'`{text}`' for text in patterns)}")


def _flow(spec: Mapping[str, Any]) -> Condition:
    """Asks the labels that the session gave the action; what a caller labels itself is no flow."""
    sinks = SINKS if "*" in spec["to"] else spec["to"]
    ways = spec.get("as", (CONTROL, CONTENT))
    said = f"data labelled {_or(spec['from'])} reaches {_or(spec['to'])} as {_or(ways)}"
    if "*" in spec["from"]:
        ends = tuple(flow_label("", sink, way).removeprefix(FLOW) for sink in sinks for way in ways)

        def flowing(facts: Facts) -> State:
            labels = facts.labels
            found = any(label.startswith(FLOW) and label.endswith(ends) for label in labels)
            return TRUE if found else FALSE

        return Condition(flowing, said)
    marks = frozenset(
        flow_label(label, sink, way) for label in spec["from"] for sink in sinks for way in ways
    )
    return Condition(lambda facts: FALSE if marks.isdisjoint(facts.labels) else TRUE, said)


def _or(words: Sequence[str]) -> str:
    return " or ".join(f"`{word}`" for word in words)


def labelled(globs: list[Glob], *groups: Sequence[str]) -> State:
    """Whether any of the labels matches any of the globs; `*` needs no label at all."""
    if any(glob.anything for glob in globs):
        return TRUE
    for group in groups:
        for label in group:
            name = fold(label[:NAME_MAX])
            if any(glob.matches(name) for glob in globs):
                return TRUE
    return FALSE


def _semantic(condition: str, evaluator: SemanticEvaluator | None) -> Condition:
    def test(facts: Facts) -> State:
        state = facts.asked.get(condition)
        if state is not None:
            return state
        # stands where the evaluator raises: it is asked once, also in vain
        facts.asked[condition] = UNKNOWN
        if evaluator is None:
            state = keyword_match(condition, facts.action)
        else:
            answer: object = evaluator.evaluate(condition, facts.action)
            state = (TRUE if answer else FALSE) if isinstance(answer, bool) else UNKNOWN
        facts.asked[condition] = state
        return state

    return Condition(test, f"it is about `{condition[:80]}`", evaluator is not None)
