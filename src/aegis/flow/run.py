"""The path of an action, written once.

    admit ─ inspect(input) ─ decide ─ [approve] ─ record(decision) ─ perform
          ─ inspect(output) ─ [propose] ─ settle ─ record(outcome)

`run` is a generator: effects come out, their answers go in, an Outcome is returned. It holds no
socket, clock, thread or randomness; drivers do (`drive.py`, and the simulator of the tests).

Three promises live here. Nothing is performed whose decision the ledger has not acknowledged.
An error anywhere on the path is a block with its reason. A performance that began and whose
answer never came is recorded as unknown and not repeated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ..model import ActionError, Outcome, Verdict, rewrites
from .approve import approve
from .course import Course, decision_body, outcome_body
from .decide import BREAK_GLASS, broken, code_of, combine, decide, refused, unusable
from .effects import Abandoned, Admit, Append, Perform, Settle
from .inspect import inspect
from .propose import propose
from .stream import relay

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from ..model import Action, Receipt, Text
    from .effects import Admission, Effect, Performed, Settled
    from .rules import Rules
    from .view import View

    Flow = Generator[Effect, Any, Outcome]
    Step = Generator[Effect, Any, None]


def run(
    action: Action, rules: Rules, view: View, *, stream: bool = False, dry: bool = False
) -> Flow:
    """Take one stamped action along the path. With `dry`, stop after the decision."""
    course = Course(action, rules, view)
    admission: Admission = yield Admit(action)
    if admission.code:
        course.decision, course.code = refused(admission, rules), admission.code
        course.retry_after = admission.retry_after
        return (yield from refuse(course))
    try:
        texts = view.texts(action)
        course.findings, course.coverage = yield from inspect(
            rules.inputs, texts, action, rules.text_limit
        )
    except ActionError as error:
        course.decision, course.code = unusable(error, rules), "error"
        return (yield from refuse(course))
    course.decision = decide(action, course.findings, course.coverage, admission.labels, rules)
    if dry:
        course.code = "dry-run"
        return course.outcome()
    if course.decision.verdict is Verdict.REVIEW:
        yield from approve(course)
    if blocked(course):
        course.code = course.code or code_of(course.decision)
        return (yield from refuse(course))
    if course.findings:
        sanitize(course, texts)
    yield from record(course)
    if blocked(course):
        return course.outcome()
    try:
        yield from perform(course, stream)
    except Abandoned:
        course.status, course.code = "unknown", "abandoned"
    except Exception as error:
        course.status, course.code, course.error = "failed", "error", error
    yield from conclude(course)
    return course.outcome()


def blocked(course: Course) -> bool:
    """Whether the action may not happen, as things stand."""
    return course.decision.verdict is Verdict.BLOCK


def sanitize(course: Course, texts: Sequence[Text]) -> None:
    """Replace what the guards marked, where the verdict asks for it."""
    least = Verdict.ALLOW if course.decision.verdict is Verdict.SANITIZE else Verdict.SANITIZE
    edits = rewrites(texts, [f for f in course.findings if f.verdict >= least])
    if edits:
        course.action = course.view.rewrite(
            course.action,
            {texts[i].path: text for i, text in edits.items() if not texts[i].key},
        )


def record(course: Course) -> Step:
    """Write the decision down before anything is performed. A ledger that fails blocks."""
    rules: Rules = course.rules
    action = course.action
    try:
        course.receipt = yield Append(
            "decision",
            action.actor.session,
            decision_body(course),
            rules.durability.get(action.capability, "synced"),
        )
    except Exception as error:
        fault = broken(f"the ledger failed: {error}", rules)
        if fault.verdict is Verdict.BLOCK:
            course.decision, course.code = fault, "error"
        else:
            course.decision = combine(course.decision, (), (), rules)
            course.error = error


def perform(course: Course, stream: bool) -> Step:
    """Do it, and look at the answer before anybody else does."""
    answer: Performed = yield Perform(course.action, stream)
    course.status = "performed"
    if stream:
        yield from relay(course)
        return
    course.usage = course.view.usage(answer.value)
    course.value = answer.value
    yield from examine(course)
    if course.status == "performed":
        course.recorded = course.view.reply_recorded(course.value)


def examine(course: Course) -> Step:
    """Inspect the result, mask it, decide the tool calls it proposes.

    A result that may not be delivered becomes `withheld`: it was performed, and nobody sees it.
    """
    rules: Rules = course.rules
    view: View = course.view
    if rules.outputs:
        try:
            texts = view.reply_texts(course.action, course.value)
            findings, coverage = yield from inspect(
                rules.outputs, texts, course.action, rules.text_limit
            )
        except ActionError as error:
            withhold(course, unusable(error, rules))
            return
        course.saw(findings, coverage)
        judged = combine(course.decision, findings, coverage, rules)
        if judged.verdict >= Verdict.REVIEW:
            withhold(course, judged)
            return
        edits = rewrites(texts, [f for f in findings if f.verdict >= Verdict.SANITIZE])
        if edits:
            course.decision = judged
            course.value = view.rewrite_reply(
                course.value,
                {texts[i].path: text for i, text in edits.items() if not texts[i].key},
            )
    yield from propose(course)


def withhold(course: Course, decision: Any) -> None:
    """Keep a result that may not be delivered."""
    course.decision, course.code = decision, code_of(decision)
    course.status, course.value = "withheld", None


def conclude(course: Course) -> Step:
    """Settle the account and write the outcome. The outcome of something performed stands even
    where this record fails: the caller is told so, and recovery completes the ledger.
    """
    settled: Settled = yield Settle(course.action, course.status, course.usage)
    if settled.cost_micros and not course.usage.cost_micros:
        course.usage = msgspec.structs.replace(course.usage, cost_micros=settled.cost_micros)
    yield from write_outcome(course, settled.at)


def write_outcome(course: Course, at: int) -> Step:
    """One outcome record; a failure is kept on the course."""
    rules: Rules = course.rules
    action = course.action
    body = outcome_body(course, at)
    try:
        course.receipt = yield Append(
            "outcome",
            action.actor.session,
            body,
            rules.durability.get(action.capability, "synced"),
        )
    except Exception as error:
        if rules.break_glass:
            return
        course.error = course.error or error
        if course.status == "performed":
            course.status, course.code, course.value = "withheld", "error", None
            course.decision = broken(f"the outcome could not be recorded: {error}", rules)


def refuse(course: Course) -> Flow:
    """Record a refusal. It stands whether or not the ledger takes it."""
    action = course.action
    course.status = "refused"
    try:
        receipt: Receipt = yield Append(
            "decision", action.actor.session, decision_body(course), "buffered"
        )
        course.receipt = receipt
    except Exception as error:
        course.error = error
    return course.outcome()


__all__ = ["BREAK_GLASS", "run"]
