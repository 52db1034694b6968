"""The same promises over a reply that arrives in pieces: inspected before release, cut where it
may not go on, its tool calls decided before the caller sees them.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ..model import Coverage, Text, Verdict
from .decide import code_of, combine, unusable
from .effects import ENDED, NEXT, Emit, Scan
from .inspect import at_once, bound, ran
from .propose import judge_calls
from .restore import restored_calls
from .window import TooMuch, Window

if TYPE_CHECKING:
    from collections.abc import Generator

    from ..model import Decision
    from .course import Course
    from .effects import Effect
    from .rules import Guarding, Rules
    from .view import StreamReader

    Step = Generator[Effect, Any, None]


def relay(course: Course) -> Step:
    """Pass the opened stream on to the caller, judged."""
    rules: Rules = course.rules
    reader: StreamReader = course.view.reader(course.action)
    restoring = partial(rules.restore.scan, course.action) if rules.restore is not None else None
    window = Window(bound(rules.outputs, course), reader, rules.text_limit, restoring)
    try:
        yield from _pass_on(course, window, reader)
    except TooMuch as error:
        yield from _cut(course, reader, unusable(error, rules))
    finally:
        course.usage = reader.usage()
        course.saw(tuple(window.findings), tuple(window.coverage))
    if course.status == "performed":
        course.recorded = reader.recorded()


def _pass_on(course: Course, window: Window, reader: StreamReader) -> Step:
    rules: Rules = course.rules
    window.coverage = list(ran(rules.outputs))
    while True:
        event = yield NEXT
        if event is ENDED:
            break
        try:
            ready = window.feed(event)
        except TooMuch:
            raise
        except Exception as error:
            _fail(window, error, None)
            ready = []
        judged = _judged(course, window)
        if judged.verdict >= Verdict.REVIEW:
            yield from _cut(course, reader, judged)
            return
        for item in ready:
            yield Emit(item)
        if reader.due:
            judged = yield from _settle(course, window)
            if judged.verdict >= Verdict.REVIEW:
                yield from _cut(course, reader, judged)
                return
            for item in window.rest({}, {}):
                yield Emit(item)
            window.renew()
    judged = yield from _settle(course, window)
    if judged.verdict >= Verdict.REVIEW:
        yield from _cut(course, reader, judged)
        return
    refused = yield from judge_calls(course, window.calls())
    for item in window.rest(refused, restored_calls(course, reader)):
        yield Emit(item)
    course.decision = judged


def _settle(course: Course, window: Window) -> Generator[Effect, Any, Decision]:
    """Judge all that the window has read, as complete texts."""
    try:
        window.close()
    except Exception as error:
        _fail(window, error, None)
    yield from _read_whole(course, window)
    return _judged(course, window)


def _read_whole(course: Course, window: Window) -> Step:
    """Guards that cannot read in pieces get the complete texts."""
    for guard, index, text in window.whole():
        texts = (Text(text, window.reader.kind),)
        try:
            if at_once(guard, len(text)):
                found = guard.inspect(texts, course.action)
            else:
                found = yield Scan(guard, texts, course.action)
        except Exception as error:
            _fail(window, error, guard)
        else:
            window.add(index, found)


def _judged(course: Course, window: Window) -> Decision:
    if not window.findings and all(entry.status == "ran" for entry in window.coverage):
        decision: Decision = course.decision
        return decision
    return combine(course.decision, window.findings, window.coverage, course.rules)


def _cut(course: Course, reader: StreamReader, decision: Decision) -> Step:
    course.decision, course.code = decision, code_of(decision)
    course.status = "withheld"
    for item in reader.cut(decision):
        yield Emit(item)


def _fail(window: Window, error: Exception, guard: Guarding | None) -> None:
    reason = f"{type(error).__name__}: {error}"[:200]
    names = guard.covers if guard else [entry.guard for entry in window.coverage]
    window.coverage = [
        Coverage(entry.guard, entry.version, "failed", reason) if entry.guard in names else entry
        for entry in window.coverage
    ]
