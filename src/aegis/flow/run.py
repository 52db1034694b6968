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

from ..model import ActionError, Outcome, Receipt, Verdict, rewrites
from .approve import approve
from .course import Course, decision_body, outcome_body
from .decide import (
    broken,
    code_of,
    combine,
    decide,
    departed,
    noted,
    refused,
    unusable,
)
from .effects import Abandoned, Admit, Append, Perform, Settle
from .inspect import inspect
from .propose import propose
from .stream import relay

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from ..model import Action, Text
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
    try:
        yield from travel(course, stream, dry)
    except Abandoned:
        yield from abandon(course)
    except Exception as error:
        course.decision, course.code = broken(f"{type(error).__name__}: {error}", rules), "error"
        course.error, course.value = error, None
        yield from (conclude(course) if course.receipt is not None else refuse(course))
    return course.outcome()


def travel(course: Course, stream: bool, dry: bool) -> Step:
    """The stages, in order."""
    rules: Rules = course.rules
    admission: Admission = yield Admit(course.action)
    if admission.code:
        course.decision, course.code = refused(admission, rules), admission.code
        course.retry_after = admission.retry_after
        yield from refuse(course)
        return
    try:
        texts = course.view.texts(course.action)
        course.findings, course.coverage = yield from inspect(
            rules.inputs, texts, course.action, rules.text_limit
        )
    except ActionError as error:
        course.decision, course.code = unusable(error, rules), "error"
        yield from refuse(course)
        return
    course.decision = decide(
        course.action, course.findings, course.coverage, admission.labels, rules
    )
    if dry:
        course.code = "dry-run"
        return
    if course.decision.verdict is Verdict.REVIEW:
        yield from approve(course)
    if blocked(course):
        course.code = course.code or code_of(course.decision)
        yield from refuse(course)
        return
    if course.findings:
        sanitize(course, texts)
    yield from record(course)
    if blocked(course):
        return
    try:
        yield from perform(course, stream)
    except Exception as error:
        course.status, course.code, course.error = "failed", "error", error
        course.value = None
    yield from conclude(course)


def abandon(course: Course) -> Step:
    """The caller has gone. What was not begun is refused; what was begun and not answered is
    unknown; what was answered is abandoned: done, and not delivered in full.
    """
    course.code, course.value = "abandoned", None
    if course.receipt is None:
        course.decision = departed(course.decision, course.rules)
        yield from refuse(course)
    else:
        course.status = "abandoned" if course.status == "performed" else "unknown"
        yield from conclude(course)


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
            course.decision = noted(course.decision, fault)
            course.receipt = Receipt(-1, "")


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
    """Settle the account and write the outcome."""
    at = 0
    try:
        settled: Settled = yield Settle(course.action, course.status, course.usage)
        at = settled.at
        if settled.cost_micros and not course.usage.cost_micros:
            course.usage = msgspec.structs.replace(course.usage, cost_micros=settled.cost_micros)
    except Exception as error:
        course.error = course.error or error
    yield from write_outcome(course, at)


def write_outcome(course: Course, at: int) -> Step:
    """The outcome record. Where it cannot be written, the result is not delivered either:
    recovery will find the decision without an outcome and complete the ledger.
    """
    rules: Rules = course.rules
    action = course.action
    try:
        course.receipt = yield Append(
            "outcome",
            action.actor.session,
            outcome_body(course, at),
            rules.durability.get(action.capability, "synced"),
        )
    except Exception as error:
        course.error = course.error or error
        if course.status == "performed" and not rules.break_glass:
            course.status, course.code, course.value = "withheld", "error", None
            course.decision = broken(f"the outcome could not be recorded: {error}", rules)


def refuse(course: Course) -> Step:
    """Record a refusal. It stands whether or not the ledger takes it."""
    action = course.action
    course.status = "refused"
    try:
        receipt: Receipt = yield Append(
            "decision", action.actor.session, decision_body(course), "buffered"
        )
        course.receipt = receipt
    except Exception as error:
        course.error = course.error or error
