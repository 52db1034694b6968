"""What texts made to be slow cost, counted in lines of code run: a clock would count other
people's load as well.

The texts never repeat themselves: what does is read once, and says nothing about the rest.
"""

from __future__ import annotations

import base64
import contextlib
import random
import string
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import aegis.detect
from aegis.detect import Hit, ScanError, Stream, shared

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

SIZE = 6_000
FOLDER = str(Path(aegis.detect.__file__).parent)

LINES_MAX = 60
"""Most lines a character. Ordinary text takes one to five; without bounds on what is tried, digests
take 160, words run together 140 and those in base64 230."""

GROWTH_MAX = 2.3
"""Most that twice the text may cost."""

VERBS = [
    "ignore",
    "reveal",
    "disregard",
    "forget",
    "override",
    "bypass",
    "print",
    "pretend",
    "send",
    "delete",
]
THINGS = [
    "instructions",
    "prompt",
    "rules",
    "password",
    "filters",
    "system",
    "guidelines",
    "secrets",
    "model",
    "user",
]
CALM = [
    "river",
    "boats",
    "mill",
    "evening",
    "letter",
    "market",
    "garden",
    "window",
    "summer",
    "committee",
    "playground",
]
NAMED = [
    "passport",
    "ssn",
    "tax id",
    "Steuer-ID",
    "codice fiscale",
    "teléfono",
    "ИНН",
    "номер телефона",
    "주민등록번호",
    "号码",
    "免許証",
    "account",
]
PREFIXES = ["ghp_", "glpat-", "xoxb-", "sk_live_", "npm_", "hf_", "AKIA", "eyJhbGciOi", "api_key="]
BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
RAW = string.ascii_letters + string.digits


def _words(chance: random.Random, *lists: list[str]) -> str:
    return " ".join(chance.choice(chance.choice(lists)) for _ in range(chance.randrange(3, 8)))


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _number(chance: random.Random, size: int) -> str:
    return "".join(chance.choice(string.digits) for _ in range(size))


def _disguised(chance: random.Random) -> str:
    text = _words(chance, VERBS, THINGS)
    return chance.choice(
        [
            text.encode().hex(),
            _base64(text),
            "".join(f"%{ord(char):02x}" for char in text),
            "".join(f"&#{ord(char)};" for char in text),
            "".join(f"\\x{ord(char):02x}" for char in text),
            text.translate(str.maketrans("aeiost", "431057")),
            " ".join(text.replace(" ", "")),
            text.replace(" ", "-"),
            text[::-1],
            text.translate(str.maketrans("aceopxy", "асеорху")),
        ]
    )


def _layered(chance: random.Random) -> str:
    text = _words(chance, VERBS, THINGS)
    leet = text.translate(str.maketrans("aeiost", "431057"))
    return "\n" + chance.choice([" ".join(text.replace(" ", "")), leet, _number(chance, 9)]) + "\n"


def _raw(chance: random.Random, size: int) -> str:
    return "".join(chance.choice(RAW) for _ in range(size))


CRAFTED: dict[str, Callable[[random.Random], str]] = {
    "keys": lambda chance: "sk-proj-" + _raw(chance, 36),
    "digests": lambda chance: "".join(chance.choice("0123456789abcdef") for _ in range(40)),
    "base64 of words": lambda chance: _base64(_words(chance, CALM)),
    "base64 twice": lambda chance: _base64(_base64(_words(chance, CALM))),
    "words run together": lambda chance: _words(chance, CALM).replace(" ", ""),
    "orders run together": lambda chance: _words(chance, VERBS, THINGS).replace(" ", ""),
    "short sentences": lambda chance: f"{chance.choice(VERBS)}! {chance.choice(THINGS)}.",
    "shuffled orders": lambda chance: _words(chance, VERBS, THINGS),
    "disguises in turn": _disguised,
    "cards": lambda chance: f"4{_number(chance, 15)}",
    "numbers": lambda chance: _number(chance, chance.randrange(3, 19)),
    "identifiers": lambda chance: (
        f"{chance.choice(NAMED)} {_number(chance, chance.randrange(7, 14))}"
    ),
    "keys cut short": lambda chance: (
        chance.choice(PREFIXES) + _raw(chance, chance.choice([12, 21, 30]))
    ),
    "groups of digits": lambda chance: _number(chance, chance.randrange(1, 5)),
    "bech32": lambda chance: "bc1q" + "".join(chance.choice(BECH32) for _ in range(38)),
    "disguises over one another": _layered,
    "tables": lambda chance: chance.choice(
        [
            f"mrn,{chance.choice(CALM)}\n",
            f"mrn,\n-\n{chance.choice(CALM)},",
            f"| {chance.choice(CALM)} | dob |\n|---|---|\n",
            f"<tr><td>mrn</td><td>{chance.choice(CALM)}</td></tr>",
            f"(a, pass) values ({_number(chance, 3)}, {chance.choice(CALM)})",
        ]
    ),
    "marks": lambda chance: chance.choice(["<|im_start|>", "[INST]", "### ", "</s>", "<b>"]),
}


def made(name: str, size: int) -> str:
    chance = random.Random(5)
    parts: list[str] = []
    while sum(map(len, parts)) + len(parts) < size:
        parts.append(CRAFTED[name](chance))
    return " ".join(parts)[:size]


def work(text: str) -> int:
    """Lines of the engine run for a text."""
    count = 0

    def line(frame: FrameType, event: str, arg: object) -> Callable[..., object]:
        nonlocal count
        count += event == "line"
        return line

    def call(frame: FrameType, event: str, arg: object) -> Callable[..., object] | None:
        return line if frame.f_code.co_filename.startswith(FOLDER) else None

    before = sys.gettrace()
    sys.settrace(call)
    try:
        scan(text)
    finally:
        sys.settrace(before)
    return count


def scan(text: str) -> None:
    # too many disguises in one place are refused
    with contextlib.suppress(ScanError):
        shared().scan(text)


@pytest.mark.parametrize("name", CRAFTED)
def test_no_text_takes_more_than_its_length_allows(name: str) -> None:
    scan(made(name, SIZE))
    half, whole = work(made(name, SIZE // 2)), work(made(name, SIZE))
    assert whole <= LINES_MAX * SIZE
    # a little for what is done once
    assert whole <= GROWTH_MAX * half + SIZE


@pytest.mark.parametrize("name", CRAFTED)
def test_what_the_survey_rules_out_is_not_there(name: str) -> None:
    # a text in pieces is read without a survey
    text = made(name, SIZE // 3)
    stream = Stream(shared(), "prompt")
    assert outcome(lambda: [*stream.feed(text), *stream.close()]) == outcome(
        lambda: shared().scan(text)
    )


def outcome(read: Callable[[], list[Hit]]) -> list[Hit] | str:
    try:
        return read()
    except ScanError as error:
        return str(error)


PLAIN = (
    "She planted tomatoes along the fence, where the wall keeps the wind away. The committee met "
    "twice, and each time it postponed the question of the roof until somebody had seen the bill."
)

PLAIN_LINES_MAX = 600
"""Most lines for PLAIN: a rule whose gate lets every text through adds eighty to 552."""


def test_a_plain_text_is_let_go_at_the_gate() -> None:
    scan(PLAIN)
    assert work(PLAIN + " It was the bill.") <= PLAIN_LINES_MAX
