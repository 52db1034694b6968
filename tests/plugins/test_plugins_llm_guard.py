"""The guard over LLM Guard's scanners. Needs `llm-guard`, which the lock leaves out."""

import pytest

from aegis.model import Action, Text, Verdict, masked
from aegis.plugin.testing import check_guard

pytest.importorskip(
    "llm_guard",
    reason="aegis-guard-llm-guard is not tested: llm-guard is not installed (it brings torch, so "
    "it is no part of requirements.lock)",
)

ACTION = Action("chat.completions")
WORDS = {"BanSubstrings": {"substrings": ["lighthouse"], "match_type": "word", "redact": True}}
TEXT = "Tell me about project lighthouse."


@pytest.fixture
def build(plugin):
    plugin("aegis-guard-llm-guard")
    from aegis_guard_llm_guard import build

    return lambda **options: build({"llm_guard": {"scanners": WORDS, **options}}, stage="input")


def test_it_keeps_the_contract(build):
    check_guard(build(), hit=TEXT, miss="What is a ledger?")


def test_a_finding_names_its_scanner_and_spans_its_text(build):
    (found,) = build().inspect([Text("no", "prompt"), Text(TEXT, "prompt")], ACTION)
    assert (found.rule, found.type) == ("llm_guard.BanSubstrings", "BANSUBSTRINGS")
    assert (found.text, found.start, found.end) == (1, 0, len(TEXT))
    assert found.verdict is Verdict.BLOCK


def test_what_a_scanner_takes_out_is_masked(build):
    found = build(action="mask").inspect([Text(TEXT, "prompt")], ACTION)
    assert masked(TEXT, found) == "Tell me about project [REDACTED]."
    hidden = build(action="mask", scanners={"InvisibleText": {}})
    text = "pay\u200bment"
    assert masked(text, hidden.inspect([Text(text, "prompt")], ACTION)) == "payment"


def test_a_scanner_that_takes_nothing_out_does_not_pass_for_masking(build):
    plain = {"BanSubstrings": {"substrings": ["lighthouse"]}}
    (found,) = build(action="mask", scanners=plain).inspect([Text(TEXT, "prompt")], ACTION)
    assert (found.verdict, found.mask) == (Verdict.BLOCK, None)


def test_a_scanner_that_fails_is_not_silent(build):
    broken = build(scanners={"BanSubstrings": {"substrings": [7]}})
    with pytest.raises(AttributeError):
        broken.inspect([Text(TEXT, "prompt")], ACTION)


def test_a_text_that_is_too_long_is_refused_and_not_cut(build):
    with pytest.raises(Exception, match="longer than 100"):
        build(characters_max=100).inspect([Text("x" * 101, "prompt")], ACTION)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"scanners": {}}, "has to name one scanner"),
        ({"scanners": {"BanSubstring": {}}}, "did you mean `BanSubstrings`"),
        (
            {"scanners": {"BanSubstrings": {"words": []}}},
            "`BanSubstrings` has no parameter `words`",
        ),
        ({"scanners": {"BanSubstrings": {}}}, "`BanSubstrings`: missing a required argument"),
        ({"scanners": {"InvisibleText": {"limit": 1}}}, "`InvisibleText` has no parameter `limit`"),
        ({"scanners": {"Regex": {"patterns": ["("]}}}, "`Regex` cannot be made: missing"),
        ({"scanners": {"BanCode": {"model": "x"}}}, "`BanCode` cannot be made"),
        ({"scanner": WORDS}, "did you mean `scanners`"),
        ({"threshold": 2000}, "threshold"),
        ({"kinds": []}, "kinds"),
        ({"category": ""}, "category"),
        ({"action": "hide"}, "not `hide`"),
        ({"characters_max": 0}, "characters_max"),
    ],
)
def test_settings_that_make_no_sense(build, options, said):
    with pytest.raises(ValueError, match=said):
        build(**options)


def test_a_configuration_is_refused_with_its_place(validated):
    said = validated("aegis-guard-llm-guard", "llm_guard", scanners={"InvisibleText": {"x": 1}})
    assert any("guardrails.llm_guard.options.scanners.InvisibleText" in one for one in said), said


def test_installed_it_is_found_by_its_name(enforced):
    said = enforced("aegis-guard-llm-guard", "llm_guard", scanners={"InvisibleText": {}})
    assert any("enforcing" in one for one in said), said
