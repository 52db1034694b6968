"""The inspect stage: guards over texts, and the honest account of which of them ran."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..model import ActionError, Coverage, Finding
from .effects import Scan

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from typing import Any

    from ..model import Action, Text
    from .course import Course
    from .effects import Effect
    from .rules import Guarding

Inspected = tuple[tuple[Finding, ...], tuple[Coverage, ...]]

BESIDE_MIN = 32_768
"""Code points of text from which all guards are asked by an effect, so that an event loop has
them read beside itself: ten milliseconds of work and more that others would wait for."""


class _LineUp(NamedTuple):
    """What is true of guards that run together: the account of a run in which none failed, whether
    one compares answers with requests, and whether each is called where the flow runs.
    """

    account: tuple[Coverage, ...]
    compares: bool
    near: bool


_line_ups: dict[tuple[Guarding, ...], _LineUp] = {}
_LINE_UPS_MAX = 64
"""Guard line-ups remembered; a process has one or two per reload."""


def inspect(
    guards: tuple[Guarding, ...], texts: Sequence[Text], action: Action, limit: int
) -> Generator[Effect, Any, Inspected]:
    """Run every guard over the texts. A guard that raises is recorded as failed, never skipped.

    Raises ActionError where the texts are longer than `limit` code points together.
    """
    if not guards:
        return (), ()
    together = _together(guards)
    if not texts and not together.compares:
        return (), together.account
    size = _bound(texts, limit)
    near = together.near and size < BESIDE_MIN
    findings: list[Finding] = []
    coverage: list[Coverage] | None = None
    for guard in guards:
        try:
            if near or at_once(guard, size):
                found = guard.inspect(texts, action)
            else:
                found = yield Scan(guard, tuple(texts), action)
        except Exception as error:
            if coverage is None:
                coverage = list(together.account)
            coverage = _failed(coverage, guard, error)
        else:
            if found:
                findings.extend(found)
    return tuple(findings), together.account if coverage is None else tuple(coverage)


def at_once(guard: Guarding, size: int) -> bool:
    """Whether a guard is called where the flow runs: it waits for nothing, and is soon done."""
    return guard.pure and size < BESIDE_MIN and not getattr(guard, "slow", False)


def bound(guards: tuple[Guarding, ...], course: Course) -> tuple[Guarding, ...]:
    """The guards for the answer to an action: some compare it with the request, or look at it as
    the value it is. Raises ActionError where the texts of the request cannot be named.
    """
    if not _together(guards).compares:
        return guards
    request = course.texts or course.view.texts(course.action)
    return tuple(
        guard.bound(request, course.value) if getattr(guard, "compares", False) else guard  # type: ignore[attr-defined]
        for guard in guards
    )


def ran(guards: tuple[Guarding, ...]) -> tuple[Coverage, ...]:
    """The account of a line-up in which every guard ran."""
    return _together(guards).account


def _together(guards: tuple[Guarding, ...]) -> _LineUp:
    known = _line_ups.get(guards)
    if known is None:
        known = _LineUp(
            tuple(Coverage(name, guard.version) for guard in guards for name in guard.covers),
            any(getattr(guard, "compares", False) for guard in guards),
            all(at_once(guard, 0) for guard in guards),
        )
        if known.compares:
            # bound to one request: not worth remembering
            return known
        if len(_line_ups) >= _LINE_UPS_MAX:
            _line_ups.clear()
        _line_ups[guards] = known
    return known


def _bound(texts: Sequence[Text], limit: int) -> int:
    """The size of the texts together. Raises ActionError where it is above the limit."""
    total = 0
    for text in texts:
        total += len(text.text)
    if total > limit:
        raise ActionError(
            f"{total} characters of text exceed the limit of {limit}; split the action "
            "or raise `limits.text_characters` in the configuration"
        )
    return total


def _failed(coverage: list[Coverage], guard: Guarding, error: Exception) -> list[Coverage]:
    reason = f"{type(error).__name__}: {error}"[:200]
    return [
        Coverage(entry.guard, entry.version, "failed", reason)
        if entry.guard in guard.covers
        else entry
        for entry in coverage
    ]
