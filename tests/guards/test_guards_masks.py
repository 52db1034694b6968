"""Masks and countries of one's own: what stands for a value, and whose numbers are looked for."""

from __future__ import annotations

import pytest

from aegis.builtin.guards import build_guard
from aegis.model import Action, Text, masked

ACTION = Action("chat.completions")
CARD = "card 4111 1111 1111 1111"
KEY = "a key of some length"  # an example
SSN, RRN = "SSN 536-90-4399", "주민등록번호 900101-1234568"


def shown(text: str, **options: object) -> str:
    guard = build_guard({"pii": options})
    streamed = guard.stream("prompt")
    found = [*(f for char in text for f in streamed.feed(char)), *streamed.close()]
    assert found == list(guard.inspect([Text(text, "prompt")], ACTION))
    return masked(text, found)


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        ("last4", "card **** **** **** 1111"),
        ("last2", "card **** **** **** **11"),
        ("full", "card **** **** **** ****"),
        ("label", "card [CREDIT_CARD]"),
    ],
)
def test_a_type_is_masked_in_its_style(style: str, expected: str) -> None:
    assert shown(CARD, masks={"CREDIT_CARD": style}) == expected


def test_other_types_keep_their_style() -> None:
    text = "write to jane@mail.example.org"
    assert shown(text, masks={"CREDIT_CARD": "full"}) == shown(text)


def test_a_hash_is_the_same_for_the_same_value_and_needs_its_key() -> None:
    options = {"masks": {"credit_card": "hash"}, "hash_key": KEY}
    spaced, bare = shown(CARD, **options), shown("card 4111111111111111", **options)
    assert spaced == bare
    assert spaced.startswith("card [CREDIT_CARD:")
    assert "1111" not in spaced
    assert shown(CARD, masks={"CREDIT_CARD": "hash"}, hash_key=KEY[::-1]) != spaced
    assert shown("card 5500 0000 0000 0004", **options) != spaced


def test_only_numbers_of_the_chosen_countries_are_found() -> None:
    text = f"{SSN}; {RRN}"
    assert shown(text, locales=["kr"]).startswith(SSN)
    assert "900101-1234568" not in shown(text, locales=["kr"])
    assert shown(text, locales=["US", "kr"]) == shown(text)
    # what no single country issues is looked for everywhere
    assert shown(CARD, locales=[]) == shown(CARD)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"masks": {"CREDIT_CART": "full"}}, "did you mean `CREDIT_CARD`"),
        ({"masks": {"EMAIL": "lastt4"}}, "did you mean `last4`"),
        ({"masks": ["EMAIL"]}, "Expected `object`"),
        ({"masks": {"EMAIL": "hash"}}, "needs a `hash_key`"),
        ({"masks": {"EMAIL": "hash"}, "hash_key": "short"}, "needs a `hash_key`"),
        ({"hash_key": KEY}, "has no effect without a mask `hash`"),
        ({"masks": {"EMAIL": "label"}, "reversible": True}, "no effect with `reversible"),
        ({"locales": ["xx"]}, "no rule knows the country `xx`"),
        ({"types": {"EMIAL": "block"}}, "did you mean `EMAIL`"),
        ({"types": {"JWT": "warn"}}, "no rule of this guard knows the type `JWT`"),
        ({"masks": {"JWT": "full"}}, "no rule of this guard knows the type `JWT`"),
        ({"masks": {"CREDIT_CARD": "email"}}, "fits EMAIL only"),
        ({"masks": {"EMAIL": "network"}}, "fits IP and MAC only"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        build_guard({"pii": options})


def test_every_type_that_is_found_can_be_named() -> None:
    other = ("ADVERSARIAL_SUFFIX", "TOKEN_FLOOD", "ATTACK_WORDING", "INVISIBLE_TEXT")
    assert build_guard({"injection": {"types": dict.fromkeys(other, "block")}})
    assert build_guard({"prompt_leak": {"types": {"canary": "block", "PROMPT_OVERLAP": "log"}}})


def test_records_name_the_rules_that_ran() -> None:
    plain, tailored = build_guard({"pii": {}}), build_guard({"pii": {"locales": ["de"]}})
    assert plain.version != tailored.version
