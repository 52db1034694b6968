"""The guard over Presidio's recognisers. Needs `presidio-analyzer`, which the lock leaves out."""

import importlib
import socket
import sys

import pytest

from aegis.model import Action, Text, Verdict, masked
from aegis.plugin.contracts import SlowGuard
from aegis.plugin.testing import check_guard

pytest.importorskip(
    "presidio_analyzer",
    reason="aegis-guard-presidio is not tested: presidio-analyzer is not installed (it brings "
    "spaCy, so it is no part of requirements.lock)",
)

ACTION = Action("chat.completions")
TEXT = "Write to jo@example.com or pay with 4539 5787 6362 1486."


@pytest.fixture
def build(plugin):
    plugin("aegis-guard-presidio")
    from aegis_guard_presidio import build

    return lambda **options: build({"presidio": options}, stage="input")


def test_it_keeps_the_contract(build):
    check_guard(build(), hit=TEXT, miss="What is a ledger?")


def test_values_are_masked_by_their_entity(build):
    found = build().inspect([Text("no", "prompt"), Text(TEXT, "prompt")], ACTION)
    assert masked(TEXT, found) == "Write to [EMAIL_ADDRESS] or pay with [CREDIT_CARD]."
    assert {one.text for one in found} == {1}
    assert {one.category for one in found} == {"pii"}
    assert "presidio.CreditCardRecognizer" in {one.rule for one in found}


def test_nothing_is_fetched(build, monkeypatch):
    def refuse(*_args, **_more):
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert build().inspect([Text(TEXT, "prompt")], ACTION)


def test_entities_threshold_kinds_and_action_are_settings(build):
    def types(kind="prompt", **options):
        found = build(**options).inspect([Text(TEXT, kind)], ACTION)
        return {one.type for one in found}

    assert types(entities=["CREDIT_CARD"]) == {"CREDIT_CARD"}
    assert types(kind="arguments") == set()
    assert types(kind="arguments", kinds=["arguments"]) >= {"CREDIT_CARD"}
    low = "call 212-555-0134"
    assert not build().inspect([Text(low, "prompt")], ACTION)
    assert build(threshold=300).inspect([Text(low, "prompt")], ACTION)
    (card,) = build(entities=["CREDIT_CARD"], action="block").inspect(
        [Text(TEXT, "prompt")], ACTION
    )
    assert (card.verdict, card.mask) == (Verdict.BLOCK, None)


def test_a_key_is_found_and_not_rewritten(build):
    found = build().inspect([Text("jo@example.com", "tool_result", key=True)], ACTION)
    assert {(one.verdict, one.mask) for one in found} == {(Verdict.ALLOW, None)}


def test_a_text_that_is_too_long_is_refused_and_not_cut(build):
    with pytest.raises(Exception, match="longer than 100"):
        build(characters_max=100).inspect([Text("x" * 101, "prompt")], ACTION)


def test_a_text_that_a_pattern_gives_up_on_is_refused_and_not_passed(build, monkeypatch):
    """Presidio skips a pattern that takes too long, and says so in its log alone."""
    guard = build(entities=["URL"])
    seconds = sys.modules[type(guard).__module__].SECONDS_MAX
    for module in ("pattern_recognizer", "predefined_recognizers.generic.iban_recognizer"):
        found = importlib.import_module(f"presidio_analyzer.{module}")
        assert seconds == found.REGEX_TIMEOUT_SECONDS
        monkeypatch.setattr(found, "REGEX_TIMEOUT_SECONDS", 0.2)
    monkeypatch.setattr(sys.modules[type(guard).__module__], "SECONDS_MAX", 0.2)
    text = "a." * 10_000 + " https://example.com/x"
    with pytest.raises(Exception, match=r"longer than 0\.2 s"):
        guard.inspect([Text(text, "prompt")], ACTION)


def test_the_event_loop_does_not_wait_for_it(build):
    assert isinstance(build(), SlowGuard)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"entities": ["CARD"]}, "no recogniser for `CARD`"),
        ({"language": "english"}, "two letters"),
        ({"entity": []}, "did you mean `entities`"),
        ({"threshold": -1}, "threshold"),
        ({"kinds": []}, "kinds"),
        ({"action": "hide"}, "not `hide`"),
        ({"characters_max": 0}, "characters_max"),
    ],
)
def test_settings_that_make_no_sense(build, options, said):
    with pytest.raises(ValueError, match=said):
        build(**options)


def test_a_configuration_is_refused_with_its_place(validated):
    said = validated("aegis-guard-presidio", "presidio", threshold=2000, kinds=["song"])
    assert any("guardrails.presidio.options.threshold" in one for one in said), said
    said = validated("aegis-guard-presidio", "presidio", kinds=["song"], entities=["UK_NHZ"])
    for one in ("kinds: has to list", "entities: no recogniser for `UK_NHZ`"):
        assert any(f"guardrails.presidio.options.{one}" in line for line in said), said


def test_installed_it_is_found_by_its_name(enforced):
    said = enforced("aegis-guard-presidio", "presidio", threshold=400)
    assert any("enforcing" in one for one in said), said
