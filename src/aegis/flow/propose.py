"""The propose stage: tool calls in a model's reply are decided before the caller sees them.

Aegis does not perform these; the caller's agent would. Each becomes a child action with a
decision record of its own, and a call that may not happen is taken out of the reply.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..model import ActionError, Decision, Verdict, rewrites
from .approve import approve
from .course import Course, decision_append
from .decide import broken, decide, restated, unusable
from .effects import Trace
from .inspect import inspect
from .view import PLAIN as _PROPOSED

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from ..model import Action
    from .effects import Effect

    Judged = Generator[Effect, Any, dict[int, Decision]]

MALFORMED = "malformed-arguments"
"""Label a view puts on a call whose arguments are not one unambiguous JSON object. Nobody can
say what a tool would make of them, so such a call is refused whatever the policy says."""


def propose(course: Course) -> Generator[Effect, Any, None]:
    """Decide the tool calls of a whole reply, and take out the refused ones."""
    calls = course.view.calls(course.action, course.value)
    if calls:
        refused = yield from judge_calls(course, calls)
        if refused:
            course.value = course.view.refuse_calls(course.value, refused)


def judge_calls(course: Course, calls: Sequence[Action]) -> Judged:
    """The decisions of the calls that may not happen, by position."""
    refused: dict[int, Decision] = {}
    for index, call in enumerate(calls):
        decision = yield from _judge(course, call)
        if decision.verdict is not Verdict.ALLOW:
            refused[index] = decision
    return refused


def _judge(course: Course, call: Action) -> Generator[Effect, Any, Decision]:
    rules = course.rules
    child = Course(call, rules, _PROPOSED)
    try:
        if MALFORMED in call.labels:
            raise ActionError("the arguments of this call are not one unambiguous JSON object")
        texts = _PROPOSED.texts(call)
        child.findings, child.coverage = yield from inspect(
            rules.inputs, texts, call, rules.text_limit
        )
        if rules.follows or call.task:
            child.admission = yield Trace(call)
        child.decision = decide(call, child.findings, child.coverage, child.admission, rules)
        if child.decision.verdict is Verdict.SANITIZE and rewrites(texts, child.findings):
            # a masked argument is another call than the model proposed
            child.decision = restated(
                child.decision,
                Verdict.BLOCK,
                "arguments that would have to be masked are refused",
            )
        elif child.decision.verdict is Verdict.SANITIZE:
            child.decision = restated(child.decision, Verdict.ALLOW, "nothing to mask")
    except ActionError as error:
        child.decision = unusable(error, rules)
    if child.decision.verdict is Verdict.REVIEW:
        yield from approve(child)
    try:
        yield decision_append(child, "buffered")
    except Exception as error:
        child.decision = broken(f"the ledger failed: {error}", rules)
    course.saw(child.findings, ())
    return child.decision
