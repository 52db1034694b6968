"""The gate: reading a text for fewer patterns finds no fewer of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

import aegis.detect
from aegis.detect.gate import Gate, options
from aegis.detect.needed import DIGIT, PLAIN, RUN, SIGN, kinds, needed
from aegis.detect.ruleset import load
from aegis.detect.triggers import SHAPES

FOLDER = Path(aegis.detect.__file__).parent / "rules"

NEEDED = {
    r"\d{3}-\d{4}": DIGIT,
    r"[0-9a-f]{2}": PLAIN,
    r"[a-z]*\d": DIGIT,
    r"[a-z]\d*": PLAIN,
    r"[a-z]\d{0,3}": PLAIN,
    r"[a-z]\d{0}": PLAIN,
    r"[a-z]\d+?": DIGIT,
    r"a@b": SIGN,
    r"a(?:@|\d)b": DIGIT | SIGN,
    r"a(?:@|\d)b\d": DIGIT,
    r"a(?:@|b)": PLAIN,
    r"a|\d": PLAIN,
    r"1|[2-4]|\x35": DIGIT,
    r"(?-i:A\d)": DIGIT,
    r"\d|": PLAIN,
    r"[^a-z]": PLAIN,
    r"[]\d]": DIGIT | SIGN,
    r"[\]\x{3041}-\x{30FF}]": SIGN,
    r"[+-]": PLAIN,
    r"[+\-0]": PLAIN,
    r"[[:digit:]]": PLAIN,
    r"\x{17F}": PLAIN,
    r"[\x{100}-\x{200}]": PLAIN,
    r"비번": SIGN,
    r"\$": SIGN,
    r"\Q@\E": PLAIN,
    r"(?P<name>\d)": PLAIN,
    r"(?i)\d": PLAIN,
    r"\d)": PLAIN,
    r"[\d": PLAIN,
    r"\.": PLAIN,
    "": PLAIN,
    r"[A-Za-z0-9_-]{16,}": RUN,
    r"[a-z]{15,}": PLAIN,
    r"(?:[a-z]{8}){2}": PLAIN,
    r"(?-i:\b[a-z]{20,}\b)|\w{20}": PLAIN,
    r"[a-z]{20}|[0-9a-f]{16}": RUN,
    r"[a-z]{20}|[a-z ]{20}": PLAIN,
    r"[a-z]{20}@": SIGN,
    r"\x{17F}{20}": PLAIN,
}


@pytest.mark.parametrize("pattern", NEEDED)
def test_what_a_pattern_needs(pattern: str) -> None:
    assert needed(pattern) == NEEDED[pattern]


def test_a_pattern_too_deep_to_be_read_is_tried_on_every_text() -> None:
    assert needed("(" * 900 + r"\d" + ")" * 900) == PLAIN


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("It's plain, well-known text.\n", PLAIN),
        ("room 7", PLAIN | DIGIT),
        ("(so)", PLAIN | SIGN),
        ("naïve", PLAIN | SIGN),
        ("7%", PLAIN | DIGIT | SIGN),
        ("", PLAIN),
        ("abcdefgh-jklmno", PLAIN),
        ("abcdefgh-jklmnop", PLAIN | RUN),
        ("abcdefgh jklmnopq", PLAIN),
        ("\u017f" * 8, PLAIN | SIGN | RUN),
    ],
)
def test_what_a_text_holds(text: str, held: int) -> None:
    assert kinds(text.encode()) == held


PIECES = st.sampled_from(
    [
        ("a", "a"), ("s", "\u017f"), (r"\x{17F}", "s"), (r"\d", "7"), ("@", "@"), (r"\$", "$"),
        (r"[a-f0-9]", "c"),
        (r"[0-9]", "4"), (r"[!-/]", "+"), (r"[^a-z]", "~"), (r"[\x{80}-\x{FFFF}]", "\u00e9"),
        (r"\s", " "), ("[-.]", "-"), (r"\b", ""), (".", "x"), (r"\x41", "a"), (r"[]]", "]"),
    ]
)  # fmt: skip
"""Patterns, each with a text that it matches."""


Pair = tuple[str, str]

REPEATS = st.sampled_from(
    [("*", 0), ("?", 0), ("+", 1), ("{2}", 2), ("{17,}", 17), ("{1,}", 1), ("{0,4}", 0)]
)


def _row(parts: list[Pair]) -> Pair:
    return "".join(pattern for pattern, _ in parts), "".join(text for _, text in parts)


def _either(one: Pair, other: Pair) -> Pair:
    return f"(?:{one[0]}|{other[0]})", other[1]


def _repeated(one: Pair, repeat: tuple[str, int]) -> Pair:
    return f"(?:{one[0]}){repeat[0]}", one[1] * repeat[1]


def _larger(some: st.SearchStrategy[Pair]) -> st.SearchStrategy[Pair]:
    row = st.lists(some, min_size=1, max_size=4).map(_row)
    return row | st.builds(_either, row, row) | st.builds(_repeated, row, REPEATS)


@given(st.recursive(PIECES, _larger, max_leaves=12))
def test_a_text_that_matches_holds_what_its_pattern_needs(pair: Pair) -> None:
    pattern, text = pair
    if re2.compile(pattern, options()).search(text.encode()) is not None:
        assert needed(pattern) & kinds(text.encode())


def _patterns() -> list[str]:
    rules = load()
    return [
        *SHAPES.values(),
        *dict.fromkeys(one for rule in rules.spans for entry in rule.gate for one in entry),
        *dict.fromkeys(one for concept in rules.concepts.values() for one in concept.raw),
    ]


def _texts() -> list[str]:
    read = YAML(typ="safe").load
    every = [read(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*/*/cases.yaml"))]
    return [str(text) for some in every for key in ("hits", "misses") for text in some[key]]


def test_a_gate_sees_what_each_of_its_patterns_finds() -> None:
    patterns = _patterns()
    gate = Gate(patterns[:3], patterns[3:])
    alone = [re2.compile(pattern, options()) for pattern in patterns]
    texts = _texts()[::7]
    assert len(texts) > 100
    for text in texts:
        data = text.encode()
        found = [number for number, one in enumerate(alone) if one.search(data) is not None]
        assert list(gate.match(data)) == found
        some = frozenset(range(0, len(patterns), 5))
        assert some.intersection(gate.match(data, some)) == some.intersection(found)
