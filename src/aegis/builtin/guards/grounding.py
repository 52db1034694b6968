"""Grounding: numbers, quotations and names in a reply that stand nowhere in its request.

The claim is narrow on purpose. What a reply states without numbers, quotations or names is not
judged, and whatever is written in the request counts as support, true or not. Deterministic: the
same reply to the same request has the same findings.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from ...model import Finding, Verdict
from ...plugin.options import Complaint, options_of, takes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ...model import Action, Text
    from ...plugin.options import Entry

VERSION = "1"

SOURCES = frozenset({"document", "tool_result"})
"""Kinds of text a reply is to be grounded in; without one there is nothing to compare with."""

ACTIONS = {"block": Verdict.BLOCK, "review": Verdict.REVIEW, "warn": Verdict.ALLOW}

Check = Literal["numbers", "quotes", "names"]

SMALL = 12
"""Whole numbers up to this one are counts and list marks, and are not judged."""

QUOTE_WORDS = 3
"""Fewest words between quotation marks that are a quotation."""

FINDINGS_MAX = 100
"""Most findings in one reply; the verdict is the same with the first."""

_NUMBER = re.compile(r"(?<![\w.])\d{1,3}(?:[,' \u00a0]\d{3})+(?:\.\d+)?|(?<![\w.])\d+(?:[.,]\d+)?")
_QUOTE = re.compile(r"[\"“„«]([^\"“”„«»\n]{8,300})[\"”“»]")
_NAME = re.compile(
    r"(?<![.!?:] )(?<!^)\b[A-Z][a-z]+(?:[ -](?:of |de |van |von |the )?[A-Z][a-z]+)+"
)
_WORD = re.compile(r"\w+")


class GroundingOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is looked for."""

    checks: tuple[Check, ...] = ("numbers", "quotes", "names")

    def complaints(self, entry: Entry) -> Iterator[Complaint]:
        """Nothing to check, or an action that a missing support cannot have."""
        if not self.checks:
            yield Complaint(("options", "checks"), "has to list one check or more")
        if entry.action and entry.action not in ACTIONS:
            allowed = ", ".join(ACTIONS)
            yield Complaint(("action",), f"has to be one of {allowed}, not `{entry.action}`")


class GroundingGuard:
    """Compares replies with the documents and tool results of their request.

    It needs the whole reply: streams are held until they are complete. Thread-safe.
    """

    name = "grounding"
    version = VERSION
    covers = ("grounding",)
    stages = frozenset({"output"})
    compares = True

    def __init__(self, action: str, checks: Sequence[str]) -> None:
        self._verdict = ACTIONS[action]
        self._action = action
        self._checks = tuple(checks)
        self._support: _Support | None = None

    @property
    def pure(self) -> bool:
        """True: inspecting is a plain call."""
        return True

    def stream(self, kind: str) -> None:
        """None: a name or a quotation may be cut anywhere, so the whole reply is read."""

    def bound(self, request: Sequence[Text], value: Any = None) -> GroundingGuard:
        """The guard for the replies to one request."""
        guard = GroundingGuard(self._action, self._checks)
        if any(text.kind in SOURCES for text in request):
            guard._support = _Support([text.text for text in request])
        return guard

    def inspect(self, texts: Sequence[Text], action: Action) -> Sequence[Finding]:
        """What replies state and their request does not; nothing where it brought no sources."""
        support = self._support
        if support is None:
            return ()
        found = (
            Finding(
                self.name, f"unsupported_{what}", self.name, f"UNSUPPORTED_{what.upper()}",
                index, start, end, 700, "medium", self._verdict,
                reason="stands nowhere in the documents and tool results of the request",
            )
            for index, text in enumerate(texts)
            if text.kind == "reply"
            for what, start, end in support.missing(text.text, self._checks)
        )  # fmt: skip
        return [finding for finding, _ in zip(found, range(FINDINGS_MAX), strict=False)]


class _Support:
    """The numbers and words of a request."""

    __slots__ = ("_numbers", "_words")

    def __init__(self, texts: Sequence[str]) -> None:
        self._numbers = {_value(m.group()) for text in texts for m in _NUMBER.finditer(text)}
        self._words = " " + " ".join(_plain(text) for text in texts) + " "

    def missing(self, text: str, checks: Sequence[str]) -> Iterator[tuple[str, int, int]]:
        """What stands in a reply only: kind, start and end in code points."""
        if "numbers" in checks:
            for found in _NUMBER.finditer(text):
                value = _value(found.group())
                small = value.isdigit() and int(value) <= SMALL
                if not small and value not in self._numbers:
                    yield "number", *found.span()
        if "quotes" in checks:
            for found in _QUOTE.finditer(text):
                said = _plain(found[1])
                if said.count(" ") + 1 >= QUOTE_WORDS and f" {said} " not in self._words:
                    yield "quote", *found.span(1)
        if "names" in checks:
            for found in _NAME.finditer(text):
                if f" {_plain(found.group())} " not in self._words:
                    yield "name", *found.span()


def _plain(text: str) -> str:
    return " ".join(_WORD.findall(text.lower()))


def _value(number: str) -> str:
    """A number without the marks that group its digits, and without a fraction of zeros."""
    bare = re.sub(r"[,' \u00a0](?=\d{3}(?:\D|\Z))", "", number).replace(",", ".")
    return bare.rstrip("0").rstrip(".") if "." in bare else bare.lstrip("0") or "0"


@takes(grounding=GroundingOptions)
def build_guard(settings: Mapping[str, Any], stage: str = "") -> GroundingGuard:
    """The grounding guard. Raises ValueError for an unknown option or value."""
    options, action = options_of(GroundingOptions, "grounding", settings["grounding"])
    return GroundingGuard(action or "warn", options.checks)
