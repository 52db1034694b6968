"""Rule packs: rules of other people, joined to those that ship.

A pack is a document of values with a shape: patterns, the words around them, what they must hit
and what they must miss. Its rules become span rules of the one engine; a pack whose own cases
fail is refused. The format is described in `spec/pack.md`. Reading files, signatures and pins is
not done here (see `kernel.packs`).
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import re2
from msgspec import Meta

from ..model import Finding, Problem, masked
from .gate import ScanError, options
from .redact import UNREAD
from .ruleset import RuleSet, SpanRule
from .source import context_word, folded, lean
from .validators import VALIDATORS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .engine import Engine

RULES_MAX = 500
"""Most rules of one pack: every pattern makes the first look at a text larger."""

PATTERNS_MAX = 32
"""Most patterns of one rule."""

PATTERN_MAX = 2_000
"""Longest pattern in characters; a list of two hundred names fits."""

CASES_MIN = 2
"""Fewest hits and fewest misses of a rule: with one of each, an exact copy would do."""

CASES_MAX = 100
"""Most hits or misses of a rule: all of them are read at every start."""

CASE_MAX = 2_000
"""Longest case in characters."""

PROBE = "abcdefghij 0123456789 Az-_./:@ " * 700
"""Ordinary characters, as many as a long text has: an automaton that grows too far shows here."""

CONFIDENTIAL = "confidential"
"""The category that no built-in rule has: what is secret to one house."""

Category = Literal[
    "confidential", "pii", "phi", "secret", "injection", "tool_poisoning", "toxicity",
    "prompt_leak",
]  # fmt: skip

_NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")
_TYPE = re.compile(r"[A-Z][A-Z0-9_]{1,39}")
_VERSION = re.compile(r"(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})")
_NAME_MAX = 64


class PackRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule of a pack: a value with a shape, and the cases that prove it."""

    id: Annotated[str, Meta(description="name of the rule within the pack, such as `ticket_id`")]
    type: Annotated[str, Meta(description="type of what it finds, such as `TICKET_ID`")]
    patterns: Annotated[
        tuple[str, ...],
        Meta(description="RE2 patterns, case ignored; group 1, where there is one, is the value"),
    ]
    hits: Annotated[tuple[str, ...], Meta(description="texts it has to find something in")]
    misses: Annotated[tuple[str, ...], Meta(description="texts it must find nothing in")]
    description: Annotated[str, Meta(description="what it finds and why")] = ""
    category: Annotated[
        Category, Meta(description="category of its findings, which says whose `action` holds")
    ] = "confidential"
    severity: Annotated[
        Literal["low", "medium", "high", "critical"], Meta(description="how bad a finding is")
    ] = "medium"
    confidence: Annotated[
        int, Meta(ge=500, le=1000, description="how sure a match is, in thousandths")
    ] = 850
    kinds: Annotated[
        tuple[
            Literal[
                "system", "prompt", "reply", "arguments", "tool_result", "tool_description",
                "document",
            ],
            ...,
        ],
        Meta(description="kinds of text it reads; empty: all"),
    ] = ()  # fmt: skip
    mask: Annotated[
        Literal["email", "full", "label", "last2", "last4", "network"],
        Meta(description="how a found value is masked"),
    ] = "label"
    validators: Annotated[
        tuple[str, ...], Meta(description="checks of the value, such as `luhn`; all have to hold")
    ] = ()
    context: Annotated[
        tuple[str, ...], Meta(description="words of which one has to stand within 48 bytes before")
    ] = ()
    refuse: Annotated[
        tuple[str, ...], Meta(description="words directly before that make it something else")
    ] = ()


class Pack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rule pack as written."""

    pack: Annotated[Literal["1"], Meta(description="version of this format")]
    name: Annotated[str, Meta(description="name of the pack: lower-case words, `-` between")]
    version: Annotated[str, Meta(description="its version, as in `1.2.0`")]
    licence: Annotated[str, Meta(description="licence of its rules (SPDX identifier)")]
    author: Annotated[str, Meta(description="who stands behind it")]
    rules: Annotated[tuple[PackRule, ...], Meta(description="its rules")]
    description: Annotated[str, Meta(description="what it is for")] = ""

    @property
    def label(self) -> str:
        """Name and version, as people write them."""
        return f"{self.name} {self.version}"


def ordered(version: str) -> tuple[int, ...]:
    """A version as something that can be compared."""
    return tuple(int(part) for part in version.split("."))


def nameable(name: str, version: str) -> bool:
    """Whether a pack may have such a name and version: both become part of a file's name."""
    return (
        len(name) <= _NAME_MAX
        and _NAME.fullmatch(name) is not None
        and _VERSION.fullmatch(version) is not None
    )


def schema() -> dict[str, object]:
    """The JSON Schema of a pack."""
    made = msgspec.json.schema(Pack)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Aegis rule pack",
        **made,
    }


def complaints(pack: Pack) -> Iterator[tuple[str, str]]:
    """(path, what is wrong) for everything types do not say; patterns are tried here."""
    if not _NAME.fullmatch(pack.name) or len(pack.name) > _NAME_MAX:
        yield "name", f"`{pack.name}` has to be lower-case words with `-` between them"
    if not _VERSION.fullmatch(pack.version):
        yield "version", f"`{pack.version}` has to be three numbers, as in `1.2.0`"
    for key in ("licence", "author"):
        if not str(getattr(pack, key)).strip():
            yield key, "must not be empty"
    if not 0 < len(pack.rules) <= RULES_MAX:
        yield "rules", f"{len(pack.rules)} rules; a pack has 1 to {RULES_MAX}"
    seen: set[str] = set()
    for index, rule in enumerate(pack.rules[:RULES_MAX]):
        path = f"rules[{index}]"
        if rule.id in seen:
            yield f"{path}.id", f"`{rule.id}` names two rules"
        seen.add(rule.id)
        yield from _of_rule(rule, path)


def _of_rule(rule: PackRule, path: str) -> Iterator[tuple[str, str]]:
    if not _NAME.fullmatch(rule.id) or len(rule.id) > _NAME_MAX:
        yield f"{path}.id", f"`{rule.id}` has to be lower-case words with `_` between them"
    if not _TYPE.fullmatch(rule.type):
        yield f"{path}.type", f"`{rule.type}` has to be upper-case words with `_` between them"
    for index, name in enumerate(rule.validators):
        if name not in VALIDATORS:
            known = ", ".join(sorted(VALIDATORS))
            yield f"{path}.validators[{index}]", f"unknown validator `{name}`; use one of {known}"
    if not 0 < len(rule.patterns) <= PATTERNS_MAX:
        yield f"{path}.patterns", f"{len(rule.patterns)} patterns; a rule has 1 to {PATTERNS_MAX}"
    for index, pattern in enumerate(rule.patterns[:PATTERNS_MAX]):
        if wrong := _wrong_pattern(pattern):
            yield f"{path}.patterns[{index}]", wrong
    for key, cases in (("hits", rule.hits), ("misses", rule.misses)):
        if not CASES_MIN <= len(cases) <= CASES_MAX:
            yield (
                f"{path}.{key}",
                f"{len(cases)} {key}; a rule needs {CASES_MIN} to {CASES_MAX}, to prove itself",
            )
        if any(len(case) > CASE_MAX for case in cases):
            yield f"{path}.{key}", f"a case is longer than {CASE_MAX} characters"
        if len(set(cases)) != len(cases):
            yield f"{path}.{key}", "a case stands there twice"


def _wrong_pattern(pattern: str) -> str:
    """Why a pattern cannot be used; empty where it can."""
    if len(pattern) > PATTERN_MAX:
        return f"longer than {PATTERN_MAX} characters"
    try:
        compiled = re2.compile(folded(pattern), options(captures=True))
        re2.compile(lean(folded(pattern)), options())
    except re2.error as error:
        said = error.args[0] if error.args else error
        said = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
        return f"is no RE2 pattern: {said}"
    if compiled.search(b"") is not None:
        return "matches the empty text, so it would match everywhere"
    return ""


def spans(pack: Pack) -> tuple[SpanRule, ...]:
    """The rules as the engine takes them, named `PACK/RULE`."""
    return tuple(_span(pack.name, rule) for rule in pack.rules)


def _span(pack: str, rule: PackRule) -> SpanRule:
    patterns = tuple(map(folded, rule.patterns))
    return SpanRule(
        f"{pack}/{rule.id}",
        rule.category,
        rule.type,
        rule.severity,
        rule.confidence,
        patterns,
        tuple((lean(pattern),) for pattern in patterns),
        mask=rule.mask,
        validators=rule.validators,
        context=tuple(map(context_word, rule.context)),
        context_required=bool(rule.context),
        refuse=tuple(map(context_word, rule.refuse)),
        kinds=rule.kinds,
    )


def joined(base: RuleSet, packs: Sequence[Pack]) -> RuleSet:
    """The rules of packs beside those of `base`; the version names both by their content."""
    extra = tuple(span for pack in packs for span in spans(pack))
    digest = hashlib.sha256(base.version.encode() + msgspec.json.encode(extra)).hexdigest()[:16]
    return msgspec.structs.replace(base, spans=base.spans + extra, version=digest)


def failures(pack: Pack, engine: Engine) -> list[Problem]:
    """The cases of a pack that fail in an engine that has its rules."""
    out: list[Problem] = []
    try:
        engine.scan(PROBE, "prompt")
    except ScanError as error:
        return [Problem(f"its patterns are too large together: {error}", path="rules")]
    for index, rule in enumerate(pack.rules):
        kinds = rule.kinds or ("prompt",)
        for place, text in enumerate(rule.hits):
            if wrong := _missed(f"{pack.name}/{rule.id}", text, kinds[0], engine):
                out.append(Problem(wrong, path=f"rules[{index}].hits[{place}]"))
        for place, text in enumerate(rule.misses):
            if any(_found(f"{pack.name}/{rule.id}", text, kind, engine) for kind in kinds):
                path = f"rules[{index}].misses[{place}]"
                out.append(Problem(f"`{rule.id}` finds something in it", path=path))
    return out


def _found(name: str, text: str, kind: str, engine: Engine) -> bool:
    return any(hit.rule == name for hit in engine.scan(text, kind))


def _missed(name: str, text: str, kind: str, engine: Engine) -> str:
    """Why a hit is none; empty where it is one."""
    hits = engine.scan(text, kind)
    if any(hit.rule == name for hit in hits):
        return ""
    others = sorted({hit.rule for hit in hits})
    beside = f"; `{others[0]}` is found there, and is surer" if others else ""
    return f"`{name.partition('/')[2]}` finds nothing in it{beside}"


_VALUES = frozenset({"pii", "phi", "secret", CONFIDENTIAL})


def hiding(redact: Callable[[Any], Any], engine: Engine) -> Callable[[Any], Any]:
    """`redact`, and after it whatever else the engine masks in a value."""

    def hide(value: Any) -> Any:
        return _hidden(redact(value), engine)

    return hide


def _hidden(value: Any, engine: Engine) -> Any:
    if isinstance(value, str):
        return _text(value, engine)
    if isinstance(value, dict):
        return {_hidden(key, engine): _hidden(item, engine) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        items = [_hidden(item, engine) for item in value]
        return items if isinstance(value, list) else tuple(items)
    return value


def _text(text: str, engine: Engine) -> str:
    try:
        hits = engine.scan(text, "arguments", categories=_VALUES)
    except ScanError:
        return UNREAD
    findings = [
        Finding("packs", hit.rule, hit.category, start=hit.start, end=hit.end, mask=hit.mask)
        for hit in hits
    ]
    return masked(text, findings) if findings else text
