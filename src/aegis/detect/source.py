"""Rule folders and lexicons, read and compiled into one rule set.

A rule folder is `rules/<category>/<rule>/` with `rule.toml` (the rule), `cases.yaml` (texts it
must hit and texts it must miss) and `page.md` (what, why, example, limits). Only `rule.toml` is
compiled; the others are read by tests and by the documentation.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from typing import TYPE_CHECKING, Any

import msgspec

from ..model import ConfigError, Prepared, Problem
from .fold import fold_char
from .masks import STYLES
from .ruleset import Concept, ConceptRule, Match, RuleSet, SpanRule
from .terms import TermError, expand, is_wordy, words
from .trims import TRIMS
from .validators import VALIDATORS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_UPPER_BOUND = re.compile(r"\{(\d+),\d+\}")
_PATTERN = re.compile(r"\\[^b]|[\[({?*]|[^-_a-z]\+")


def lean(pattern: str) -> str:
    """A pattern without upper bounds on repetition: matches at least what the pattern matches."""
    return _UPPER_BOUND.sub(r"{\1,}", pattern)


def concept(name: str, terms: list[str], spellings: list[str], path: Path) -> Concept:
    """The compiled form of one concept. Raises ConfigError for a term that cannot be read."""
    phrases: dict[str, None] = {}
    wide: dict[str, None] = {}
    raw: dict[str, None] = {}
    for source in terms:
        if source.startswith("re:"):
            raw[folded(source[3:])] = None
            continue
        try:
            expanded = expand(source)
        except (TermError, ValueError) as error:
            raise _problem(path, f"{name}: {error}") from None
        for phrase in expanded:
            if is_wordy(phrase) and phrase.isascii():
                phrases[" ".join(words(phrase))] = None
            elif not phrase.isascii():
                # an ending may follow anyway
                wide[phrase.rstrip("*")] = None
    phrases = dict.fromkeys(_minimal(phrases))
    phrases |= dict.fromkeys(spellings)
    return Concept("\n".join(sorted(phrases)), tuple(sorted(wide)), tuple(sorted(raw)))


def _minimal(phrases: Iterable[str]) -> list[str]:
    """The phrases that do not contain another one of them."""
    known = {tuple(phrase.split()) for phrase in phrases}
    return sorted(
        " ".join(parts)
        for parts in known
        if not any(
            parts[low:high] in known
            for low in range(len(parts))
            for high in range(low + 1, len(parts) + 1)
            if high - low < len(parts)
        )
    )


_DIGITS = str.maketrans("aeiost", "431057")


def slips(word: str) -> list[str]:
    """Spellings of a word with one letter lost, doubled or exchanged with its neighbour, or with a
    digit for one letter or for every letter that resembles it.
    """
    out = {word.translate(_DIGITS)}
    out |= {word[:i] + word[i].translate(_DIGITS) + word[i + 1 :] for i in range(len(word))}
    for i in range(1, len(word) - 1):
        if word[i] != " ":
            out.add(word[:i] + word[i + 1 :])
            out.add(word[:i] + word[i] + word[i:])
        if i + 1 < len(word) and " " not in word[i : i + 2]:
            out.add(word[:i] + word[i + 1] + word[i] + word[i + 2 :])
    if word[-2] != " ":
        out.add(word[:-2] + word[-1] + word[-2])
    out.discard(word)
    return sorted(out)


def _problem(path: Path, message: str, hint: str = "") -> ConfigError:
    return ConfigError([Problem(message, source=str(path), hint=hint)])


class _Concepts(msgspec.Struct, forbid_unknown_fields=True):
    openers: set[str]
    keywords: list[str]
    fuzzy: list[tuple[str, list[str]]]
    composites: list[tuple[str, str, str, int]]


class _Rule(msgspec.Struct, forbid_unknown_fields=True):
    """`rule.toml` as written."""

    category: str
    type: str
    severity: str
    score: int = 0
    patterns: list[str] = []
    gate: list[str] = []
    mask: str = "label"
    validators: list[str] = []
    context: list[str] = []
    context_required: bool = False
    context_score: int = 0
    before: int = 48
    after: int = 0
    refuse: list[str] = []
    unless_before: str = ""
    unless_after: str = ""
    kinds: list[str] = []
    decoded: bool = True
    trim: str = ""
    payload: bool = False
    locale: str = ""
    literal: bool = False
    match: list[dict[str, Any]] = []


_RULE, _MATCH, _META = Prepared(_Rule), Prepared(Match), Prepared(_Concepts)


def read_rule(path: Path) -> SpanRule | ConceptRule:
    """The rule of a folder. Raises ConfigError with the file and what is wrong."""
    file = path / "rule.toml"
    try:
        raw = _RULE.convert(tomllib.loads(file.read_text(encoding="utf-8")))
    except (msgspec.ValidationError, tomllib.TOMLDecodeError) as error:
        raise _problem(file, str(error)) from None
    if raw.match:
        matches = tuple(_match(file, one) for one in raw.match)
        return ConceptRule(path.name, raw.category, raw.type, raw.severity, matches, raw.literal)
    for name in raw.validators:
        if name not in VALIDATORS:
            raise _problem(file, f"unknown validator `{name}`", f"use {', '.join(VALIDATORS)}")
    if raw.mask not in STYLES:
        raise _problem(file, f"unknown mask style `{raw.mask}`", f"use {', '.join(STYLES)}")
    if raw.trim and raw.trim not in TRIMS:
        raise _problem(file, f"unknown trim `{raw.trim}`", f"use {', '.join(TRIMS)}")
    if not raw.patterns:
        raise _problem(file, "a rule needs `patterns` or `match`")
    patterns = [folded(pattern) for pattern in raw.patterns]
    if raw.payload and not (raw.kinds and len(raw.gate) == len(patterns)):
        raise _problem(file, "a payload names its `kinds` and has one `gate` for each pattern")
    gate = [_gate(entry) for entry in raw.gate] or [(lean(pattern),) for pattern in patterns]
    return SpanRule(
        path.name, raw.category, raw.type, raw.severity, raw.score, tuple(patterns),
        tuple(gate), raw.mask, tuple(raw.validators),
        tuple(context_word(word) for word in raw.context), raw.context_required,
        raw.context_score, raw.before, raw.after, tuple(map(context_word, raw.refuse)),
        folded(raw.unless_before), folded(raw.unless_after), tuple(raw.kinds),
        raw.decoded, raw.trim, raw.payload, raw.locale,
    )  # fmt: skip


def _gate(entry: str) -> tuple[str, ...]:
    """The patterns of a gate entry, all of which must occur (`one && other`)."""
    return tuple(_literal(part) for part in folded(entry).split(" && "))


def _literal(part: str) -> str:
    """Plain words lose the meaning of their dots and signs; patterns keep it."""
    if _PATTERN.search(part):
        return part
    return "|".join(
        r"\b" + re.escape(word[2:]) if word.startswith(r"\b") else re.escape(word)
        for word in part.split("|")
    )


def folded(text: str) -> str:
    """A pattern or word in the form that texts have when they are read."""
    return "".join(map(fold_char, text))


def context_word(word: str) -> str:
    """A word of a rule's surroundings in the form in which it is looked for."""
    return folded(word).lower()


def _match(file: Path, raw: dict[str, Any]) -> Match:
    steps = [step.split("|") for step in raw.pop("steps", [])]
    try:
        return _MATCH.convert({**raw, "steps": steps})
    except msgspec.ValidationError as error:
        raise _problem(file, f"match: {error}") from None


def folders(root: Path) -> list[Path]:
    """All rule folders below `rules/`, in order."""
    return sorted(path.parent for path in (root / "rules").glob("*/*/rule.toml"))


def compile_rules(root: Path) -> RuleSet:
    """Everything below `root` (`rules/` and `lexicon/`) as one rule set.

    Raises ConfigError for an invalid rule or a rule that names an unknown concept.
    """
    shared = root / "lexicon" / "concepts.toml"
    meta = _META.convert(tomllib.loads(shared.read_text(encoding="utf-8")))
    words_of: dict[str, list[str]] = {}
    for path in sorted((root / "lexicon").glob("*.toml")):
        if path == shared:
            continue
        for name, terms in tomllib.loads(path.read_text(encoding="utf-8")).items():
            words_of.setdefault(name, []).extend(terms)
    slipped = {name: [s for one in listed for s in slips(one)] for name, listed in meta.fuzzy}
    concepts = {
        name: concept(name, terms, slipped.get(name, []), root / "lexicon")
        for name, terms in words_of.items()
    }
    for name, *_ in meta.composites:
        concepts.setdefault(name, Concept())
    spans: list[SpanRule] = []
    rules: list[ConceptRule] = []
    for path in folders(root):
        rule = read_rule(path)
        if isinstance(rule, SpanRule):
            spans.append(rule)
            continue
        for match in rule.matches:
            unknown = {one for step in match.steps for one in step} - concepts.keys()
            if unknown:
                raise _problem(path / "rule.toml", f"unknown concept `{sorted(unknown)[0]}`")
            if not any(meta.openers >= set(step) for step in match.steps):
                message = f"no step of {match.steps} is made of openers alone"
                raise _problem(path / "rule.toml", message, f"add one to `openers` in {shared}")
        rules.append(rule)
    body = RuleSet(
        "",
        tuple(spans),
        tuple(rules),
        concepts,
        tuple(meta.composites),
        tuple(sorted(meta.openers)),
        tuple(meta.keywords),
    )
    version = hashlib.sha256(msgspec.json.encode(body)).hexdigest()[:16]
    return msgspec.structs.replace(body, version=version)
