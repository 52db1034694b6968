"""The path of an action, written once.

    admit ─ inspect(input) ─ decide ─ [approve] ─ record(decision) ─ [lend] ─ perform
          ─ inspect(output) ─ [propose] ─ settle ─ record(outcome)

`run` is a generator: effects come out, their answers go in, an Outcome is returned. It holds no
socket, clock, thread or randomness; drivers do (`drive.py`, and the simulator of the tests).

Three promises live here. Nothing is performed whose decision the ledger has not acknowledged.
An error anywhere on the path is a block with its reason. A performance that began and whose
answer never came is recorded as unknown and not repeated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..model import ActionError, Outcome, Receipt, Verdict, rewrites
from .approve import approve
from .course import PENDING, Course, decision_append, outcome_append
from .decide import (
    broken,
    code_of,
    combine,
    decide,
    departed,
    noted,
    refused,
    unforeseen,
    unusable,
)
from .effects import OPENED, Abandoned, Admit, Learn, Perform, Settle, Settled, Trace
from .inspect import bound, inspect
from .lend import give_back, lend
from .propose import propose
from .restore import restore_call, restore_reply
from .stream import relay

if TYPE_CHECKING:
    from collections.abc import Generator

    from ..model import Action
    from .effects import Admission, Effect
    from .rules import Rules
    from .view import View

    Flow = Generator[Effect, Any, Outcome]
    Step = Generator[Effect, Any, None]

# an enum looks its members up anew each time
_REVIEW, _BLOCK = Verdict.REVIEW, Verdict.BLOCK


def run(
    action: Action,
    rules: Rules,
    view: View,
    call: Any = None,
    *,
    stream: bool = False,
    dry: bool = False,
) -> Flow:
    """Take one stamped action along the path, performed by `call`, which is handed on as it is.
    With `dry`, stop after the decision; with `stream`, the performance may answer in pieces.

    The ordinary course stands here and costs one generator; what is rare has its own function.
    """
    course = Course(action, rules, view)
    try:
        admission: Admission = yield Admit(action, dry)
        if admission.code:
            return (yield from turn_away(course, admission))
        if rules.inputs:
            yield from look(course)
        if rules.follows or action.task:
            course.admission = admission = yield Trace(action, dry)
        if course.decision is PENDING:
            course.decision = decide(action, course.findings, course.coverage, admission, rules)
        if dry:
            course.code = "dry-run"
            return course.outcome()
        if course.decision.verdict is _REVIEW:
            yield from approve(course)
        if course.decision.verdict is _BLOCK:
            return (yield from refuse(course))
        if course.findings:
            sanitize(course)
        try:
            course.receipt = yield decision_append(course)
        except Exception as error:
            if not unrecorded(course, error):
                return course.outcome()
        if rules.restore is not None and view.plain:
            restore_call(course)
        try:
            if rules.grants is not None:
                yield from lend(course)
            answer: Any = yield Perform(course.action, call, stream, course.lease)
            course.status = "performed"
            if answer is OPENED:
                yield from relay(course)
            else:
                course.value = answer.value
                if rules.outputs or not view.plain:
                    yield from examine(course)
                else:
                    course.recorded = view.reply_recorded(course.value)
                if rules.follows and course.status == "performed":
                    yield from remember(course)
        except Exception as error:
            course.failed(error)
        if course.lease is not None:
            yield from give_back(course)
        settled: Settled = yield Settle(action, course.status, course.usage)
        try:
            course.receipt = yield outcome_append(course, settled)
        except Exception as error:
            unwritten(course, error)
    except Abandoned:
        yield from abandon(course)
    except Exception as error:
        yield from collapse(course, error)
    return course.outcome()


def turn_away(course: Course, admission: Admission) -> Flow:
    """The actor may not act at all."""
    course.decision, course.code = refused(admission, course.rules), admission.code
    course.retry_after = admission.retry_after
    return (yield from refuse(course))


def look(course: Course) -> Step:
    """Inspect what goes in. Content that cannot be inspected is decided here: it is blocked."""
    rules: Rules = course.rules
    try:
        course.texts = course.view.texts(course.action)
        course.findings, course.coverage = yield from inspect(
            rules.inputs, course.texts, course.action, rules.text_limit
        )
    except ActionError as error:
        course.decision, course.code = unusable(error, rules), "error"


def sanitize(course: Course) -> None:
    """Replace what the guards marked, where the verdict asks for it."""
    least = Verdict.ALLOW if course.decision.verdict is Verdict.SANITIZE else Verdict.SANITIZE
    texts = course.texts
    edits = rewrites(texts, [f for f in course.findings if f.verdict >= least])
    if edits:
        course.action = course.view.rewrite(
            course.action,
            {texts[i].path: text for i, text in edits.items() if not texts[i].key},
        )


def unrecorded(course: Course, error: Exception) -> bool:
    """The ledger did not take the decision: block, or under break-glass go on. Whether to go on."""
    fault = broken(f"the ledger failed: {error}", course.rules)
    if fault.verdict is Verdict.BLOCK:
        course.decision, course.code, course.error = fault, "error", error
        return False
    course.decision = noted(course.decision, fault)
    course.receipt = Receipt(-1, "")
    return True


def examine(course: Course) -> Step:
    """Inspect the result before anybody sees it, mask it, decide the tool calls it proposes.

    A result that may not be delivered becomes `withheld`: it was performed, and nobody sees it.
    """
    rules: Rules = course.rules
    view: View = course.view
    course.usage = view.usage(course.value)
    if rules.outputs:
        try:
            texts = view.reply_texts(course.action, course.value)
            outputs = bound(rules.outputs, course)
            findings, coverage = yield from inspect(outputs, texts, course.action, rules.text_limit)
        except ActionError as error:
            course.withhold(unusable(error, rules))
            return
        course.saw(findings, coverage)
        if rules.follows:
            course.replied = tuple(texts)
            course.left = tuple(f for f in findings if f.verdict < Verdict.SANITIZE)
        judged = combine(course.decision, findings, coverage, rules)
        if judged.verdict >= Verdict.REVIEW:
            course.withhold(judged)
            return
        edits = rewrites(texts, [f for f in findings if f.verdict >= Verdict.SANITIZE])
        if edits:
            course.decision = judged
            course.value = view.rewrite_reply(
                course.value,
                {texts[i].path: text for i, text in edits.items() if not texts[i].key},
            )
    if not view.plain:
        yield from propose(course)
    course.recorded = view.reply_recorded(course.value)
    if rules.restore is not None:
        restore_reply(course)


def remember(course: Course) -> Step:
    """Let the session know what is about to be delivered. What cannot be followed is withheld."""
    try:
        yield Learn(course.action, course.value, course.replied, course.left)
    except Exception as error:
        course.error = error
        fault = broken(f"the session could not be kept: {error}", course.rules)
        if fault.verdict is Verdict.BLOCK:
            course.withhold(fault)
        else:
            course.decision = noted(course.decision, fault)


def unwritten(course: Course, error: Exception) -> None:
    """The ledger did not take the outcome. The result is not delivered: recovery will find the
    decision without an outcome and complete the ledger.
    """
    course.error = course.error or error
    if course.status == "performed" and not course.rules.break_glass:
        course.status, course.code, course.value = "withheld", "error", None
        course.decision = broken(f"the outcome could not be recorded: {error}", course.rules)


def refuse(course: Course) -> Flow:
    """Record a refusal. It stands whether or not the ledger takes it."""
    course.status = "refused"
    course.code = course.code or code_of(course.decision)
    try:
        course.receipt = yield decision_append(course, "buffered")
    except Exception as error:
        course.error = course.error or error
    return course.outcome()


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


def collapse(course: Course, error: Exception) -> Step:
    """A stage failed in a way it does not know itself: block, and say so."""
    course.decision, course.code = unforeseen(error, course.rules), "error"
    course.error, course.value = error, None
    if course.receipt is None:
        yield from refuse(course)
    else:
        course.status = "withheld" if course.status == "performed" else course.status
        yield from conclude(course)


def conclude(course: Course) -> Step:
    """The end of the path, for the rarer courses."""
    if course.lease is not None:
        yield from give_back(course)
    try:
        settled: Settled = yield Settle(course.action, course.status, course.usage)
    except Exception as error:
        course.error = course.error or error
        settled = Settled()
    try:
        course.receipt = yield outcome_append(course, settled)
    except Exception as error:
        unwritten(course, error)
